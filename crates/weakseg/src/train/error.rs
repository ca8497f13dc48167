//! Why a training ends without its network.

use super::Place;
use super::checkpoint::CheckpointError;

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
        "the {what} is {value} in epoch {}, batch {} (learning rate {lr:e}, {}, cases {cases}); the checkpoint before it is \
         kept. Lower the learning rate (`--set …training.optimizer.lr=…`), clip the gradient (`--set …training.clip=1`) or \
         look at these cases",
        place.epoch + 1, place.step + 1, last_norm(.norm)
    )]
    NotFinite {
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
    Data(#[from] weakseg_data::DataError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

fn last_norm(norm: &Option<f64>) -> String {
    match norm {
        Some(norm) => format!("norm of the gradient before it {norm:.3e}"),
        None => "no gradient before it".to_owned(),
    }
}
