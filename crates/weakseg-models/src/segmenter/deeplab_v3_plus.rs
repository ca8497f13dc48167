//! DeepLabv3+ (Chen et al. 2018) on ResNet50 at output stride 8 or 16, with the keys of VainF's
//! DeepLabV3Plus-Pytorch, which the reference used.

use burn::module::Module;
use burn::tensor::Tensor;

use super::SegmenterConfig;
use crate::encoder::{Encoder, Trunk};
use crate::layers::conv_bn::{ConvBn, conv_bn, conv_bn_relu};
use crate::layers::{
    Aspp, AsppSpec, BatchNorm, Conv2d, ConvInit, ConvSpec, DropNoise, Init, Relu, SpatialConv,
    bilinear, scaled,
};

/// ASPP on `layer4`, brought to `layer1`'s size, joined with `layer1` reduced to 48 channels, 3x3,
/// 1x1, and bilinear to the image's size. With separable convolutions every 3x3 of the head is
/// depthwise, then pointwise.
#[derive(Module, Debug)]
pub struct DeeplabV3Plus {
    /// ResNet50; a [`Trunk`] so that weights move between networks one way.
    pub backbone: Trunk,
    classifier: DeeplabHead,
}

#[derive(Module, Debug)]
struct DeeplabHead {
    project: ConvBn,
    aspp: Aspp,
    classifier: (SpatialConv, BatchNorm, Relu, Conv2d),
}

impl DeeplabV3Plus {
    pub(super) fn new(init: &Init<'_>, backbone: Trunk, config: &SegmenterConfig) -> Self {
        let channels = backbone.out_channels();
        let (low, deep) = (scaled(48, config.width), scaled(256, config.width));
        // As the resolution falls by half, so does the distance that a rate spans in pixels.
        let rate = if backbone.reductions()[4] == 8 { 12 } else { 6 };
        let aspp = AsppSpec {
            inputs: channels[4],
            outputs: deep,
            rates: [rate, 2 * rate, 3 * rate],
            separable: config.separable,
            init: ConvInit::NormalFanIn,
            dropout: 0.1,
        };
        let spec = |inputs, outputs, kernel| {
            ConvSpec::new(inputs, outputs, kernel).init_as(ConvInit::NormalFanIn)
        };
        let joined = spec(deep + low, deep, 3).no_bias();
        Self {
            classifier: DeeplabHead {
                project: conv_bn(init, spec(channels[1], low, 1)),
                aspp: Aspp::new(init, aspp),
                classifier: (
                    SpatialConv::new(init, joined, config.separable),
                    BatchNorm::new(init, deep),
                    Relu,
                    spec(deep, config.outputs, 1).init(init),
                ),
            },
            backbone,
        }
    }

    /// Number of logits per pixel.
    pub fn outputs(&self) -> usize {
        self.classifier.classifier.3.outputs()
    }

    pub(super) fn with_logits_moved(mut self, by: &[f32]) -> Self {
        let head = &mut self.classifier.classifier;
        head.3 = head.3.clone().with_bias_moved(by);
        self
    }

    /// # Shapes
    /// `[B, 3, H, W]` → `[B, outputs, H, W]`
    pub fn forward(&self, images: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let features = self.backbone.features(images);
        let low = conv_bn_relu(&self.classifier.project, features[1].clone());
        let [_, _, low_h, low_w] = low.dims();
        let deep = self.classifier.aspp.forward(features[4].clone(), noise);
        let x = Tensor::cat(vec![low, bilinear(deep, [low_h, low_w])], 1);
        let (conv, norm, _, last) = &self.classifier.classifier;
        let x = last.forward(conv.forward_norm_relu(norm, x));
        bilinear(x, [height, width])
    }
}
