//! [`Replicas`]: copies of a network on further devices, which compute a share of the batches of every optimizer step.
//!
//! | who | does, in one optimizer step |
//! |---|---|
//! | the training's thread | reads the weights, hands out batches: `i` of the step to device `i` modulo their number |
//! | a replica's thread | takes the weights over, computes loss and gradients of its batches one after another, reads the gradients |
//! | the training's thread | computes the batches of the first device, adds up all gradients in the order of the batches, takes the step |
//!
//! So a step is the one that a single device takes with the same settings, whichever thread is ready first. Running
//! statistics of batch norm go nowhere: those of the first device are the network's.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

use burn::module::Module;
use burn::tensor::{Device, TensorReadError};
use rayon::Yield;

use super::part::Part;
use super::values::Values;
use super::{Draw, Lesson, Place, TrainError};
use crate::config::Training;

/// How long someone who waits for a replica sleeps before looking again.
const LOOK: Duration = Duration::from_micros(100);

/// Bytes of a replica's stack: as much as the main thread has on most systems.
const STACK: usize = 8 << 20;

/// A device that trainings share their batches with, beside the one where all else runs.
#[derive(Debug, Clone)]
pub struct FurtherDevice {
    /// The device, without autodiff; of the kind of the first.
    pub device: Device,
    /// What messages call it.
    pub name: String,
}

/// Sees whether so many devices can share the batches of a training's optimizer steps evenly.
///
/// # Errors
/// [`TrainError::Uneven`] with settings that would do.
pub(crate) fn check_shares(
    step: &str,
    training: &Training,
    devices: usize,
) -> Result<(), TrainError> {
    match training.accumulate.is_multiple_of(devices) {
        true => Ok(()),
        false => Err(TrainError::Uneven {
            step: step.to_owned(),
            batch: training.batch,
            accumulate: training.accumulate,
            devices,
        }),
    }
}

/// A copy of a network on another device, with autodiff, that shares nothing with it.
///
/// Burn's `fork` alone is not enough: clones of a network share its running statistics, which it would move away.
pub(crate) fn copy_on<M: Module>(network: &M, device: &Device) -> M {
    network.valid().train().fork(device)
}

/// The replicas of a training, each on a thread of its own. Without further devices there is none, and nothing is done.
pub(super) struct Replicas<'scope, L: Lesson>(Vec<Replica<'scope, L>>);

struct Replica<'scope, L: Lesson> {
    shares: Sender<Share<L>>,
    parts: Receiver<Result<Part<Values>, TrainError>>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// What a replica has to do in an optimizer step.
struct Share<L: Lesson> {
    weights: Arc<Values>,
    batches: Vec<Batch<L>>,
}

struct Batch<L: Lesson> {
    at: Place,
    cases: Vec<usize>,
    samples: Vec<<L::Draw as Draw>::Sample>,
}

impl<'scope, L: Lesson + 'scope> Replicas<'scope, L> {
    /// Copies lesson and network to each device and starts its thread.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        lesson: &L,
        network: &L::Network,
        devices: &[FurtherDevice],
    ) -> Result<Self, TrainError> {
        let mut replicas = Self(Vec::with_capacity(devices.len()));
        for FurtherDevice { device, name } in devices {
            let device = device.clone().autodiff();
            let (lesson, network) = (lesson.on(&device), copy_on(network, &device));
            let (shares, to_do) = channel();
            // A replica goes on while one part of it waits to be fetched, and no further.
            let (done, parts) = sync_channel(1);
            let thread = Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || work(lesson, network, &to_do, &done))
                .map_err(|error| {
                    TrainError::Other(format!(
                        "the thread for {name} cannot be started ({error}); leave the device out"
                    ))
                })?;
            replicas.0.push(Replica {
                shares,
                parts,
                thread,
            });
        }
        Ok(replicas)
    }
}

impl<L: Lesson> Replicas<'_, L> {
    /// Which device computes batch `number` of an optimizer step; 0 is the first.
    pub(super) fn device(&self, number: usize) -> usize {
        number % (1 + self.0.len())
    }

    /// Begins an optimizer step: hands out its batches with their samples. What is left of the samples belongs to the
    /// first device.
    ///
    /// # Errors
    /// If the first device cannot give the network's weights.
    pub(super) fn begin(
        &self,
        network: &L::Network,
        batches: &[(Place, Vec<usize>)],
        samples: &mut [Option<Vec<<L::Draw as Draw>::Sample>>],
    ) -> Result<(), TensorReadError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let weights = Arc::new(Values::of_weights(network)?);
        for (device, replica) in (1..).zip(&self.0) {
            let batches = batches
                .iter()
                .zip(samples.iter_mut())
                .enumerate()
                .filter(|(number, _)| self.device(*number) == device)
                .filter_map(|(_, ((at, cases), samples))| {
                    Some(Batch {
                        at: *at,
                        cases: cases.clone(),
                        samples: samples.take()?,
                    })
                })
                .collect();
            let weights = weights.clone();
            // If its thread is gone, that is told when its part is waited for.
            let _ = replica.shares.send(Share { weights, batches });
        }
        Ok(())
    }

    /// The part of batch `number` of the step that was begun, which a further device computes. Each is fetched once, in
    /// order.
    ///
    /// # Errors
    /// The lesson's; [`TrainError::Read`] when the device gives up.
    ///
    /// # Panics
    /// If the replica's thread has panicked.
    pub(super) fn part(&self, number: usize) -> Result<Part<Values>, TrainError> {
        let replica = &self.0[self.device(number) - 1];
        wait(|| match replica.parts.try_recv() {
            Ok(part) => Some(part),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the thread of a replica has panicked"),
        })
    }
}

impl<L: Lesson> Drop for Replicas<'_, L> {
    /// Waits for the threads. The end of their scope would do so too, but without lending a hand, and where a training
    /// ends with an error they are still at work.
    fn drop(&mut self) {
        let threads: Vec<_> = self.0.drain(..).map(|replica| replica.thread).collect();
        for thread in threads {
            wait(|| thread.is_finished().then_some(()));
        }
    }
}

/// Looks until something is there. A thread of the pool does the pool's work meanwhile: it may be the only one, and a
/// replica may be waiting for that work.
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        if rayon::yield_now() != Some(Yield::Executed) {
            std::thread::sleep(LOOK);
        }
    }
}

/// Computes share after share until nobody wants more: what the thread of a replica does.
fn work<L: Lesson>(
    mut lesson: L,
    mut network: L::Network,
    shares: &Receiver<Share<L>>,
    parts: &SyncSender<Result<Part<Values>, TrainError>>,
) {
    for share in shares {
        network = share.weights.set(network);
        for Batch { at, cases, samples } in share.batches {
            let part = Part::of(&mut lesson, &network, &cases, samples, at)
                .and_then(|part| Ok(part.in_memory::<L>(&network)?));
            let failed = part.is_err();
            if parts.send(part).is_err() || failed {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Flag, Param, RunningState};
    use burn::tensor::Tensor;

    #[derive(Module, Debug)]
    struct Net {
        weight: Param<Tensor<1>>,
        frozen: Param<Tensor<1>>,
        running_mean: RunningState<Tensor<1>>,
        training: Param<Flag>,
    }

    fn net(device: &Device) -> Net {
        let of = |value: f32| Tensor::<1>::from_floats([value], device);
        Net {
            weight: Param::from_tensor(of(1.0)),
            frozen: Param::from_tensor(of(2.0)).set_require_grad(false),
            running_mean: RunningState::new(of(3.0)),
            training: Param::from_bool(false),
        }
    }

    #[test]
    fn a_copy_has_running_statistics_of_its_own() {
        let device = Device::flex().autodiff();
        let network = net(&device);
        let copy = copy_on(&network, &device);
        let mean = |net: &Net| net.running_mean.value_sync().into_scalar::<f32>();
        assert_eq!(mean(&copy), 3.0);
        copy.running_mean
            .update(Tensor::from_floats([5.0], &device));
        assert_eq!((mean(&copy), mean(&network)), (5.0, 3.0));
        network
            .running_mean
            .update(Tensor::from_floats([7.0], &device));
        assert_eq!((mean(&copy), mean(&network)), (5.0, 7.0));
    }

    #[test]
    fn a_copy_learns_what_the_network_learns() {
        let device = Device::flex().autodiff();
        let network = net(&device);
        let copy = copy_on(&network, &device);
        assert_eq!(copy.weight.id, network.weight.id);
        assert!(copy.weight.is_require_grad() && !copy.frozen.is_require_grad());
        assert!(!copy.training.is_enabled(), "statistics stay fixed");
        let gradients = (copy.weight.val() * 4.0).backward();
        assert!(copy.weight.val().grad(&gradients).is_some());
        assert!(network.weight.val().grad(&gradients).is_none());
    }

    #[test]
    fn shares_are_even_or_refused_with_what_would_do() {
        let training = |batch: usize, accumulate: usize| Training {
            batch,
            accumulate,
            ..Training::default()
        };
        for (accumulate, devices) in [(1, 1), (3, 1), (2, 2), (4, 2), (6, 3)] {
            assert!(check_shares("train-irn", &training(8, accumulate), devices).is_ok());
        }
        for (batch, accumulate, devices, way_out) in [
            (
                16,
                1,
                2,
                "--set irn.training.batch=8 --set irn.training.accumulate=2",
            ),
            (
                8,
                3,
                2,
                "--set irn.training.batch=6 --set irn.training.accumulate=4",
            ),
            (
                1,
                1,
                4,
                "--set irn.training.batch=1 --set irn.training.accumulate=4",
            ),
        ] {
            let error = check_shares("train-irn", &training(batch, accumulate), devices);
            let message = error.expect_err("refused").to_string();
            let begins = format!("train-irn: training.accumulate is {accumulate}, but {devices} ");
            assert!(
                message.starts_with(&begins) && message.contains(way_out),
                "{message}"
            );
        }
    }
}
