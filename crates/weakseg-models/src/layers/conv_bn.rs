//! Convolution, batch norm, ReLU: the block decoders are made of.

use burn::tensor::Tensor;

use super::{BatchNorm, Conv2d, ConvSpec, Init};

/// A convolution without bias and its batch norm, with the keys of a PyTorch `Sequential`
/// (`0.weight`, `1.weight`, …).
pub(crate) type ConvBn = (Conv2d, BatchNorm);

pub(crate) fn conv_bn(init: &Init<'_>, spec: ConvSpec) -> ConvBn {
    let conv = spec.no_bias().init(init);
    let norm = BatchNorm::new(init, conv.outputs());
    (conv, norm)
}

/// # Shapes
/// `[B, I, H, W]` → `[B, O, H', W']`
pub(crate) fn conv_bn_relu((conv, norm): &ConvBn, x: Tensor<4>) -> Tensor<4> {
    norm.after(conv, x, true)
}
