//! Encoders (trunks): images in, features of decreasing resolution out.
//!
//! **The contract.** An encoder is a row of stages. `stage(0, images)` gives the first features,
//! `stage(i, features)` the next; each stage's channels are `out_channels()[i]` and its pixels are
//! `reductions()[i]` image pixels wide, never smaller than the stage's before. Everything else, a
//! pyramid of features, a stop at a named layer and a restart from it, is running stages.

mod resnet;
mod vgg;

use burn::module::Module;
use burn::tensor::Tensor;

pub use resnet::{Bottleneck, ResNet, ResNetLayout};
pub use vgg::{Vgg, VggLayer, VggLayout};

/// What a decoder or a head may know of an encoder.
pub trait Encoder {
    /// The stages' names, in order.
    fn stage_names(&self) -> &'static [&'static str];

    /// Channels after each stage.
    fn out_channels(&self) -> Vec<usize>;

    /// Image pixels per feature pixel after each stage.
    fn reductions(&self) -> Vec<usize>;

    /// Runs one stage.
    ///
    /// # Shapes
    /// stage 0: images `[B, 3, H, W]`; stage i: the features of stage i − 1. → `[B,
    /// out_channels()[i], ≈H/reductions()[i], …]`
    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4>;

    /// The features after every stage.
    fn features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let mut features: Vec<Tensor<4>> = Vec::with_capacity(self.stage_names().len());
        for index in 0..self.stage_names().len() {
            let input = features.last().unwrap_or(&images).clone();
            features.push(self.stage(index, input));
        }
        features
    }
}

/// Any of the encoders. In a checkpoint's keys a trunk leaves no trace: `features.0.weight`,
/// `layer1.0.conv1.weight`.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a program holds a handful, and Module derives only for plain fields"
)]
pub enum Trunk {
    /// VGG16, with or without batch norm.
    Vgg(Vgg),
    /// ResNet50.
    Resnet(ResNet),
}

impl Trunk {
    /// Freezes the first `stages` stages: no gradients, running statistics in batch norm.
    pub fn freeze_stages(self, stages: usize) -> Self {
        match self {
            Self::Vgg(vgg) => Self::Vgg(vgg.freeze_stages(stages)),
            Self::Resnet(resnet) => Self::Resnet(resnet.freeze_stages(stages)),
        }
    }

    /// Which weights fit this trunk, in words: `VGG16`, `VGG16 with batch norm`, `ResNet50`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vgg(vgg) if vgg.has_batch_norm() => "VGG16 with batch norm",
            Self::Vgg(_) => "VGG16",
            Self::Resnet(_) => "ResNet50",
        }
    }
}

impl Encoder for Trunk {
    fn stage_names(&self) -> &'static [&'static str] {
        match self {
            Self::Vgg(vgg) => vgg.stage_names(),
            Self::Resnet(resnet) => resnet.stage_names(),
        }
    }

    fn out_channels(&self) -> Vec<usize> {
        match self {
            Self::Vgg(vgg) => vgg.out_channels(),
            Self::Resnet(resnet) => resnet.out_channels(),
        }
    }

    fn reductions(&self) -> Vec<usize> {
        match self {
            Self::Vgg(vgg) => vgg.reductions(),
            Self::Resnet(resnet) => resnet.reductions(),
        }
    }

    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Vgg(vgg) => vgg.stage(index, x),
            Self::Resnet(resnet) => resnet.stage(index, x),
        }
    }
}
