//! The settings that a model's card repeats, held to the ranges that they have in a configuration.

use super::ImageConfig;
use super::ranges::{scale, share};
use crate::networks::ModelCard;

impl ModelCard {
    /// Whether images can be brought to its size and masks be made by its rules; its network is built by others. In
    /// words that name the field, the value and the range where they cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        let image = ImageConfig {
            size: self.size,
            normalisation: self.normalisation,
        };
        image.check()?;
        for &factor in &self.scales {
            scale("scales", factor)?;
        }
        for (name, value) in [
            ("threshold", self.rule.threshold),
            ("min_area", self.rule.min_area),
            ("gate", self.rule.gate),
        ] {
            share(name, value)?;
        }
        if let Some(triplet) = &self.rule.triplet {
            share("triplet.top", triplet.top)?;
            share("triplet.min_area", triplet.min_area)?;
        }
        match &self.rule.crf {
            Some(crf) => crf.check("crf"),
            None => Ok(()),
        }
    }
}
