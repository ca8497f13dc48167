//! `[classifier]`: the image-level classifier.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_models::layers::DropBlockForm;
use weakseg_models::weights::ChannelOrder;
use weakseg_models::{ClassifierArch, DropBlockPlace, HeadKind};

use super::Training;
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
    /// Epochs over which the probability rises linearly from 0.
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
