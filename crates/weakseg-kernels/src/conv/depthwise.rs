//! Weight gradient where a group has few channels: no run of channels to sum over.
//!
//! One channel's weight gradient is a few dot products of the output gradient with shifted input
//! rows, taken directly. Each output channel is one task.

use rayon::prelude::*;

use super::shape::ConvShape;

/// Whether the groups are too small for the blocked weight gradient.
pub(crate) fn serves(shape: &ConvShape) -> bool {
    shape.options.groups > 1 && shape.group_inputs() <= 2
}

/// Gradient of the weight `[O, I / groups, KH, KW]`.
pub(crate) fn weight_gradient(shape: &ConvShape, x: &[f32], output_gradient: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), shape.input_len(), "input size");
    assert_eq!(
        output_gradient.len(),
        shape.output_len(),
        "output gradient size"
    );
    let taps = shape.taps();
    let inputs = shape.group_inputs();
    let mut gradient = vec![0.0; shape.weight_len()];
    gradient
        .par_chunks_mut(inputs * taps)
        .enumerate()
        .for_each(|(output, gradient)| {
            let group = output / shape.group_outputs();
            for image in 0..shape.batch {
                let plane = shape.output_size[0] * shape.output_size[1];
                let at = (image * shape.outputs + output) * plane;
                let upstream = &output_gradient[at..at + plane];
                for (input, gradient) in gradient.chunks_exact_mut(taps).enumerate() {
                    let plane = shape.size[0] * shape.size[1];
                    let at = (image * shape.inputs + group * inputs + input) * plane;
                    add_plane(shape, &x[at..at + plane], upstream, gradient);
                }
            }
        });
    gradient
}

/// Adds one pair of planes to the gradients of the taps.
fn add_plane(shape: &ConvShape, x: &[f32], upstream: &[f32], gradient: &mut [f32]) {
    let [_, width] = shape.size;
    let outputs = shape.output_size[1];
    for (tap, gradient) in gradient.iter_mut().enumerate() {
        let (ky, kx) = (tap / shape.kernel[1], tap % shape.kernel[1]);
        let (rows, first_y) = shape.inside(0, ky);
        let (columns, first_x) = shape.inside(1, kx);
        let stride = shape.options.stride;
        let mut sum = 0.0;
        for (at, row) in rows.enumerate() {
            let from = &x[(first_y + at * stride[0]) * width + first_x.min(width)..];
            let upstream = &upstream[row * outputs..][columns.clone()];
            sum += dot(from, stride[1], upstream);
        }
        *gradient += sum;
    }
}

/// Dot product of every `stride`-th value with `factors`, in 16 lanes.
fn dot(from: &[f32], stride: usize, factors: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    if stride == 1 {
        let from = &from[..factors.len()];
        let (a, b) = (from.chunks_exact(LANES), factors.chunks_exact(LANES));
        let rest: f32 = a
            .remainder()
            .iter()
            .zip(b.remainder())
            .map(|(a, b)| a * b)
            .sum();
        for (a, b) in a.zip(b) {
            for lane in 0..LANES {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        lanes.iter().sum::<f32>() + rest
    } else {
        for (at, factor) in factors.iter().enumerate() {
            lanes[at % LANES] += from[at * stride] * factor;
        }
        lanes.iter().sum()
    }
}
