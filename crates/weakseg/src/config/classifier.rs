//! `[classifier]`: the image-level classifier.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_models::layers::DropBlockForm;
use weakseg_models::weights::ChannelOrder;
use weakseg_models::{ClassifierArch, DropBlockPlace, HeadKind};

use super::Training;
use super::ranges::positive;
use crate::loss::ClassifierLoss;
use crate::pretrained::WeightsChoice;

/// Step 1, `train-classifier` (paper §3.1; reference §1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierStep {
    /// Network.
    pub arch: ClassifierArch,
    /// What follows the trunk: `extra` convolutions (the paper's), `linear` (ResNets as published) or `conv` (IRNet's).
    pub head: HeadKind,
    /// Stages of the trunk that are used: 5, or 4 for a ResNet that ends with `layer3`, on which no IRNet stands.
    pub stages: usize,
    /// Factor on every channel count; 1 is the published network.
    pub width: f64,
    /// What the trunk starts from: `"auto"`, the pretrained weights of the trunk, but none for phantoms and where `width`
    /// is not 1; `"none"`, noise; a name of `weakseg weights list`; or a file with torchvision's names, safetensors or
    /// PyTorch's, relative to the configuration file.
    #[schemars(with = "String")]
    pub weights: WeightsChoice,
    /// Order of the colours that the weights of a file were trained on.
    pub weights_channels: ChannelOrder,
    /// Blocks at the start of the trunk that stay as loaded.
    pub frozen_blocks: usize,
    /// Batch norm keeps the running statistics it is loaded with, as in IRNet's CAM network. For pretrained weights only.
    pub fixed_statistics: bool,
    /// DropBlock; probability 0 switches it off.
    pub dropblock: DropBlockStep,
    /// What is minimised.
    pub loss: ClassifierLoss,
    /// How training runs.
    pub training: Training,
}

impl Default for ClassifierStep {
    fn default() -> Self {
        Self {
            arch: ClassifierArch::Vgg16Bn,
            head: HeadKind::Extra,
            stages: 5,
            width: 1.0,
            weights: WeightsChoice::Auto,
            weights_channels: ChannelOrder::Rgb,
            frozen_blocks: 0,
            fixed_statistics: false,
            dropblock: DropBlockStep::default(),
            loss: ClassifierLoss::Bce,
            training: Training::default(),
        }
    }
}

impl ClassifierStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        self.training.check("classifier")?;
        positive("classifier.width", self.width)?;
        self.dropblock.check()
    }
}

/// DropBlock's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DropBlockStep {
    /// Share of the map that is dropped once the ramp is over, in 0..1.
    pub probability: f64,
    /// Side of a dropped square in cells of the map.
    pub block: usize,
    /// Paper-correct or as the reference code draws it.
    pub form: DropBlockForm,
    /// Before the head, or where the reference code has it.
    pub place: DropBlockPlace,
    /// Epochs over which the probability rises in equal steps, from 0 in the first to `probability` in the last of them; 0 or 1
    /// for the whole probability from the first epoch on.
    pub ramp_epochs: usize,
}

impl Default for DropBlockStep {
    fn default() -> Self {
        // Reference §1.2: p 0.2, block 7 (the X-ray YAML); the paper does not state them.
        Self {
            probability: 0.2,
            block: 7,
            form: DropBlockForm::Paper,
            place: DropBlockPlace::BeforeExtra,
            ramp_epochs: 10,
        }
    }
}

impl DropBlockStep {
    /// The probability of an epoch, counted from 0: the values of `linspace(0, probability, ramp_epochs)`, then the last of them.
    ///
    /// Departs from the reference, which takes a step every forward pass, those of validation too (reference §1.2): because its
    /// ramp is over after ten batches, before the head has learned anything.
    pub fn probability_at(&self, epoch: usize) -> f64 {
        match self.ramp_epochs.saturating_sub(1) {
            0 => self.probability,
            last => self.probability * (epoch.min(last) as f64 / last as f64),
        }
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.probability) {
            return Err(format!(
                "classifier.dropblock.probability is {}; expected 0 to below 1",
                self.probability
            ));
        }
        if self.block == 0 {
            return Err("classifier.dropblock.block is 0; expected at least 1".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::DropBlockStep;

    fn of(ramp_epochs: usize) -> Vec<f64> {
        let drop = DropBlockStep {
            probability: 0.27,
            ramp_epochs,
            ..DropBlockStep::default()
        };
        (0..12).map(|epoch| drop.probability_at(epoch)).collect()
    }

    /// linspace(0, 0.27, 10) has steps of 0.03.
    #[test]
    fn the_ramp_has_the_ten_values_of_the_reference() {
        let expected = [
            0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27, 0.27, 0.27,
        ];
        for (found, expected) in of(10).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(of(2)[..3], [0.0, 0.27, 0.27]);
    }

    #[test]
    fn without_a_ramp_the_probability_is_whole_from_the_start() {
        for ramp_epochs in [0, 1] {
            assert_eq!(of(ramp_epochs), [0.27; 12]);
        }
    }
}
