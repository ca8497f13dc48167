//! Forward passes of f32 convolutions.
//!
//! Without matrix units for f32, all that Burn has for the forward pass of a kernel larger than one pixel multiplies
//! value by value, far slower than its matrix products. So such a convolution becomes a matrix product here.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DType, FloatDType, Shape, Slice, TensorMetadata};

use super::rows::planes;
use crate::conv::ConvOptions;
use crate::default;

/// Values that an unfolded input may have at a time: 1 GiB of f32.
const MOST_UNFOLDED: usize = 1 << 28;

/// From so many channels on it pays: unfolding the 3 channels of a stem of 7 x 7 pixels takes longer than the
/// convolution value by value.
const FEWEST_INPUTS: usize = 16;

/// Convolution without bias.
pub fn forward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: ConvOptions,
) -> FloatTensor<B> {
    let [_, inputs, kh, kw] = weight.shape().dims();
    let serves = x.dtype() == DType::F32 && options.groups == 1 && [kh, kw] != [1, 1];
    if !serves || inputs < FEWEST_INPUTS {
        return default::conv2d_forward::<B>(x, weight, None, options);
    }
    match mirrored(options, [kh, kw]) {
        Some(mirrored) => as_gradient::<B>(x, weight, options, mirrored),
        None => unfolded::<B>(x, weight, options),
    }
}

/// The convolution whose input gradient is this one's output, for steps of one pixel.
fn mirrored(options: ConvOptions, kernel: [usize; 2]) -> Option<ConvOptions> {
    let mut padding = [0; 2];
    for (axis, padding) in padding.iter_mut().enumerate() {
        let reach = options.dilation[axis] * (kernel[axis] - 1);
        *padding = reach.checked_sub(options.padding[axis])?;
    }
    (options.stride == [1, 1]).then_some(ConvOptions { padding, ..options })
}

/// The output as the input gradient of the convolution with turned weights, which Burn takes as a matrix product.
fn as_gradient<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: ConvOptions,
    mirrored: ConvOptions,
) -> FloatTensor<B> {
    let [batch, _, height, width] = x.shape().dims();
    let [outputs, _, kh, kw] = weight.shape().dims();
    let [tall, wide] = options.output_size([height, width], [kh, kw]);
    let turned = B::float_flip(B::float_swap_dims(weight, 0, 1), &[2, 3]);
    // Only its shape is read.
    let nothing = B::float_zeros(Shape::new([1, 1, 1, 1]), &x.device(), FloatDType::F32);
    let shape = B::float_expand(nothing, Shape::new([batch, outputs, tall, wide]));
    default::conv2d_input_gradient::<B>(shape, turned, x, mirrored)
}

/// The product of the unfolded input, a row for each pixel of the output, with the weights; some images at a time.
fn unfolded<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    options: ConvOptions,
) -> FloatTensor<B> {
    let [batch, inputs, height, width] = x.shape().dims();
    let [outputs, _, kh, kw] = weight.shape().dims();
    let [tall, wide] = options.output_size([height, width], [kh, kw]);
    let summands = kh * kw * inputs;
    let at_once = (MOST_UNFOLDED / (tall * wide * summands)).clamp(1, batch);
    let weight = B::float_permute(weight, &[2, 3, 1, 0]);
    let weight = B::float_reshape(weight, Shape::new([summands, outputs]));
    let padded = padded::<B>(x, options.padding);
    let parts = (0..batch).step_by(at_once).map(|first| {
        let images = first..(first + at_once).min(batch);
        let count = images.len();
        let taps = (0..kh * kw).map(|tap| {
            let at = |axis: usize, tap: usize, size: usize| {
                let start = tap * options.dilation[axis];
                let end = start + (size - 1) * options.stride[axis] + 1;
                Slice::with_step(
                    start as isize,
                    Some(end as isize),
                    options.stride[axis] as isize,
                )
            };
            let slices = [
                Slice::from(images.clone()),
                at(0, tap / kw, tall),
                at(1, tap % kw, wide),
                Slice::from(0..inputs),
            ];
            B::float_slice(padded.clone(), &slices)
        });
        let rows = B::float_cat(taps.collect(), 3);
        let rows = B::float_reshape(rows, Shape::new([count * tall * wide, summands]));
        let output = B::float_matmul(rows, weight.clone());
        B::float_reshape(output, Shape::new([count, tall, wide, outputs]))
    });
    let mut parts: Vec<FloatTensor<B>> = parts.collect();
    let output = match parts.len() {
        1 => parts.remove(0),
        _ => B::float_cat(parts, 0),
    };
    planes::<B>(output)
}

/// `[B, C, H, W]` → `[B, H + 2·padding, W + 2·padding, C]` with zeros around.
fn padded<B: Backend>(x: FloatTensor<B>, [above, beside]: [usize; 2]) -> FloatTensor<B> {
    let [batch, channels, height, width] = x.shape().dims();
    let x = B::float_permute(x, &[0, 2, 3, 1]);
    if [above, beside] == [0, 0] {
        return x;
    }
    let shape = [batch, height + 2 * above, width + 2 * beside, channels];
    let zeros = B::float_zeros(Shape::new(shape), &x.device(), FloatDType::F32);
    let inside = [
        Slice::from(0..batch),
        Slice::from(above..above + height),
        Slice::from(beside..beside + width),
        Slice::from(0..channels),
    ];
    B::float_slice_assign(zeros, &inside, x)
}
