//! VGG16 as it was trained on ImageNet, classifier and all: what the published weights are of, and
//! what they are checked with.

use burn::module::Module;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};

use crate::arch::ClassifierArch;
use crate::encoder::{Backbone, Encoder, StageStrides, Trunk};
use crate::error::{ModelError, check_outputs, check_width};
use crate::layers::{Init, Linear, Relu, scaled};

/// Cells of the pooled features, per side.
const POOLED: usize = 7;
/// Outputs of the first two linear layers at full width.
const HIDDEN: usize = 4096;

/// The published network, with torchvision's keys (`features.0.weight`, `classifier.6.weight`). Its
/// classifier is not linear in the maps, so it makes no class activation maps: to learn from
/// image-level labels there is [`Classifier`](crate::Classifier) on the same trunk.
#[derive(Module, Debug)]
pub struct ImagenetVgg {
    /// The trunk in its published layout; leaves no trace in checkpoint keys.
    pub trunk: Trunk,
    classifier: (Linear, Relu, NoDropout, Linear, Relu, NoDropout, Linear),
}

/// Holds dropout's number in the sequence; this network is not trained here.
#[derive(Module, Debug, Default)]
struct NoDropout;

impl ImagenetVgg {
    /// The network of [`ClassifierArch::Vgg16`] or [`Vgg16Bn`](ClassifierArch::Vgg16Bn) with fresh
    /// weights, meant to be loaded.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for no classes, a width that is no factor, or a trunk that is no
    /// VGG16.
    pub fn new(
        arch: ClassifierArch,
        classes: usize,
        width: f64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        check_outputs("classes", classes)?;
        check_width(width)?;
        let backbone = arch.backbone();
        if !matches!(backbone, Backbone::Vgg16 | Backbone::Vgg16Bn) {
            return Err(ModelError::OutOfRange {
                what: "arch",
                found: arch.to_string(),
                expected: "vgg16 or vgg16-bn",
            });
        }
        let init = &Init::new(device, 0);
        let trunk = Trunk::new(init, backbone, StageStrides::Stride32, width);
        let deep = trunk.out_channels()[5];
        let hidden = scaled(HIDDEN, width);
        let linear = |inputs, outputs| Linear::normal(init, inputs, outputs, 0.01);
        let classifier = (
            linear(deep * POOLED * POOLED, hidden),
            Relu,
            NoDropout,
            linear(hidden, hidden),
            Relu,
            NoDropout,
            linear(hidden, classes),
        );
        Ok(Self { trunk, classifier })
    }

    /// Logits, without dropout.
    ///
    /// # Shapes
    /// `[B, 3, H, W]`, H and W at least 32 → `[B, C]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let features = self.trunk.features(images).pop();
        let features = features.expect("trunks have stages");
        let pooled = adaptive_avg_pool2d(features, [POOLED; 2]);
        let (first, _, _, second, _, _, last) = &self.classifier;
        let x = first.forward(pooled.flatten(1, 3)).clamp_min(0.0);
        last.forward(second.forward(x).clamp_min(0.0))
    }
}
