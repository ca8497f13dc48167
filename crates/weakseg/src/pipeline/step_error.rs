//! [`StepError`]: why a step did not finish.

use weakseg_data::DataError;
use weakseg_models::weights::WeightsError;

use super::RunError;
use crate::pretrained::FetchError;
use crate::report::ReportError;
use crate::scoring::ScoreError;
use crate::train::TrainError;

/// Why a step did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// It was asked to stop; the same command goes on from there.
    #[error(
        "stopped; the same command goes on from there (leave out --from and --only, which begin again)"
    )]
    Stopped,
    /// Training.
    #[error(transparent)]
    Train(TrainError),
    /// Data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The run's folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Pretrained weights.
    #[error(transparent)]
    Fetch(Box<FetchError>),
    /// Scores.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Settings that do not go with the data or the device.
    #[error("{0}")]
    Config(String),
    /// Anything else, in words that say what, where and what next.
    #[error("{0}")]
    Other(String),
}

impl From<FetchError> for StepError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Stopped => Self::Stopped,
            other => Self::Fetch(Box::new(other)),
        }
    }
}

impl From<TrainError> for StepError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Stopped { .. } => Self::Stopped,
            other => Self::Train(other),
        }
    }
}
