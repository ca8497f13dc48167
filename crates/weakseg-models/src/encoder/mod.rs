//! Encoders (trunks): images in, features of decreasing resolution out.
//!
//! **The contract.** An encoder is a row of stages. `stage(0, images)` gives the first features,
//! `stage(i, features)` the next; each stage's channels are `out_channels()[i]` and its pixels are
//! `reductions()[i]` image pixels wide, never smaller than the stage's before. Everything else, a
//! pyramid of features, a stop at a named layer and a restart from it, is running stages.

mod resnet;
mod se_resnext;
mod stage_strides;
mod vgg;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::layers::Init;

pub use resnet::{BasicBlock, Bottleneck, ResNet, ResNetDepth, ResidualBlock};
pub use se_resnext::{SeBottleneck, SeModule, SeResnext};
pub use stage_strides::StageStrides;
pub use vgg::{Vgg, VggLayer, VggLayout};

/// Stages of the residual trunks.
const RESNET_STAGES: [&str; 5] = ["stem", "layer1", "layer2", "layer3", "layer4"];

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

/// Freezes those of the four layers that lie within the first `stages` stages, the stem being the first.
fn freeze_layers<B: Module>(layers: [&mut Vec<B>; 4], stages: usize) {
    for layer in layers.into_iter().take(stages.saturating_sub(1)) {
        *layer = std::mem::take(layer).freeze();
    }
}

/// The kinds of trunk: weights made for one fit every network on the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backbone {
    /// VGG16 without batch norm.
    Vgg16,
    /// VGG16 with batch norm.
    Vgg16Bn,
    /// ResNet34.
    Resnet34,
    /// ResNet50.
    Resnet50,
    /// SE-ResNeXt50 32x4d.
    SeResnext50,
}

impl Backbone {
    /// In words, as in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg16 => "VGG16",
            Self::Vgg16Bn => "VGG16 with batch norm",
            Self::Resnet34 => "ResNet34",
            Self::Resnet50 => "ResNet50",
            Self::SeResnext50 => "SE-ResNeXt50",
        }
    }

    /// Names of a trunk's stages where it localises: a VGG block's activation is what its last ReLU
    /// gives, before the pool.
    pub fn stage_names(self) -> [&'static str; 5] {
        match self {
            Self::Vgg16 | Self::Vgg16Bn => ["block1", "block2", "block3", "block4", "block5"],
            _ => RESNET_STAGES,
        }
    }
}

/// Any of the encoders. In a checkpoint's keys a trunk leaves no trace: `features.0.weight`,
/// `layer1.0.conv1.weight`.
#[derive(Module, Debug)]
pub enum Trunk {
    /// VGG16, with or without batch norm.
    Vgg(Vgg),
    /// ResNet34 or ResNet50.
    Resnet(ResNet),
    /// SE-ResNeXt50.
    SeResnext(SeResnext),
}

impl Trunk {
    /// A trunk with fresh weights. VGG16 is plain at [`StageStrides::Stride32`] and dilated, at
    /// output stride 8, at any other.
    pub(crate) fn new(
        init: &Init<'_>,
        backbone: Backbone,
        strides: StageStrides,
        width: f64,
    ) -> Self {
        let layout = match strides {
            StageStrides::Stride32 => VggLayout::Plain,
            _ => VggLayout::Dilated,
        };
        let resnet = |depth| Self::Resnet(ResNet::new(init, depth, strides, width));
        match backbone {
            Backbone::Vgg16 => Self::Vgg(Vgg::new(init, layout, false, width)),
            Backbone::Vgg16Bn => Self::Vgg(Vgg::new(init, layout, true, width)),
            Backbone::Resnet34 => resnet(ResNetDepth::Resnet34),
            Backbone::Resnet50 => resnet(ResNetDepth::Resnet50),
            Backbone::SeResnext50 => Self::SeResnext(SeResnext::new(init, strides, width)),
        }
    }

    /// Which weights fit this trunk.
    pub fn backbone(&self) -> Backbone {
        match self {
            Self::Vgg(vgg) if vgg.has_batch_norm() => Backbone::Vgg16Bn,
            Self::Vgg(_) => Backbone::Vgg16,
            Self::Resnet(resnet) => match resnet.depth() {
                ResNetDepth::Resnet34 => Backbone::Resnet34,
                ResNetDepth::Resnet50 => Backbone::Resnet50,
            },
            Self::SeResnext(_) => Backbone::SeResnext50,
        }
    }

    /// Freezes the first `stages` stages: no gradients, running statistics in batch norm.
    pub fn freeze_stages(self, stages: usize) -> Self {
        match self {
            Self::Vgg(vgg) => Self::Vgg(vgg.freeze_stages(stages)),
            Self::Resnet(resnet) => Self::Resnet(resnet.freeze_stages(stages)),
            Self::SeResnext(net) => Self::SeResnext(net.freeze_stages(stages)),
        }
    }

    fn encoder(&self) -> &dyn Encoder {
        match self {
            Self::Vgg(vgg) => vgg,
            Self::Resnet(resnet) => resnet,
            Self::SeResnext(net) => net,
        }
    }
}

impl Encoder for Trunk {
    fn stage_names(&self) -> &'static [&'static str] {
        self.encoder().stage_names()
    }

    fn out_channels(&self) -> Vec<usize> {
        self.encoder().out_channels()
    }

    fn reductions(&self) -> Vec<usize> {
        self.encoder().reductions()
    }

    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4> {
        self.encoder().stage(index, x)
    }
}
