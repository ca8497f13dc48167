//! Step 3's networks: encoder → decoder → logits for every pixel.
//!
//! **The contract.** `forward` takes normalised images of any size and gives logits of the same
//! height and width. Sizes that are multiples of [`Segmenter::multiple`] need no padding.

mod deeplab_v3;
mod deeplab_v3_plus;
mod unet;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::arch::SegmenterArch;
use crate::classifier::Classifier;
use crate::encoder::{ResNet, ResNetLayout, Trunk, Vgg, VggLayout};
use crate::error::{ModelError, check_outputs, check_width};
use crate::layers::{DropNoise, Init};
use crate::weights::{self, LoadReport};

pub use deeplab_v3::DeeplabV3;
pub use deeplab_v3_plus::DeeplabV3Plus;
pub use unet::Unet;

/// How to build a [`Segmenter`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmenterConfig {
    /// Encoder and decoder.
    pub arch: SegmenterArch,
    /// Logits per pixel, at least 1.
    pub outputs: usize,
    /// Factor on every channel count; 1 is the published network.
    pub width: f64,
    /// Seed of the initial weights.
    pub seed: u64,
}

impl SegmenterConfig {
    /// Full width, seed 0.
    pub fn new(arch: SegmenterArch, outputs: usize) -> Self {
        Self {
            arch,
            outputs,
            width: 1.0,
            seed: 0,
        }
    }

    /// Builds the network with fresh weights.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for no outputs or a width that is no factor.
    pub fn init(&self, device: &Device) -> Result<Segmenter, ModelError> {
        check_outputs("outputs", self.outputs)?;
        check_width(self.width)?;
        let init = &Init::new(device, self.seed);
        let (outputs, width) = (self.outputs, self.width);
        Ok(match self.arch {
            SegmenterArch::UnetVgg16 | SegmenterArch::UnetVgg16Bn => {
                let batch_norm = self.arch == SegmenterArch::UnetVgg16Bn;
                let vgg = Vgg::new(init, VggLayout::Plain, batch_norm, width);
                Segmenter::Unet(Unet::new(init, Trunk::Vgg(vgg), outputs, width))
            }
            SegmenterArch::UnetResnet50 => {
                let resnet = ResNet::new(init, ResNetLayout::Stride32, width);
                Segmenter::Unet(Unet::new(init, Trunk::Resnet(resnet), outputs, width))
            }
            SegmenterArch::Deeplabv3Vgg16 => {
                let vgg = Vgg::new(init, VggLayout::Dilated, false, width);
                Segmenter::DeeplabV3(DeeplabV3::new(init, Trunk::Vgg(vgg), outputs, width))
            }
            SegmenterArch::Deeplabv3Resnet50 => {
                let resnet = ResNet::new(init, ResNetLayout::Stride8, width);
                Segmenter::DeeplabV3(DeeplabV3::new(init, Trunk::Resnet(resnet), outputs, width))
            }
            SegmenterArch::Deeplabv3PlusResnet50Os8 => {
                let resnet = ResNet::new(init, ResNetLayout::Stride8, width);
                Segmenter::DeeplabV3Plus(DeeplabV3Plus::new(init, resnet, outputs, width))
            }
        })
    }
}

/// Any of the segmentation networks. The choice leaves no trace in checkpoint keys, which are
/// smp's (`encoder.…`, `decoder.…`, `segmentation_head.…`) or torchvision's and VainF's
/// (`backbone.…`, `classifier.…`).
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one network lives in a program, and Module derives only for plain fields"
)]
pub enum Segmenter {
    /// U-Net.
    Unet(Unet),
    /// DeepLabv3.
    DeeplabV3(DeeplabV3),
    /// DeepLabv3+.
    DeeplabV3Plus(DeeplabV3Plus),
}

impl Segmenter {
    /// Logits without dropout: inference, or training without noise.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, outputs, H, W]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        self.forward_train(images, None)
    }

    /// Logits with the dropout of the published network (DeepLabv3 has one of 0.5, DeepLabv3+ of
    /// 0.1), drawn from `noise`.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, outputs, H, W]`
    pub fn forward_train(&self, images: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        match self {
            Self::Unet(unet) => unet.forward(images),
            Self::DeeplabV3(deeplab) => deeplab.forward(images, noise),
            Self::DeeplabV3Plus(deeplab) => deeplab.forward(images, noise),
        }
    }

    /// Images whose sides are multiples of this are used as they are; others are padded with
    /// zeros on the right and at the bottom where the network needs it, and the logits cut back.
    pub fn multiple(&self) -> usize {
        match self {
            Self::Unet(_) => unet::MULTIPLE,
            Self::DeeplabV3(_) | Self::DeeplabV3Plus(_) => 1,
        }
    }

    /// Number of logits per pixel.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Unet(unet) => unet.outputs(),
            Self::DeeplabV3(deeplab) => deeplab.outputs(),
            Self::DeeplabV3Plus(deeplab) => deeplab.outputs(),
        }
    }

    /// Brings the features of an encoder without batch norm to unit scale, see [`Vgg::to_unit_scale`]; any other network
    /// is given back as it is. To be called on fresh or pretrained weights, before training.
    ///
    /// # Shapes
    /// `images` is `[B, 3, H, W]`, normalised; sides are multiples of [`multiple`](Self::multiple).
    pub fn with_unit_scale_encoder(self, images: Tensor<4>) -> Self {
        match self {
            Self::Unet(mut unet) => {
                unet.encoder = match unet.encoder {
                    Trunk::Vgg(vgg) => Trunk::Vgg(vgg.to_unit_scale(images)),
                    resnet => resnet,
                };
                Self::Unet(unet)
            }
            deeplab => deeplab,
        }
    }

    /// Starts the encoder from a classifier's trunk: VGG16 to U-Net or DeepLabv3 on VGG16, ResNet50
    /// to any network on ResNet50. Dilation and strides differ, weights do not.
    ///
    /// # Errors
    /// [`ModelError::OtherTrunk`] if the trunks differ in kind or width.
    pub fn init_encoder_from(
        mut self,
        classifier: &Classifier,
    ) -> Result<(Self, LoadReport), ModelError> {
        let encoder = self.encoder_mut();
        let (started, report) = weights::copy_trunk(encoder.clone(), &classifier.trunk)?;
        *encoder = started;
        Ok((self, report))
    }

    fn encoder_mut(&mut self) -> &mut Trunk {
        match self {
            Self::Unet(unet) => &mut unet.encoder,
            Self::DeeplabV3(deeplab) => &mut deeplab.backbone,
            Self::DeeplabV3Plus(deeplab) => &mut deeplab.backbone,
        }
    }
}
