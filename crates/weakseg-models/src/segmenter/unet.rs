//! U-Net (Ronneberger, Fischer and Brox 2015) as segmentation_models_pytorch builds it.

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::resize_nearest_join;

use super::SegmenterConfig;
use crate::encoder::{Encoder, Trunk};
use crate::layers::conv_bn::{ConvBn, conv_bn, conv_bn_relu};
use crate::layers::{
    Conv2d, ConvInit, ConvSpec, Init, Scse, crop, nearest, pad_to_multiple, scaled,
};

/// Side below which images are padded with zeros on the right and at the bottom, and the logits cut back.
const SMALLEST: usize = 32;
/// Channels of the decoder's blocks at full width.
const DECODER: [usize; 5] = [256, 128, 64, 32, 16];
/// No block is narrowed below the last one's published channels. Of the four that a quarter of them
/// leaves, all can come to speak for background; foreground is then where ReLU lets none pass, its
/// logit the head's bias, and its probability one half at most.
const NARROWEST: usize = 16;

/// Encoder of depth 5; five decoder blocks, each growing to the size of the encoder's next finer
/// features, joining them, and twice 3x3 convolution, batch norm, ReLU; a 3x3 head. VGG encoders get smp's
/// center block between encoder and decoder. Attention, if asked for, follows each joining and each
/// second convolution.
#[derive(Module, Debug)]
pub struct Unet {
    /// The encoder, in its published layout (output stride 32).
    pub encoder: Trunk,
    decoder: UnetDecoder,
    segmentation_head: [Conv2d; 1],
}

#[derive(Module, Debug)]
struct UnetDecoder {
    center: Option<(ConvBn, ConvBn)>,
    blocks: Vec<DecoderBlock>,
}

#[derive(Module, Debug)]
struct DecoderBlock {
    conv1: ConvBn,
    /// smp gives the last block one too, which joins nothing and never uses it.
    attention1: Option<Scse>,
    conv2: ConvBn,
    attention2: Option<Scse>,
}

fn conv3x3(init: &Init<'_>, inputs: usize, outputs: usize) -> ConvBn {
    conv_bn(
        init,
        ConvSpec::new(inputs, outputs, 3).init_as(ConvInit::UniformFanIn),
    )
}

impl Unet {
    pub(super) fn new(init: &Init<'_>, encoder: Trunk, config: &SegmenterConfig) -> Self {
        // The last five stages, deepest first. VGG has six: smp leaves the full-resolution one out.
        let features: Vec<usize> = encoder.out_channels().into_iter().rev().take(5).collect();
        let decoder = DECODER.map(|channels| scaled(channels, config.width).max(NARROWEST));
        let deepest = features[0];
        let center = matches!(encoder, Trunk::Vgg(_)).then(|| {
            (
                conv3x3(init, deepest, deepest),
                conv3x3(init, deepest, deepest),
            )
        });
        let blocks = (0..5)
            .map(|i| {
                let below = if i == 0 { deepest } else { decoder[i - 1] };
                let skip = features.get(i + 1).copied().unwrap_or(0);
                let attention = |channels| config.attention.then(|| Scse::new(init, channels));
                DecoderBlock {
                    conv1: conv3x3(init, below + skip, decoder[i]),
                    attention1: attention(below + skip),
                    conv2: conv3x3(init, decoder[i], decoder[i]),
                    attention2: attention(decoder[i]),
                }
            })
            .collect();
        let head = ConvSpec::new(decoder[4], config.outputs, 3).init_as(ConvInit::Xavier);
        Self {
            encoder,
            decoder: UnetDecoder { center, blocks },
            segmentation_head: [head.init(init)],
        }
    }

    /// Number of logits per pixel.
    pub fn outputs(&self) -> usize {
        self.segmentation_head[0].outputs()
    }

    pub(super) fn with_logits_moved(mut self, by: &[f32]) -> Self {
        self.segmentation_head = self.segmentation_head.map(|head| head.with_bias_moved(by));
        self
    }

    /// # Shapes
    /// `[B, 3, H, W]` → `[B, outputs, H, W]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, _, image_height, image_width] = images.dims();
        // Five halvings leave nothing of a smaller side.
        let images = match image_height.min(image_width) < SMALLEST {
            true => pad_to_multiple(images, SMALLEST),
            false => images,
        };
        let [_, _, height, width] = images.dims();
        let features = self.encoder.features(images);
        let mut deepest_first = features.into_iter().rev().take(5);
        let mut x = deepest_first
            .next()
            .expect("encoders have at least five stages");
        if let Some((first, second)) = &self.decoder.center {
            x = conv_bn_relu(second, conv_bn_relu(first, x));
        }
        for block in &self.decoder.blocks {
            x = match deepest_first.next() {
                Some(skip) => attend(&block.attention1, resize_nearest_join(x, skip)),
                None => nearest(x, [height, width]),
            };
            x = conv_bn_relu(&block.conv2, conv_bn_relu(&block.conv1, x));
            x = attend(&block.attention2, x);
        }
        crop(
            self.segmentation_head[0].forward(x),
            image_height,
            image_width,
        )
    }
}

fn attend(attention: &Option<Scse>, x: Tensor<4>) -> Tensor<4> {
    match attention {
        Some(scse) => scse.forward(x),
        None => x,
    }
}
