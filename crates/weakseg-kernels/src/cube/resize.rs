//! Backward of bilinear resizing as two matrix products.

use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Backend, Shape, TensorData, TensorMetadata};

use super::rows::planes;
use crate::ops::Resize;
use crate::resize::matrix_of_taps;

/// Gradient with respect to x `[B, C, h, w]`: with Y = R·X·Cᵀ on every plane, Rᵀ·G·C. Each matrix has two values in a
/// row; a scatter would read less, and would take a kernel of our own.
pub fn backward<B: Backend>(
    x: FloatTensor<B>,
    target: Resize,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let [batch, channels, height, width] = x.shape().dims();
    let [tall, wide] = target.size;
    let device = x.device();
    let rows = matrix::<B>(tall, height, target.align_corners, &device);
    let columns = matrix::<B>(wide, width, target.align_corners, &device);
    // In the order that convolutions leave: [B, H, W, C].
    let gradient = B::float_permute(output_gradient, &[0, 2, 3, 1]);
    let gradient = B::float_reshape(gradient, Shape::new([batch, tall, wide * channels]));
    let gradient = B::float_matmul(transposed::<B>(rows), gradient);
    let gradient = B::float_reshape(gradient, Shape::new([batch * height, wide, channels]));
    let gradient = B::float_matmul(transposed::<B>(columns), gradient);
    let gradient = B::float_reshape(gradient, Shape::new([batch, height, width, channels]));
    planes::<B>(gradient)
}

/// `[1, to, from]`: row `o` holds the weights of the two sources of `o`.
fn matrix<B: Backend>(
    to: usize,
    from: usize,
    align_corners: bool,
    device: &Device<B>,
) -> FloatTensor<B> {
    let values = matrix_of_taps(from, to, align_corners);
    B::float_from_data(TensorData::new(values, [1, to, from]), device)
}

fn transposed<B: Backend>(matrix: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(matrix, 1, 2)
}
