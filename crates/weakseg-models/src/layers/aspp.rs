//! Atrous spatial pyramid pooling (Chen et al. 2017), with the keys of VainF's DeepLabV3Plus.

use burn::module::Module;
use burn::tensor::Tensor;

use super::conv_bn::{ConvBn, conv_bn, conv_bn_relu};
use super::{BatchNorm, Conv2d, ConvInit, ConvSpec, DropNoise, GlobalMean, Init, dropout};

/// Probability of the dropout after the projection.
const DROPOUT: f64 = 0.1;

/// A 1x1 branch, three dilated 3x3 branches, a branch that sees the mean of the whole image;
/// their concatenation projected by 1x1, and dropout 0.1 in training.
#[derive(Module, Debug)]
pub struct Aspp {
    convs: (
        ConvBn,
        ConvBn,
        ConvBn,
        ConvBn,
        (GlobalMean, Conv2d, BatchNorm),
    ),
    project: ConvBn,
}

impl Aspp {
    pub(crate) fn new(init: &Init<'_>, inputs: usize, outputs: usize, rates: [usize; 3]) -> Self {
        let spec = |kernel| {
            ConvSpec::new(inputs, outputs, kernel)
                .no_bias()
                .init_as(ConvInit::NormalFanIn)
        };
        let dilated = |rate| conv_bn(init, spec(3).dilation(rate));
        Self {
            convs: (
                conv_bn(init, spec(1)),
                dilated(rates[0]),
                dilated(rates[1]),
                dilated(rates[2]),
                (
                    GlobalMean,
                    spec(1).init(init),
                    BatchNorm::new(init, outputs),
                ),
            ),
            project: conv_bn(
                init,
                ConvSpec::new(5 * outputs, outputs, 1).init_as(ConvInit::NormalFanIn),
            ),
        }
    }

    /// `noise` is given in training and drives the dropout.
    ///
    /// # Shapes
    /// `[B, inputs, h, w]` → `[B, outputs, h, w]`
    pub fn forward(&self, x: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let (mean, conv, norm) = &self.convs.4;
        let image = norm.forward_relu(conv.forward(mean.forward(x.clone())));
        let [batch, channels, _, _] = image.dims();
        let pyramid = vec![
            conv_bn_relu(&self.convs.0, x.clone()),
            conv_bn_relu(&self.convs.1, x.clone()),
            conv_bn_relu(&self.convs.2, x.clone()),
            conv_bn_relu(&self.convs.3, x),
            // Bilinear interpolation from one pixel is that pixel everywhere.
            image.expand([batch, channels, height, width]),
        ];
        let y = conv_bn_relu(&self.project, Tensor::cat(pyramid, 1));
        dropout(y, DROPOUT, noise)
    }
}
