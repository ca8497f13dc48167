//! `[irn]`: how IRNet learns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges::radius;
use super::{SamplerKind, Training};
use crate::optim::OptimConfig;

/// `train-irn` (reference §4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrnStep {
    /// Search radius of the pairs, in cells of the stride-4 grid.
    pub radius: usize,
    /// How training runs; `head_lr_factor` multiplies the displacement head (reference: 10), which `groups` call
    /// `head`, and the boundary head is their `trunk`: the trunk of the network does not learn here.
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

impl IrnStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        self.training.check("irn")?;
        self.check_sampler()?;
        radius("irn.radius", self.radius)
    }

    /// IRNet learns from positives alone: a sampler that is to draw negatives has none.
    fn check_sampler(&self) -> Result<(), String> {
        let (key, least) = match self.training.sampler {
            SamplerKind::Share(share) => ("share", share),
            SamplerKind::Schedule { from, to, .. } => ("schedule", from.min(to)),
            SamplerKind::Shuffle | SamplerKind::Balanced | SamplerKind::Positives => return Ok(()),
        };
        if least < 1.0 {
            return Err(format!(
                "irn.training.sampler.{key} goes down to a share of {least} positives, but IRNet learns from positives alone; expected \
                 \"shuffle\", or \"balanced\" where there are several findings"
            ));
        }
        Ok(())
    }
}
