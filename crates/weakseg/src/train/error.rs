//! Why a training ends without its network.

use std::path::{Path, PathBuf};

use burn::tensor::TensorReadError;
use weakseg_data::DataError;
use weakseg_models::weights::WeightsError;

use super::Place;
use super::state::FORMAT;
use crate::optim::OptimError;

/// A checkpoint that cannot be written or trusted.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file.
    #[error(transparent)]
    File(#[from] DataError),
    /// The network's weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The optimizer's state.
    #[error(transparent)]
    Optimizer(#[from] OptimError),
    /// A file is not as it was written.
    #[error("{}: damaged ({file} {why}); {remedy}", path.display())]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        why: &'static str,
        /// What to do about it.
        remedy: String,
    },
    /// Training had come further than its checkpoints tell.
    #[error(
        "{}: epoch {epochs} is over, as metrics.jsonl beside it tells, and there is no checkpoint to go on from; put it back, or \
         {}",
        path.display(), without(path)
    )]
    Gone {
        /// The folder of the checkpoints.
        path: PathBuf,
        /// Epochs that were over.
        epochs: usize,
    },
    /// Written by a later version.
    #[error("{}: written by a later version of weakseg (format {found}, this one reads up to {FORMAT}); go on with that \
             version", path.display())]
    Newer {
        /// The checkpoint.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// The best epoch's checkpoint is of no use.
    #[error("{}: the checkpoint of the best epoch {why}; {}", path.display(), without(path))]
    NoBest {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

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
    /// The loss or the gradient is not a number.
    #[error(
        "{step}: the {what} is {value} in epoch {}, batch {} (learning rate {lr:e}, {}, cases {cases}); look at these cases, or \
         {} and a lower learning rate (`--set {section}.training.optimizer.lr=…`) or clipped gradients (`--set {section}.training.clip=1`)",
        place.epoch + 1, place.step + 1, last_norm(.norm), anew(step), section = section(step)
    )]
    NotFinite {
        /// What is trained.
        step: String,
        /// `loss`, or `norm of the gradient`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Where.
        place: Place,
        /// Learning rate of the step.
        lr: f64,
        /// Norm of the last gradient before, none in the first step.
        norm: Option<f64>,
        /// Ids of the batch, or of all batches of the step.
        cases: String,
    },
    /// The device did not compute, for want of memory as a rule.
    #[error(
        "{step}: the device gave up {place}, with {batch} images in a batch: {why}. The same command goes on from the last \
         checkpoint. If the device's memory is full, {} and half the images in a batch, twice the batches in a step, which trains \
         alike: `--set {section}.training.batch={} --set {section}.training.accumulate={}`",
        anew(step), (batch / 2).max(1), accumulate * 2, section = section(step)
    )]
    Device {
        /// What is trained.
        step: String,
        /// What it said.
        why: String,
        /// Where, as in `in epoch 2, batch 5`, with the device if there are several.
        place: String,
        /// Images in a batch.
        batch: usize,
        /// Batches in a step.
        accumulate: usize,
    },
    /// The device did not compute what a lesson asked of it: what [`Lesson::validate`](super::Lesson::validate) may
    /// return, and [`fit`](super::fit()) then names the place of.
    #[error("the device gave up: {0}")]
    Read(#[from] TensorReadError),
    /// The devices that share the batches of an optimizer step cannot have equally many of them.
    #[error(
        "{step}: training.accumulate is {accumulate}, but {devices} devices share the batches of an optimizer step: it must be a \
         multiple of {devices}. About as many images in a step: `--set {section}.training.batch={} --set {section}.training.accumulate={}`",
        (batch * accumulate / accumulate.next_multiple_of(*devices)).max(1), accumulate.next_multiple_of(*devices),
        section = section(step)
    )]
    Uneven {
        /// What is trained.
        step: String,
        /// Images in a batch.
        batch: usize,
        /// Batches in a step.
        accumulate: usize,
        /// Devices.
        devices: usize,
    },
    /// Nothing to learn from.
    #[error("no cases to train on: {why}")]
    Empty {
        /// Which cases were looked for.
        why: String,
    },
    /// The figure that decides is not among those there are.
    #[error(
        "{step}: training.monitor is `{monitor}`, which the validation split does not give (it gives {there}); set \
         training.monitor to one of these, or give the split cases with and without each class"
    )]
    NoFigure {
        /// What is trained.
        step: String,
        /// The figure asked for.
        monitor: &'static str,
        /// Figures there are.
        there: String,
    },
    /// The best epoch is asked for, and none had a figure.
    #[error(
        "{step}: training.select is `best`, but `{monitor}` was not a finite number after any epoch; see metrics.jsonl, or \
         set training.select to `last`"
    )]
    NoBest {
        /// What is trained.
        step: String,
        /// The figure asked for.
        monitor: &'static str,
    },
    /// A case could not be made into a batch.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// In words, how a step is made again with other settings; with the same ones a step that was only begun would go on.
pub(super) fn anew(step: &str) -> String {
    format!("begin this step anew: `weakseg run` with `--from {step}`")
}

/// In words, how a step is made again whose checkpoints, `folder` or one in it, are of no use.
pub(super) fn without(folder: &Path) -> String {
    let mut above = folder.ancestors();
    let step = above
        .find(|folder| folder.ends_with("checkpoints"))
        .and_then(Path::parent)
        .unwrap_or(folder);
    format!("remove {} to begin this step anew", step.display())
}

/// The section of the settings of a training.
fn section(step: &str) -> &str {
    step.strip_prefix("train-").unwrap_or(step)
}

fn last_norm(norm: &Option<f64>) -> String {
    match norm {
        Some(norm) => format!("norm of the gradient before it {norm:.3e}"),
        None => "no gradient before it".to_owned(),
    }
}
