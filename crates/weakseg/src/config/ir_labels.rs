//! `[ir_labels]`: what IRNet learns from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Crf;
use super::ranges::share;

/// `make-ir-labels` (reference §3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrLabelStep {
    /// Background value against which the confident foreground is taken.
    pub foreground: f32,
    /// Background value against which the confident background is taken.
    pub background: f32,
    /// Refine both maps by a dense CRF.
    pub crf: bool,
    /// Certainty of the labels that the CRF starts from, above 0.5 and below 1.
    pub gt_prob: f32,
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in levels of colour, and weight of the bilateral term. A grey image counts as
    /// three equal channels, as in the reference code.
    pub bilateral: [f32; 3],
}

impl Default for IrLabelStep {
    fn default() -> Self {
        let Crf {
            iterations,
            gaussian,
            bilateral,
        } = Crf::default();
        Self {
            foreground: 0.30,
            background: 0.05,
            crf: true,
            gt_prob: 0.7,
            iterations,
            gaussian,
            bilateral,
        }
    }
}

impl IrLabelStep {
    /// The numbers of the dense CRF that `crf` asks for.
    pub fn dense_crf(&self) -> Crf {
        Crf {
            iterations: self.iterations,
            gaussian: self.gaussian,
            bilateral: self.bilateral,
        }
    }

    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        share("ir_labels.foreground", self.foreground.into())?;
        share("ir_labels.background", self.background.into())?;
        if self.background > self.foreground {
            return Err(format!(
                "ir_labels.background ({}) lies above ir_labels.foreground ({}); a pixel cannot be confident background and foreground at once",
                self.background, self.foreground
            ));
        }
        // At one half a label of two says nothing, below it the contrary.
        if !(self.gt_prob > 0.5 && self.gt_prob < 1.0) {
            return Err(format!(
                "ir_labels.gt_prob is {}; expected above 0.5 and below 1, as 0.7",
                self.gt_prob
            ));
        }
        self.dense_crf().check("ir_labels")
    }
}
