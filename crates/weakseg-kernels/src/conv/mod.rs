//! Two-dimensional convolution and its gradients on the CPU, for f32 in `[B, C, H, W]` order.
//!
//! One scheme serves every shape: the passes are sums over taps of shifted products
//! ([`lattice`]), computed by the table-driven kernel of [`crate::tile`] without a patch matrix.
//! What differs per shape is decided in [`division`] (rows, channels and output channels of a
//! task; 1x1 convolutions read the input and write the output where they lie) and
//! [`weight_division`] (channels in a run, or channels of a row of taps when they are few);
//! [`depthwise`] takes the weight gradient of groups of one or two channels.
#![allow(unsafe_code)] // Outputs are written by the tasks through a shared pointer.

mod depthwise;
mod direct;
mod division;
mod dots;
mod lattice;
mod options;
mod panels;
mod planes;
mod pointwise;
#[cfg(test)]
mod reference;
mod shape;
mod transpose;
mod weight_division;
mod weight_gradient;
mod winograd;

pub use options::ConvOptions;
pub(crate) use shape::ConvShape;

use lattice::Correlation;
use planes::{Planes, WeightStrides, pack_weight};
use rayon::prelude::*;

use crate::scratch::{Shared, written_by};
use crate::tile::Tiles;

/// Computes a correlation: its planes, packed weight and destination.
///
/// # Safety
///
/// The destination must hold the planes of the whole destination, nobody else's meanwhile.
type Correlate = unsafe fn(&Tiles, &Planes<'_>, &Correlation, &[f32], Shared);

/// The faster of the ways to a correlation.
fn correlate_by_shape(planes: &Planes<'_>, correlation: &Correlation) -> Correlate {
    if panels::serve(planes, correlation) {
        panels::correlate
    } else {
        direct::correlate
    }
}

/// `[B, O, OH, OW]` from x `[B, I, H, W]`, weight `[O, I / groups, KH, KW]` and bias `[O]`.
pub(crate) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    assert_eq!(weight.len(), shape.weight_len(), "weight size");
    if let Some(plain) = pointwise::plain(shape) {
        let thin = pointwise::thinned(shape, x);
        return forward(tiles, &plain, &thin, weight, bias);
    }
    if depthwise::serves(shape) {
        return depthwise::forward(tiles, shape, x, weight, bias);
    }
    if winograd::choice::serves(shape) {
        return winograd::forward(tiles, shape, x, weight, bias);
    }
    forward_by(correlate_by_shape, tiles, shape, x, weight, bias)
}

fn forward_by(
    way: impl Fn(&Planes<'_>, &Correlation) -> Correlate,
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let correlations = Correlation::forward(shape).without_outside(shape.size);
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
    // SAFETY: the correlations' rectangles make up the whole output, so every value is written.
    unsafe {
        written_by(shape.output_len(), |output| {
            for correlation in &correlations {
                let packed = pack_weight(tiles, weight, strides, &planes, correlation);
                way(&planes, correlation)(tiles, &planes, correlation, &packed, output);
            }
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
    if let Some(plain) = pointwise::plain(shape) {
        let thin = input_gradient(tiles, &plain, weight, output_gradient);
        return pointwise::spread(shape, &thin);
    }
    if depthwise::serves(shape) {
        return depthwise::input_gradient(tiles, shape, weight, output_gradient);
    }
    if winograd::choice::serves(shape) {
        return winograd::input_gradient(tiles, shape, weight, output_gradient);
    }
    input_gradient_by(correlate_by_shape, tiles, shape, weight, output_gradient)
}

fn input_gradient_by(
    way: impl Fn(&Planes<'_>, &Correlation) -> Correlate,
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
    let correlations: Vec<Correlation> = Correlation::input_gradient(shape)
        .into_iter()
        .flat_map(|correlation| correlation.without_outside(shape.output_size))
        .collect();
    let fill = |gradient: Shared| {
        for correlation in &correlations {
            let packed = pack_weight(tiles, weight, strides, &planes, correlation);
            // SAFETY: the gradient has the destination's size and is this pass's alone.
            let correlate = way(&planes, correlation);
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
    if let Some(plain) = pointwise::plain(shape) {
        let thin = pointwise::thinned(shape, x);
        weight_gradient(tiles, &plain, &thin, output_gradient)
    } else if winograd::choice::serves(shape) {
        winograd::weight_gradient(tiles, shape, x, output_gradient)
    } else if depthwise::serves(shape) {
        depthwise::weight_gradient(tiles, shape, x, output_gradient)
    } else if dots::serves(shape) {
        dots::weight_gradient(tiles, shape, x, output_gradient)
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

    /// Sums of up to some thousand products in another order than the definition's.
    const TOLERANCE: f64 = 2e-6;

    fn check(what: &str, tiles: &Tiles, shape: &ConvShape, found: &[f32], expected: &[f64]) {
        let by_winograd = winograd::choice::serves(shape) && !what.contains(' ');
        let tolerance = if by_winograd { 1e-4 } else { TOLERANCE };
        let error = error(found, expected);
        assert!(
            error <= tolerance,
            "{what} on {}: {error} for {shape:?}",
            tiles.name
        );
    }

    #[test]
    fn every_way_on_every_instruction_set_equals_the_definition() {
        for Case {
            shape,
            x,
            weight,
            bias,
            upstream,
        } in cases(90)
        {
            let (output, input, weights) =
                reference::convolve(&shape, &x, &weight, &bias, &upstream);
            for tiles in &Tiles::available() {
                let bias = Some(bias.as_slice());
                let mut ways: Vec<(&str, Correlate)> = vec![("direct", direct::correlate)];
                if shape.options.groups == 1 {
                    ways.push(("panels", panels::correlate));
                }
                for (name, correlate) in ways {
                    let way = |_: &Planes<'_>, _: &Correlation| correlate;
                    let found = forward_by(way, tiles, &shape, &x, &weight, bias);
                    check(&format!("{name} forward"), tiles, &shape, &found, &output);
                    let found = input_gradient_by(way, tiles, &shape, &weight, &upstream);
                    check(&format!("{name} input"), tiles, &shape, &found, &input);
                }
                let found = weight_gradient::weight_gradient(tiles, &shape, &x, &upstream);
                check("blocks", tiles, &shape, &found, &weights);
                if shape.options.groups == 1 {
                    let found = dots::weight_gradient(tiles, &shape, &x, &upstream);
                    check("dots", tiles, &shape, &found, &weights);
                }
                // What the shape decides.
                let found = forward(tiles, &shape, &x, &weight, bias);
                check("forward", tiles, &shape, &found, &output);
                let found = input_gradient(tiles, &shape, &weight, &upstream);
                check("input", tiles, &shape, &found, &input);
                let found = weight_gradient(tiles, &shape, &x, &upstream);
                check("weight", tiles, &shape, &found, &weights);
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
                    forward(tiles, &case.shape, &case.x, &case.weight, None),
                    input_gradient(tiles, &case.shape, &case.weight, &case.upstream),
                    weight_gradient(tiles, &case.shape, &case.x, &case.upstream),
                ]
            })
        };
        assert_eq!(run(1), run(3));
    }
}
