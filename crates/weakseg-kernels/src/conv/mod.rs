//! Two-dimensional convolution and its gradients on the CPU, for f32 in `[B, C, H, W]` order.
//!
//! 3x3 convolutions of many channels are computed by Winograd's method ([`winograd`], with the
//! choice). One scheme serves every other shape: the passes are sums over taps of shifted products
//! ([`lattice`]), computed by the table-driven kernel of [`crate::tile`] without a patch matrix.
//! What differs per shape is decided in [`division`] (rows, channels and output channels of a
//! task; 1x1 convolutions read the input and write the output where they lie) and
//! [`weight_division`] (channels in a run, or channels of a row of taps when they are few);
//! [`depthwise`] takes the weight gradient of groups of one or two channels.
#![allow(unsafe_code)] // Outputs are written by the tasks through a shared pointer.

mod depthwise;
mod direct;
mod division;
mod lattice;
mod options;
mod planes;
#[cfg(test)]
mod reference;
mod shape;
mod transpose;
mod weight_division;
mod weight_gradient;
mod winograd;

pub use options::ConvOptions;
pub(crate) use shape::ConvShape;

use direct::correlate;
use lattice::Correlation;
use planes::{Planes, WeightStrides, pack_weight};
use rayon::prelude::*;

use crate::scratch::{Shared, written_by};
use crate::tile::Tiles;

/// `[B, O, OH, OW]` from x `[B, I, H, W]`, weight `[O, I / groups, KH, KW]` and bias `[O]`.
pub(crate) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    assert_eq!(weight.len(), shape.weight_len(), "weight size");
    if winograd::choice::serves(shape) {
        winograd::forward(tiles, shape, x, weight, bias)
    } else {
        direct_forward(tiles, shape, x, weight, bias)
    }
}

fn direct_forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let correlation = Correlation::forward(shape);
    let planes = Planes {
        batch: shape.batch,
        groups: shape.options.groups,
        channels: shape.group_inputs(),
        rows: shape.group_outputs(),
        source: x,
        source_size: shape.size,
        destination_size: shape.output_size,
        bias,
    };
    let row = shape.group_inputs() * shape.taps();
    let strides = WeightStrides {
        group: shape.group_outputs() * row,
        row,
        channel: shape.taps(),
    };
    let packed = pack_weight(tiles, weight, strides, &planes, &correlation);
    // SAFETY: the correlation's rectangle is the whole output, so every value is written.
    unsafe {
        written_by(shape.output_len(), |output| {
            correlate(tiles, &planes, &correlation, &packed, output);
        })
    }
}

/// Gradient with respect to x, `[B, I, H, W]`.
pub(crate) fn input_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    assert_eq!(weight.len(), shape.weight_len(), "weight size");
    if winograd::choice::serves(shape) {
        winograd::input_gradient(tiles, shape, weight, output_gradient)
    } else {
        direct_input_gradient(tiles, shape, weight, output_gradient)
    }
}

fn direct_input_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    let planes = Planes {
        batch: shape.batch,
        groups: shape.options.groups,
        channels: shape.group_outputs(),
        rows: shape.group_inputs(),
        source: output_gradient,
        source_size: shape.output_size,
        destination_size: shape.size,
        bias: None,
    };
    let column = shape.group_inputs() * shape.taps();
    let strides = WeightStrides {
        group: shape.group_outputs() * column,
        row: shape.taps(),
        channel: column,
    };
    let correlations = Correlation::input_gradient(shape);
    let fill = |gradient: Shared| {
        for correlation in &correlations {
            let packed = pack_weight(tiles, weight, strides, &planes, correlation);
            // SAFETY: the gradient has the destination's size and is this pass's alone.
            unsafe { correlate(tiles, &planes, correlation, &packed, gradient) };
        }
    };
    let written: usize = correlations.iter().map(|c| c.extent[0] * c.extent[1]).sum();
    if written == shape.size[0] * shape.size[1] {
        // SAFETY: the correlations' pixels are distinct and as many as the gradient has.
        unsafe { written_by(shape.input_len(), fill) }
    } else {
        // Pixels no tap reaches keep the zero.
        let mut gradient = vec![0.0; shape.input_len()];
        fill(Shared::new(&mut gradient));
        gradient
    }
}

/// Gradient with respect to the weight, `[O, I / groups, KH, KW]`.
pub(crate) fn weight_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    if winograd::choice::serves(shape) {
        winograd::weight_gradient(tiles, shape, x, output_gradient)
    } else {
        direct_weight_gradient(tiles, shape, x, output_gradient)
    }
}

fn direct_weight_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    if depthwise::serves(shape) {
        depthwise::weight_gradient(shape, x, output_gradient)
    } else {
        weight_gradient::weight_gradient(tiles, shape, x, output_gradient)
    }
}

/// Sum of an output gradient `[B, channels, pixels]` over images and pixels: `[channels]`.
pub(crate) fn bias_gradient(output_gradient: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    (0..channels)
        .into_par_iter()
        .map(|channel| {
            output_gradient
                .chunks_exact(channels * pixels)
                .map(|image| lane_sum(&image[channel * pixels..][..pixels]))
                .sum()
        })
        .collect()
}

/// Sum in 16 interleaved lanes: a fixed order that vectorises and rounds less than one long sum.
fn lane_sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = values.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::reference::{Case, cases, error};
    use super::*;

    #[test]
    fn every_instruction_set_equals_the_definition() {
        for Case {
            shape,
            x,
            weight,
            bias,
            upstream,
        } in cases(60)
        {
            let (output, input, weights) =
                reference::convolve(&shape, &x, &weight, &bias, &upstream);
            for tiles in Tiles::available() {
                let errors = [
                    error(
                        &direct_forward(&tiles, &shape, &x, &weight, Some(&bias)),
                        &output,
                    ),
                    error(
                        &direct_input_gradient(&tiles, &shape, &weight, &upstream),
                        &input,
                    ),
                    error(
                        &direct_weight_gradient(&tiles, &shape, &x, &upstream),
                        &weights,
                    ),
                ];
                assert!(
                    errors.iter().all(|e| *e <= 2e-6),
                    "{} {shape:?}: {errors:?}",
                    tiles.name
                );
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let case = cases(13).pop().expect("thirteen cases");
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a thread pool").install(|| {
                let tiles = Tiles::detect();
                [
                    direct_forward(tiles, &case.shape, &case.x, &case.weight, None),
                    direct_input_gradient(tiles, &case.shape, &case.weight, &case.upstream),
                    direct_weight_gradient(tiles, &case.shape, &case.x, &case.upstream),
                ]
            })
        };
        assert_eq!(run(1), run(3));
    }
}
