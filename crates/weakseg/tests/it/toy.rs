//! A network of 26 numbers and a lesson for it: the ones of `tests/oracle/optimizers.py` and `clip_and_average.py`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use burn::module::{Module, Param};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use serde_json::Value;
use weakseg::config::{LoaderConfig, Training};
use weakseg::optim::{LrGroup, OptimConfig, Optimizer, ScheduleConfig};
use weakseg::progress::{Progress, Stop};
use weakseg::train::{Chance, Draw, Fit, FurtherDevice, Lesson, Place, TrainError, fit};
use weakseg_data::DataError;
use weakseg_models::Normalisation;
use weakseg_models::weights::Metadata;

/// Two linear layers with tanh between them, 3 → 4 → 2, without batch norm.
#[derive(Module, Debug)]
pub struct Toy {
    w1: Param<Tensor<2>>,
    b1: Param<Tensor<1>>,
    w2: Param<Tensor<2>>,
    b2: Param<Tensor<1>>,
}

impl Toy {
    /// The weights that the oracle starts from, made by a sine.
    pub fn new(device: &Device) -> Self {
        let wave = |n: u32| {
            let values: Vec<f32> = (0..n)
                .map(|i| (0.5 * (1.3 * f64::from(i)).sin()) as f32)
                .collect();
            Tensor::<1>::from_floats(values.as_slice(), device)
        };
        Self {
            w1: Param::from_tensor(wave(12).reshape([3, 4])),
            b1: Param::from_tensor(wave(4)),
            w2: Param::from_tensor(wave(8).reshape([4, 2])),
            b2: Param::from_tensor(wave(2)),
        }
    }

    /// All its numbers, in order.
    pub fn numbers(&self) -> Vec<f32> {
        let list = |t: Tensor<1>| t.into_data().iter::<f32>().collect::<Vec<_>>();
        [
            list(self.w1.val().reshape([12])),
            list(self.b1.val()),
            list(self.w2.val().reshape([8])),
            list(self.b2.val()),
        ]
        .concat()
    }

    /// Mean squared error on some cases, their targets being `scale` times a cosine.
    pub fn loss(&self, cases: &[usize], scale: f64, device: &Device) -> Tensor<1> {
        let table = |values: Vec<f32>, columns: usize| {
            Tensor::<1>::from_floats(values.as_slice(), device).reshape([cases.len(), columns])
        };
        let inputs = cases
            .iter()
            .flat_map(|&c| (0..3).map(move |k| ((3 * c + k) as f64).sin() as f32))
            .collect();
        let targets = cases
            .iter()
            .flat_map(|&c| {
                (0..2).map(move |j| (scale * ((c / 2 + 2 * (c % 2) + j) as f64).cos()) as f32)
            })
            .collect();
        let hidden = tanh(table(inputs, 3).matmul(self.w1.val()) + self.b1.val().unsqueeze());
        let output = hidden.matmul(self.w2.val()) + self.b2.val().unsqueeze();
        (output - table(targets, 2)).square().mean()
    }
}

/// An optimizer whose second layer has a learning rate of its own.
pub fn optimizer(config: &OptimConfig, head_lr: f64) -> Optimizer {
    let head = LrGroup::new(["w2", "b2"], head_lr / config.lr);
    Optimizer::new(config, vec![head])
}

/// Fits the targets; what it is shown after each epoch is kept.
pub struct Targets {
    /// Cases of an epoch; the next epoch has the next ones.
    pub cases: usize,
    /// Of the targets.
    pub scale: f64,
    /// Validation loss of each epoch, in place of one that is computed; none without a validation split.
    pub said: Option<Vec<f64>>,
    /// The loss is not a number in this epoch.
    pub broken: Option<usize>,
    /// Loss of chance in an epoch that learned from so many cases; none where there is no such mark.
    pub chance: Option<fn(usize) -> f64>,
    /// The device gives up in the validation after this many epochs.
    pub given_up: Option<usize>,
    /// Further devices give up in this epoch.
    pub left_alone: Option<usize>,
    /// Numbers of the network that was validated after each epoch.
    pub shown: Vec<Vec<f32>>,
    /// Batches that further devices have computed.
    pub elsewhere: Arc<AtomicUsize>,
    /// Whether this is the lesson of a further device.
    further: bool,
    device: Device,
}

impl Targets {
    /// With `cases` an epoch and no validation split.
    pub fn new(cases: usize, scale: f64) -> Self {
        Self {
            cases,
            scale,
            said: None,
            broken: None,
            chance: None,
            given_up: None,
            left_alone: None,
            shown: Vec::new(),
            elsewhere: Arc::default(),
            further: false,
            device: Device::flex().autodiff(),
        }
    }
}

/// Samples of nothing: the toy makes its batches of their numbers.
pub struct Nothing;

impl Draw for Nothing {
    type Sample = ();

    fn sample(&self, _: usize, _: Place, _: usize) -> Result<(), DataError> {
        Ok(())
    }

    fn image(&self, _: usize) -> &Path {
        Path::new("no image")
    }
}

impl Lesson for Targets {
    type Network = Toy;
    type Draw = Nothing;

    fn draw(&self) -> Arc<Nothing> {
        Arc::new(Nothing)
    }

    fn on(&self, device: &Device) -> Self {
        Self {
            left_alone: self.left_alone,
            broken: self.broken,
            elsewhere: self.elsewhere.clone(),
            further: true,
            device: device.clone(),
            ..Self::new(self.cases, self.scale)
        }
    }

    fn order(&self, epoch: usize) -> Vec<usize> {
        (epoch * self.cases..(epoch + 1) * self.cases).collect()
    }

    fn loss(
        &mut self,
        network: &Toy,
        batch: &[usize],
        _: Vec<()>,
        at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError> {
        if self.further {
            self.elsewhere.fetch_add(1, Ordering::SeqCst);
            if self.left_alone == Some(at.epoch) {
                self.give_up()?;
            }
        }
        let loss = network.loss(batch, self.scale, &self.device);
        Ok(vec![match self.broken == Some(at.epoch) {
            true => ("loss", loss * f32::NAN),
            false => ("loss", loss),
        }])
    }

    fn validate(&mut self, network: &Toy) -> Result<Vec<(&'static str, f64)>, TrainError> {
        self.shown.push(network.numbers());
        if self.given_up == Some(self.shown.len()) {
            self.give_up()?;
        }
        Ok(match &self.said {
            Some(losses) => vec![("loss", losses[self.shown.len() - 1])],
            None => Vec::new(),
        })
    }

    fn chance(&self, drawn: &[usize]) -> Option<Chance> {
        self.chance.map(|loss| Chance {
            loss: loss(drawn.len()),
            auroc: None,
            advice: "Do better.",
        })
    }

    fn id(&self, index: usize) -> String {
        format!("case-{index}")
    }
}

impl Targets {
    /// An error of the kind that a device gives: two values are no scalar.
    fn give_up(&self) -> Result<(), TrainError> {
        let two = Tensor::<1>::from_floats([1.0, 2.0], &self.device);
        two.try_into_scalar::<f32>()?;
        Ok(())
    }
}

/// Keeps the notes.
#[derive(Default)]
pub struct Notes(pub Mutex<Vec<String>>);

impl Progress for Notes {
    fn begin(&self, _: &str, _: u64) {}
    fn at(&self, _: u64, _: &str) {}
    fn end(&self) {}
    fn note(&self, line: &str) {
        self.0.lock().expect("notes").push(line.to_owned());
    }
}

/// Plain gradient descent at a constant rate.
pub fn descent(lr: f64, epochs: usize, batch: usize) -> Training {
    Training {
        epochs,
        batch,
        optimizer: OptimConfig::sgd(lr, 0.0, 0.0),
        schedule: ScheduleConfig::constant(),
        ..Training::default()
    }
}

/// Trains the toy in `folder`; its numbers in the end.
pub fn train(
    folder: &Path,
    lesson: &mut Targets,
    training: &Training,
) -> Result<Vec<f32>, TrainError> {
    train_with(folder, lesson, training, &[], &Notes::default())
}

/// Trains the toy on the CPU and further devices.
pub fn train_on(
    folder: &Path,
    lesson: &mut Targets,
    training: &Training,
    further: &[FurtherDevice],
) -> Result<Vec<f32>, TrainError> {
    train_with(folder, lesson, training, further, &Notes::default())
}

/// Trains the toy and keeps what the training has to say.
pub fn train_and_note(
    folder: &Path,
    lesson: &mut Targets,
    training: &Training,
    notes: &Notes,
) -> Result<Vec<f32>, TrainError> {
    train_with(folder, lesson, training, &[], notes)
}

fn train_with(
    folder: &Path,
    lesson: &mut Targets,
    training: &Training,
    further: &[FurtherDevice],
    notes: &Notes,
) -> Result<Vec<f32>, TrainError> {
    let stop = Stop::default();
    let plan = Fit {
        folder,
        name: "toy",
        training,
        loader: &LoaderConfig::default(),
        meta: &Metadata::new("toy", 2, 1.0, Normalisation::IMAGENET),
        device_name: "cpu:first",
        further,
        progress: notes,
        stop: &stop,
    };
    std::fs::create_dir_all(folder).expect("a folder");
    let network = Toy::new(&lesson.device);
    let optimizer = Optimizer::new(&training.optimizer, Vec::new());
    Ok(fit(lesson, network, optimizer, &plan)?.numbers())
}

/// Numbers of a JSON array.
pub fn floats(value: &Value) -> Vec<f64> {
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    value
        .as_array()
        .expect("an array")
        .iter()
        .map(number)
        .collect()
}

/// Greatest difference between our numbers and recorded ones.
pub fn furthest(ours: &[f32], theirs: &Value) -> f64 {
    let theirs = floats(theirs);
    assert_eq!(ours.len(), theirs.len());
    ours.iter()
        .zip(theirs)
        .map(|(&a, b)| (f64::from(a) - b).abs())
        .fold(0.0, f64::max)
}
