//! [`StartWeights`]: files that networks start from.

use std::path::PathBuf;

use super::plan::Plan;
use super::{Job, METHOD, StepError};
use crate::config::EncoderStart;
use crate::pretrained::{Cache, FetchError, Patience, WeightsChoice};

/// Files of weights that the steps of a call start from.
#[derive(Default)]
pub(super) struct StartWeights {
    pub(super) trunk: Option<PathBuf>,
    pub(super) encoder: Option<PathBuf>,
}

impl StartWeights {
    /// Whether the files that a new run names are there.
    ///
    /// # Errors
    /// [`StepError::Config`] for one that is not.
    pub(super) fn check(job: &Job<'_>) -> Result<(), StepError> {
        let config = job.config;
        let steps = &METHOD[job.span.from..=job.span.until];
        let asked = |step: &str| steps.iter().any(|asked| asked.name == step);
        let trunk = &config.classifier.weights;
        if asked("train-classifier") {
            let found = trunk.check(job.base);
            found.map_err(|error| StepError::Config(format!("classifier.weights: {error}")))?;
        }
        let own = config.segmenter.weights.as_ref();
        let own = own.filter(|_| config.segmenter.encoder == EncoderStart::Weights);
        match own.filter(|_| asked("train-segmenter")) {
            Some(own) => {
                let found = own.check(job.base);
                found.map_err(|error| StepError::Config(of_encoder(&error)))
            }
            None => Ok(()),
        }
    }

    /// Has those at hand that a step of the plan asks for: before any work, so that hours are not spent before it turns
    /// out that a server cannot be reached.
    ///
    /// # Errors
    /// When a file is not there, or cannot be fetched.
    pub(super) fn obtain(job: &Job<'_>, plan: &Plan) -> Result<Self, StepError> {
        let config = job.config;
        let mut files = Self::default();
        if plan.does("train-classifier") {
            files.trunk = obtain(job, &config.classifier.weights)?;
        }
        let encoder = config.segmenter.encoder == EncoderStart::Weights;
        if encoder && plan.does("train-segmenter") {
            files.encoder = match (&config.segmenter.weights, &files.trunk) {
                (None, Some(trunk)) => Some(trunk.clone()),
                (None, None) => obtain(job, &config.classifier.weights)?,
                (Some(own), _) => obtain(job, own).map_err(for_encoder)?,
            };
        }
        Ok(files)
    }
}

/// The errors of weights speak of the option for the classifier's.
fn for_encoder(error: StepError) -> StepError {
    match error {
        StepError::Fetch(error) => StepError::Other(of_encoder(&error)),
        other => other,
    }
}

fn of_encoder(error: &FetchError) -> String {
    format!(
        "segmenter.weights: {error}. For the encoder that is --set segmenter.weights=FILE, and --set segmenter.encoder=random"
    )
}

fn obtain(job: &Job<'_>, weights: &WeightsChoice) -> Result<Option<PathBuf>, StepError> {
    let cache = Cache::of_user();
    let patience = Patience::default();
    let found = weights.obtain(job.base, &cache, &patience, job.progress, job.stop)?;
    if let (Some(path), WeightsChoice::Named(_)) = (&found, weights) {
        let path = path.display();
        job.progress
            .note(&format!("pretrained weights {weights}: {path}"));
    }
    Ok(found)
}
