//! What can go wrong with tuning.

use std::path::PathBuf;

use weakseg_data::{DataError, Split};

use crate::metrics::MetricError;
use crate::predict::PredictError;

/// Why nothing was tuned.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The run has not come so far.
    #[error(
        "{folder}: the step {step}, whose maps are tuned, is not finished; finish it with `weakseg run`",
        folder = run.display()
    )]
    Unfinished {
        /// The run's folder.
        run: PathBuf,
        /// The step.
        step: &'static str,
    },
    /// Classes that share the pixels.
    #[error(
        "the classes of this set compete for the pixels of one mask (as VOC's do), and tuning is for findings with a mask each; \
         compare values of cams.threshold by eval-cams instead"
    )]
    Exclusive,
    /// No masks.
    #[error(
        "no case of the {split} split that is labelled with a finding has a mask, so there is nothing to tune by; give the set \
         masks of some, or set cams.threshold = \"otsu\", which needs none"
    )]
    NoMasks {
        /// The split that masks are drawn from.
        split: Split,
    },
    /// Asked to stop.
    #[error("stopped after {done} of {total} {what}")]
    Stopped {
        /// What is over.
        done: usize,
        /// Of so many.
        total: usize,
        /// Cases or draws.
        what: &'static str,
    },
    /// A mask that does not fit its case.
    #[error("case {case}: {source}")]
    Case {
        /// The case.
        case: String,
        /// What is wrong.
        source: MetricError,
    },
    /// A document that is none.
    #[error("{}: damaged or from another version ({why}); write it again with `weakseg tune`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The run's settings or folder.
    #[error(transparent)]
    Run(#[from] crate::pipeline::StepError),
    /// Images, masks, maps.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The segmentation network.
    #[error(transparent)]
    Predict(#[from] PredictError),
}
