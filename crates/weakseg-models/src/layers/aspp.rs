//! Atrous spatial pyramid pooling (Chen et al. 2017), with the keys of torchvision's DeepLabV3 and
//! VainF's DeepLabV3Plus.

use burn::module::Module;
use burn::tensor::Tensor;

use super::conv_bn::{ConvBn, conv_bn, conv_bn_relu};
use super::{
    BatchNorm, Conv2d, ConvInit, ConvSpec, DropNoise, GlobalMean, Init, SpatialConv, dropout,
};

/// A 3x3 branch.
type Dilated = (SpatialConv, BatchNorm);

/// A 1x1 branch, three dilated 3x3 branches, a branch that sees the mean of the whole image; their
/// concatenation projected by 1x1, and dropout in training.
#[derive(Module, Debug)]
pub struct Aspp {
    convs: (
        ConvBn,
        Dilated,
        Dilated,
        Dilated,
        (GlobalMean, Conv2d, BatchNorm),
    ),
    project: ConvBn,
    #[module(skip)]
    dropout: f64,
}

/// What differs between implementations of [`Aspp`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsppSpec {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Dilation of the 3x3 branches: 12, 24 and 36 at output stride 8, half of it at 16.
    pub(crate) rates: [usize; 3],
    /// Whether the 3x3 branches are separable.
    pub(crate) separable: bool,
    pub(crate) init: ConvInit,
    /// Probability of the dropout after the projection.
    pub(crate) dropout: f64,
}

impl Aspp {
    pub(crate) fn new(init: &Init<'_>, spec: AsppSpec) -> Self {
        let AsppSpec {
            inputs,
            outputs,
            rates,
            separable,
            init: law,
            dropout,
        } = spec;
        let spec = |kernel| {
            ConvSpec::new(inputs, outputs, kernel)
                .no_bias()
                .init_as(law)
        };
        let dilated = |rate| {
            let conv = SpatialConv::new(init, spec(3).dilation(rate), separable);
            (conv, BatchNorm::new(init, outputs))
        };
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
            project: conv_bn(init, ConvSpec::new(5 * outputs, outputs, 1).init_as(law)),
            dropout,
        }
    }

    /// `noise` is given in training and drives the dropout.
    ///
    /// # Shapes
    /// `[B, inputs, h, w]` → `[B, outputs, h, w]`
    pub fn forward(&self, x: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let (mean, conv, norm) = &self.convs.4;
        let image = norm.after(conv, mean.forward(x.clone()), true);
        let [batch, channels, _, _] = image.dims();
        let dilated = |(conv, norm): &Dilated| conv.forward_norm_relu(norm, x.clone());
        let pyramid = vec![
            conv_bn_relu(&self.convs.0, x.clone()),
            dilated(&self.convs.1),
            dilated(&self.convs.2),
            dilated(&self.convs.3),
            // Bilinear interpolation from one pixel is that pixel everywhere.
            image.expand([batch, channels, height, width]),
        ];
        let y = conv_bn_relu(&self.project, Tensor::cat(pyramid, 1));
        dropout(y, self.dropout, noise)
    }
}
