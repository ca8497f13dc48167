//! Padding to a size a network can halve, and cutting back.

use burn::tensor::Tensor;

/// Adds zeros on the right and at the bottom until both sides are multiples of `multiple`.
///
/// After normalisation zero is the mean colour, which is what IRN pads with too.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, ⌈H/m⌉·m, ⌈W/m⌉·m]`
pub fn pad_to_multiple(x: Tensor<4>, multiple: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (bottom, right) = (
        height.next_multiple_of(multiple),
        width.next_multiple_of(multiple),
    );
    if (bottom, right) == (height, width) {
        return x;
    }
    Tensor::zeros([batch, channels, bottom, right], &x.device())
        .slice_assign([0..batch, 0..channels, 0..height, 0..width], x)
}

/// The top left `height` x `width` of every map.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, min(H, height), min(W, width)]`
pub fn crop(x: Tensor<4>, height: usize, width: usize) -> Tensor<4> {
    let [batch, channels, h, w] = x.dims();
    if h <= height && w <= width {
        return x;
    }
    x.slice([0..batch, 0..channels, 0..h.min(height), 0..w.min(width)])
}
