//! The training loop.

use std::path::Path;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use weakseg_models::weights::Metadata;

use super::checkpoint::{self, CheckpointError, State};
use super::{MetricLine, MetricLog, Place};
use crate::optim::{Optimizer, ScheduleConfig};
use crate::progress::{Progress, Stop};

/// Checkpoints inside an epoch are this far apart, so that a kill costs minutes, not an epoch of hours.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(180);

/// Why a training ended without its network.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// It was asked to stop, and can go on from its checkpoint.
    #[error("stopped in epoch {} of {epochs}; the same command goes on from there", place.epoch + 1)]
    Stopped {
        /// Where it stood.
        place: Place,
        /// Epochs in all.
        epochs: usize,
    },
    /// The loss is not a number.
    #[error(
        "the loss is {value} in epoch {}, step {} (learning rate {lr:e}, cases {cases}); the checkpoint before it is kept. \
         Lower the learning rate (`--set …training.optimizer.lr=…`) or look at these cases",
        place.epoch + 1, place.step + 1
    )]
    NotFinite {
        /// The loss.
        value: f32,
        /// Where.
        place: Place,
        /// Learning rate of the step.
        lr: f64,
        /// Ids of the batch.
        cases: String,
    },
    /// Nothing to learn from.
    #[error("no cases to train on: {why}")]
    Empty {
        /// Which cases were looked for.
        why: String,
    },
    /// A case could not be made into a batch.
    #[error(transparent)]
    Data(#[from] weakseg_data::DataError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// What is learned: the part of a training that differs from step to step.
pub trait Lesson {
    /// The network, or the part of it that learns.
    type Network: Module;

    /// Indices of the cases of `epoch`, in order; a pure function of the epoch.
    fn order(&self, epoch: usize) -> Vec<usize>;

    /// The terms of the loss for a batch, the first being the one that is minimised, each a tensor of one value.
    ///
    /// # Errors
    /// When a case cannot be read.
    fn loss(
        &mut self,
        network: &Self::Network,
        batch: &[usize],
        at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError>;

    /// Figures on held-out cases after an epoch; none by default.
    ///
    /// # Errors
    /// When a case cannot be read.
    fn validate(
        &mut self,
        _network: &Self::Network,
    ) -> Result<Vec<(&'static str, f64)>, TrainError> {
        Ok(Vec::new())
    }

    /// Name of a case in messages.
    fn id(&self, index: usize) -> String;
}

/// How [`fit`] runs.
pub struct Fit<'a> {
    /// Folder of the step: `checkpoints/` and `metrics.jsonl` go here.
    pub folder: &'a Path,
    /// What the progress line calls it.
    pub name: &'a str,
    /// Epochs.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Leave out a last batch that is not full, as long as there is a full one.
    pub drop_last: bool,
    /// Base learning rate.
    pub lr: f64,
    /// How it falls.
    pub schedule: &'a ScheduleConfig,
    /// Written with every checkpoint.
    pub meta: &'a Metadata,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

/// Trains `network` to the end of the last epoch, from the newest checkpoint in the step's folder if there is one.
///
/// # Errors
/// See [`TrainError`]. [`TrainError::Stopped`] leaves a checkpoint from which the same call goes on.
pub fn fit<L: Lesson>(
    lesson: &mut L,
    network: L::Network,
    mut optimizer: Optimizer,
    plan: &Fit<'_>,
) -> Result<L::Network, TrainError> {
    optimizer
        .check_groups(&network)
        .map_err(CheckpointError::from)?;
    let checkpoints = plan.folder.join("checkpoints");
    let (mut network, resumed) = checkpoint::resume(&checkpoints, network, &mut optimizer)?;
    let mut state = resumed.unwrap_or(State {
        place: Place { epoch: 0, step: 0 },
        sums: Vec::new(),
        seconds: 0.0,
        network: String::new(),
        optimizer: String::new(),
    });
    let log = MetricLog::open(plan.folder, state.place.epoch)?;
    let steps = batches(&lesson.order(0), plan).len();
    if steps == 0 {
        return Err(TrainError::Empty {
            why: format!("{} has an empty training split", plan.name),
        });
    }
    let total = plan.epochs * steps;
    plan.progress.begin(plan.name, total as u64);
    let mut began = Instant::now();
    let mut saved = Instant::now();
    while state.place.epoch < plan.epochs {
        let order = lesson.order(state.place.epoch);
        for batch in batches(&order, plan).iter().skip(state.place.step) {
            let done = state.place.epoch * steps + state.place.step;
            let lr = plan.lr
                * plan
                    .schedule
                    .factor(done, total, state.place.epoch, plan.epochs);
            let terms = lesson.loss(&network, batch, state.place)?;
            let mut reading = f32::NAN;
            for (place, (name, term)) in terms.iter().enumerate() {
                let value: f32 = term.clone().into_scalar();
                if place == 0 {
                    reading = value;
                }
                match state.sums.iter_mut().find(|(known, _)| known == name) {
                    Some((_, sum)) => *sum += f64::from(value),
                    None => state.sums.push(((*name).to_owned(), f64::from(value))),
                }
            }
            if !reading.is_finite() {
                let cases: Vec<String> = batch.iter().map(|&i| lesson.id(i)).collect();
                return Err(TrainError::NotFinite {
                    value: reading,
                    place: state.place,
                    lr,
                    cases: cases.join(", "),
                });
            }
            let (_, loss) = &terms[0];
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(network, gradients, lr);
            state.place.step += 1;
            plan.progress.at(
                (done + 1) as u64,
                &format!(
                    "epoch {}/{} loss {reading:.4}",
                    state.place.epoch + 1,
                    plan.epochs
                ),
            );
            let stop = plan.stop.asked();
            if stop || saved.elapsed() > BETWEEN_CHECKPOINTS {
                state.seconds += began.elapsed().as_secs_f64();
                began = Instant::now();
                checkpoint::save(&checkpoints, &network, plan.meta, &optimizer, state.clone())?;
                saved = Instant::now();
            }
            if stop {
                plan.progress.end();
                return Err(TrainError::Stopped {
                    place: state.place,
                    epochs: plan.epochs,
                });
            }
        }
        let epoch = state.place.epoch + 1;
        let line = |split: &str, name: &str, value: f64| MetricLine {
            epoch,
            step: epoch * steps,
            split: split.to_owned(),
            name: name.to_owned(),
            value,
        };
        let mut lines: Vec<MetricLine> = state
            .sums
            .iter()
            .map(|(name, sum)| line("train", name, sum / steps as f64))
            .collect();
        lines.push(line(
            "train",
            "lr",
            plan.lr
                * plan
                    .schedule
                    .factor(epoch * steps - 1, total, state.place.epoch, plan.epochs),
        ));
        for (name, value) in lesson.validate(&network.valid())? {
            lines.push(line("val", name, value));
        }
        log.add(&lines)?;
        let reading = |l: &MetricLine| match l.name.as_str() {
            "lr" => format!("lr {:.1e}", l.value),
            name => format!("{} {name} {:.4}", l.split, l.value),
        };
        let readings: Vec<String> = lines.iter().map(reading).collect();
        plan.progress.note(&format!(
            "{} epoch {epoch}/{}: {}",
            plan.name,
            plan.epochs,
            readings.join(", ")
        ));
        state.place = Place { epoch, step: 0 };
        state.sums.clear();
        state.seconds += began.elapsed().as_secs_f64();
        began = Instant::now();
        checkpoint::save(&checkpoints, &network, plan.meta, &optimizer, state.clone())?;
        saved = Instant::now();
    }
    plan.progress.end();
    Ok(network)
}

fn batches(order: &[usize], plan: &Fit<'_>) -> Vec<Vec<usize>> {
    let whole = order.len() / plan.batch;
    order
        .chunks(plan.batch)
        .enumerate()
        .filter(|(place, _)| !plan.drop_last || whole == 0 || *place < whole)
        .map(|(_, chunk)| chunk.to_vec())
        .collect()
}
