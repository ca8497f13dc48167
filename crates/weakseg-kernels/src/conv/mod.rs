//! Two-dimensional convolution and its gradients on the CPU, for f32 in `[B, C, H, W]` order.
//!
//! The shape decides, once for all machines and any number of threads, which way a pass goes:
//!
//! | shape | forward and input gradient | weight gradient |
//! |---|---|---|
//! | groups of one or two channels | [`depthwise`] | [`depthwise`] |
//! | 3x3, stride 1, many channels | [`winograd`] | [`winograd`] |
//! | 1x1 with a stride | as 1x1 of the pixels that are read: [`pointwise`] | the same |
//! | 1x1, kernels of which a quarter or more lies outside: small maps of many channels | [`panels`] | [`dots`] |
//! | the same: others | [`direct`] | [`dots`] |
//! | other kernels: small maps of many channels | [`panels`] | [`mod@weight_gradient`] |
//! | all else: stems, strides, groups | [`direct`] | [`mod@weight_gradient`] |
//!
//! Before any of these but the strided 1x1, [`mod@bf16`] takes what it serves if the process has chosen that
//! arithmetic.
//!
//! All but Winograd's and the depthwise are sums over taps of shifted products ([`lattice`]),
//! computed by the table-driven kernel of [`crate::tile`] over packed weights ([`planes`]); taps
//! that lie outside the input for whole rectangles are left out there. How the work is cut is
//! said in [`division`], [`steps`] and [`weight_division`].
#![allow(unsafe_code)] // Outputs are written by the tasks through a shared pointer.

mod bf16;
mod depthwise;
mod direct;
mod division;
mod dots;
mod ending;
mod lattice;
mod layouts;
mod options;
mod panels;
mod planes;
mod pointwise;
mod prefetch;
#[cfg(test)]
mod reference;
mod rows;
mod shape;
mod steps;
mod transpose;
mod weight_division;
mod weight_gradient;
mod winograd;

pub(crate) use ending::Ending;
pub(crate) use layouts::{Layouts, Weight};
pub use options::ConvOptions;
pub(crate) use shape::ConvShape;

use lattice::Correlation;
use planes::{Planes, WeightColumns, WeightStrides};

use crate::scratch::{Shared, Temporary, written_by, written_or_zero};
use crate::tile::Tiles;

/// Computes a correlation: its planes, packed weight and destination.
///
/// # Safety
///
/// The destination must hold the planes of the whole destination, nobody else's meanwhile. The correlation's pixels
/// must lie in these planes.
type Correlate = unsafe fn(&Tiles, &Planes<'_>, &Correlation, &[f32], Shared);

/// The faster of the ways to a correlation.
fn correlate_by_shape(planes: &Planes<'_>, correlation: &Correlation) -> Correlate {
    if panels::serve(planes, correlation) {
        panels::correlate
    } else {
        direct::correlate
    }
}

/// `[B, O, OH, OW]` from x `[B, I, H, W]` and weight `[O, I / groups, KH, KW]`, with what follows.
pub(crate) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: Weight<'_>,
    ending: &Ending<'_>,
) -> Vec<f32> {
    assert_eq!(weight.values.len(), shape.weight_len(), "weight size");
    ending.assert_fits(shape);
    if let Some(plain) = pointwise::plain(shape) {
        let thin = pointwise::thinned(shape, x);
        return forward(tiles, &plain, &thin, weight, ending);
    }
    if let Some(output) = bf16::forward(tiles, shape, x, weight, ending) {
        return output;
    }
    if depthwise::serves(shape) {
        return depthwise::forward(tiles, shape, x, weight.values, ending);
    }
    if winograd::choice::serves(shape) {
        let mut output = winograd::forward(tiles, shape, x, weight, &ending.without_place());
        if ending.shortcut.is_some() {
            let pixels = shape.output_size[0] * shape.output_size[1];
            ending.follow_all(tiles.set, &mut output, pixels);
        }
        output
    } else {
        forward_by(correlate_by_shape, tiles, shape, x, weight, ending)
    }
}

fn forward_by(
    way: impl Fn(&Planes<'_>, &Correlation) -> Correlate,
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: Weight<'_>,
    ending: &Ending<'_>,
) -> Vec<f32> {
    let correlations = Correlation::forward(shape).without_outside(shape.size);
    let planes = Planes::forward(shape, x, *ending);
    let strides = WeightStrides::forward(shape);
    let pack = || WeightColumns::new(tiles, weight.values, strides, &planes, shape.taps());
    let run = |packed: &WeightColumns| {
        // SAFETY: the output has the destination's size and is this pass's alone; the correlations' rectangles make up
        // all of it, so every value is written.
        unsafe {
            written_by(shape.output_len(), |output| {
                for correlation in &correlations {
                    packed.with_taps_of(correlation, |packed| {
                        way(&planes, correlation)(tiles, &planes, correlation, packed, output);
                    });
                }
            })
        }
    };
    Layouts::with(weight.layouts, |kept| &kept.columns, pack, run)
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
        let thin = Temporary::new(input_gradient(tiles, &plain, weight, output_gradient));
        return pointwise::spread(shape, &thin);
    }
    if let Some(gradient) = bf16::input_gradient(tiles, shape, weight, output_gradient) {
        return gradient;
    }
    if depthwise::serves(shape) {
        return depthwise::input_gradient(tiles, shape, weight, output_gradient);
    }
    if winograd::choice::serves(shape) {
        winograd::input_gradient(tiles, shape, weight, output_gradient)
    } else {
        input_gradient_by(correlate_by_shape, tiles, shape, weight, output_gradient)
    }
}

fn input_gradient_by(
    way: impl Fn(&Planes<'_>, &Correlation) -> Correlate,
    tiles: &Tiles,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    let planes = Planes::input_gradient(shape, output_gradient);
    let strides = WeightStrides::input_gradient(shape);
    let correlations: Vec<Correlation> = Correlation::input_gradient(shape)
        .into_iter()
        .flat_map(|correlation| correlation.without_outside(shape.output_size))
        .collect();
    let packed = WeightColumns::new(tiles, weight, strides, &planes, shape.taps());
    let fill = |gradient: Shared| {
        for correlation in &correlations {
            packed.with_taps_of(correlation, |packed| {
                let correlate = way(&planes, correlation);
                // SAFETY: the gradient has the destination's size and is this pass's alone.
                unsafe { correlate(tiles, &planes, correlation, packed, gradient) };
            });
        }
    };
    let written: usize = correlations.iter().map(|c| c.extent[0] * c.extent[1]).sum();
    // Pixels no tap reaches keep the zero.
    let all = written == shape.size[0] * shape.size[1];
    // SAFETY: the correlations' pixels are distinct: all of them if they are as many as the gradient has.
    unsafe { written_or_zero(shape.input_len(), all, fill) }
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
        return weight_gradient(tiles, &plain, &thin, output_gradient);
    }
    if let Some(gradient) = bf16::weight_gradient(tiles, shape, x, output_gradient) {
        return gradient;
    }
    if winograd::choice::serves(shape) {
        winograd::weight_gradient(tiles, shape, x, output_gradient)
    } else if depthwise::serves(shape) {
        depthwise::weight_gradient(tiles, shape, x, output_gradient)
    } else if dots::serves(shape) {
        dots::weight_gradient(tiles, shape, x, output_gradient)
    } else {
        weight_gradient::weight_gradient(tiles, shape, x, output_gradient)
    }
}

#[cfg(test)]
mod tests;
