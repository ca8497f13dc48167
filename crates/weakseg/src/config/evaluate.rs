//! `[evaluate]`: scores and report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges::at_most;
use crate::report::gallery::MAX_ROWS;

/// `evaluate` and `report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateStep {
    /// Resamples of the 95 % bootstrap intervals, at most 100000; 0 leaves them out.
    pub bootstrap: usize,
    /// Rows of pictures in the report, 24 at most.
    pub gallery: usize,
    /// What the baseline that has not seen the image knows.
    pub prior: Prior,
    /// Cases that may be left out before the run ends with exit code 3.
    pub allow_skips: usize,
}

impl Default for EvaluateStep {
    fn default() -> Self {
        Self {
            bootstrap: 1000,
            gallery: 12,
            prior: Prior::Masks,
            allow_skips: 0,
        }
    }
}

impl EvaluateStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        at_most("evaluate.bootstrap", self.bootstrap, 100_000)?;
        at_most("evaluate.gallery", self.gallery, MAX_ROWS)
    }
}

/// The third trivial baseline: one mask for every image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prior {
    /// Mean true mask of the training split, cut where it fits best; the centre where there are none.
    Masks,
    /// Middle of the image.
    Centre,
    /// Mean lung fields of 100 phantoms: for frontal chest X-rays without masks.
    Lungs,
}
