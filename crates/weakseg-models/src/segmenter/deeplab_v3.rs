//! DeepLabv3 (Chen et al. 2017) at output stride 8, with torchvision's keys.

use burn::module::Module;
use burn::tensor::Tensor;

use super::SegmenterConfig;
use crate::encoder::{Encoder, Trunk};
use crate::layers::conv_bn::conv_bn;
use crate::layers::{
    Aspp, AsppSpec, BatchNorm, Conv2d, ConvInit, ConvSpec, DropNoise, Init, Relu, bilinear, scaled,
};

/// ASPP on the last stage, 3x3 convolution, batch norm, ReLU, 1x1, and bilinear to the image's size.
///
/// Departs from the paper, which knows ResNets only: VGG16 with its last block dilated can be the backbone too, because
/// its original weights are there to start from (DeepLab-LargeFOV, Chen et al. 2015, stands on the same trunk).
#[derive(Module, Debug)]
pub struct DeeplabV3 {
    /// A trunk whose last features have stride 8.
    pub backbone: Trunk,
    classifier: (Aspp, Conv2d, BatchNorm, Relu, Conv2d),
}

impl DeeplabV3 {
    pub(super) fn new(init: &Init<'_>, backbone: Trunk, config: &SegmenterConfig) -> Self {
        let inputs = *backbone.out_channels().last().expect("trunks have stages");
        let deep = scaled(256, config.width);
        let spec = |outputs, kernel| ConvSpec::new(deep, outputs, kernel).init_as(ConvInit::Torch);
        let aspp = AsppSpec {
            inputs,
            outputs: deep,
            rates: [12, 24, 36],
            separable: false,
            init: ConvInit::Torch,
            dropout: 0.5,
        };
        let (conv, norm) = conv_bn(init, spec(deep, 3));
        Self {
            classifier: (
                Aspp::new(init, aspp),
                conv,
                norm,
                Relu,
                spec(config.outputs, 1).init(init),
            ),
            backbone,
        }
    }

    /// Number of logits per pixel.
    pub fn outputs(&self) -> usize {
        self.classifier.4.outputs()
    }

    pub(super) fn with_logits_moved(mut self, by: &[f32]) -> Self {
        self.classifier.4 = self.classifier.4.with_bias_moved(by);
        self
    }

    /// # Shapes
    /// `[B, 3, H, W]` → `[B, outputs, H, W]`
    pub fn forward(&self, images: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let deep = self.backbone.features(images).pop();
        let (aspp, conv, norm, _, last) = &self.classifier;
        let x = aspp.forward(deep.expect("trunks have stages"), noise);
        let x = last.forward(norm.after(conv, x, true));
        bilinear(x, [height, width])
    }
}
