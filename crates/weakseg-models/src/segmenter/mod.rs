//! Step 3's networks: encoder → decoder → logits for every pixel.
//!
//! **The contract.** `forward` takes normalised images of any size and gives logits of the same
//! height and width.

mod deeplab_v3;
mod deeplab_v3_plus;
mod unet;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::arch::{Decoder, SegmenterArch};
use crate::classifier::Classifier;
use crate::encoder::Trunk;
use crate::error::{ModelError, check_outputs, check_width};
use crate::layers::{DropNoise, Init, bilinear};
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
    /// Concurrent spatial and channel squeeze and excitation in the decoder of a U-Net; the others
    /// know none.
    pub attention: bool,
    /// Separable 3x3 convolutions in the head of DeepLabv3+; the others know none.
    pub separable: bool,
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
            attention: false,
            separable: false,
            seed: 0,
        }
    }

    /// Builds the network with fresh weights.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for no outputs, a width that is no factor, or an option that the
    /// network does not know.
    pub fn init(&self, device: &Device) -> Result<Segmenter, ModelError> {
        check_outputs("outputs", self.outputs)?;
        check_width(self.width)?;
        let decoder = self.arch.decoder();
        let unknown = |what, expected| ModelError::OutOfRange {
            what,
            found: format!("true for {}", self.arch),
            expected,
        };
        if self.attention && decoder != Decoder::Unet {
            return Err(unknown("attention", "false: only a U-Net has it"));
        }
        if self.separable && decoder != Decoder::DeeplabV3Plus {
            return Err(unknown("separable", "false: only DeepLabv3+ has it"));
        }
        let init = &Init::new(device, self.seed);
        let encoder = Trunk::new(init, self.arch.backbone(), self.arch.strides(), self.width);
        Ok(match decoder {
            Decoder::Unet => Segmenter::Unet(Unet::new(init, encoder, self)),
            Decoder::DeeplabV3 => Segmenter::DeeplabV3(DeeplabV3::new(init, encoder, self)),
            Decoder::DeeplabV3Plus => {
                Segmenter::DeeplabV3Plus(DeeplabV3Plus::new(init, encoder, self))
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

    /// The greatest logits over scales of the image: each scale's are brought back to the image's size
    /// (reference §6.4, "multi-scale DeepLabv3", at 1, 0.75 and 0.5). A scale is a factor above 0 on
    /// both sides, rounded to whole pixels; of no scales at all, the image as it is.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, outputs, H, W]`
    pub fn forward_scales(
        &self,
        images: Tensor<4>,
        scales: &[f64],
        mut noise: Option<&mut DropNoise>,
    ) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let mut greatest: Option<Tensor<4>> = None;
        for scale in scales {
            let scaled = |side: usize| ((side as f64 * scale).round() as usize).max(1);
            let seen = bilinear(images.clone(), [scaled(height), scaled(width)]);
            let logits = self.forward_train(seen, noise.as_deref_mut());
            let logits = bilinear(logits, [height, width]);
            greatest = Some(match greatest {
                Some(greatest) => greatest.max_pair(logits),
                None => logits,
            });
        }
        match greatest {
            Some(greatest) => greatest,
            None => self.forward_train(images, noise),
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

    /// The same network with `by` added to its logits, one number an output: the last convolution's bias takes it.
    ///
    /// # Panics
    /// If there are more or fewer numbers than outputs.
    pub fn with_logits_moved(self, by: &[f32]) -> Self {
        match self {
            Self::Unet(unet) => Self::Unet(unet.with_logits_moved(by)),
            Self::DeeplabV3(deeplab) => Self::DeeplabV3(deeplab.with_logits_moved(by)),
            Self::DeeplabV3Plus(deeplab) => Self::DeeplabV3Plus(deeplab.with_logits_moved(by)),
        }
    }

    /// Brings the features of a U-Net's encoder without batch norm to unit scale, see
    /// [`Vgg::to_unit_scale`](crate::encoder::Vgg::to_unit_scale); any other network is given back as it is. To be
    /// called on fresh or pretrained weights, before training.
    ///
    /// # Shapes
    /// `images` is `[B, 3, H, W]`, normalised.
    pub fn with_unit_scale_encoder(self, images: Tensor<4>) -> Self {
        match self {
            Self::Unet(mut unet) => {
                unet.encoder = match unet.encoder {
                    Trunk::Vgg(vgg) => Trunk::Vgg(vgg.to_unit_scale(images)),
                    normed => normed,
                };
                Self::Unet(unet)
            }
            deeplab => deeplab,
        }
    }

    /// Starts the encoder from a classifier's trunk of the same [`Backbone`](crate::encoder::Backbone).
    /// Dilation and strides may differ, weights do not.
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

    /// The encoder.
    pub fn encoder(&self) -> &Trunk {
        match self {
            Self::Unet(unet) => &unet.encoder,
            Self::DeeplabV3(deeplab) => &deeplab.backbone,
            Self::DeeplabV3Plus(deeplab) => &deeplab.backbone,
        }
    }

    fn encoder_mut(&mut self) -> &mut Trunk {
        match self {
            Self::Unet(unet) => &mut unet.encoder,
            Self::DeeplabV3(deeplab) => &mut deeplab.backbone,
            Self::DeeplabV3Plus(deeplab) => &mut deeplab.backbone,
        }
    }
}
