//! `[ir_labels]` and `[irn]`: what IRNet learns from, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Training;
use crate::optim::OptimConfig;

/// Step 2, `make-ir-labels` (reference §3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrLabelStep {
    /// Background value against which the confident foreground is taken.
    pub foreground: f32,
    /// Background value against which the confident background is taken.
    pub background: f32,
    /// Refine both maps by a dense CRF.
    pub crf: bool,
    /// Certainty of the labels that the CRF starts from, in 0.5..1.
    pub gt_prob: f32,
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in grey levels, and weight of the bilateral term.
    pub bilateral: [f32; 3],
}

impl Default for IrLabelStep {
    fn default() -> Self {
        Self {
            foreground: 0.30,
            background: 0.05,
            crf: true,
            gt_prob: 0.7,
            iterations: 10,
            gaussian: [3.0, 3.0],
            bilateral: [50.0, 5.0, 10.0],
        }
    }
}

/// Step 2, `train-irn` (reference §4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrnStep {
    /// Search radius of the pairs, in cells of the stride-4 grid.
    pub radius: usize,
    /// How training runs; `head_lr_factor` multiplies the displacement head (reference: 10), which `groups` call `head`, and
    /// the boundary head is their `trunk`: the trunk of the network does not learn here.
    pub training: Training,
}

impl Default for IrnStep {
    fn default() -> Self {
        Self {
            radius: 10,
            training: Training {
                epochs: 3,
                optimizer: OptimConfig::sgd(0.1, 0.9, 1e-4),
                head_lr_factor: 10.0,
                ..Training::default()
            },
        }
    }
}
