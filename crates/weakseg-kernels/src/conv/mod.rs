//! Two-dimensional convolution and its gradients on the CPU, for f32 in `[B, C, H, W]` order.
//!
//! The shape decides, once for all machines and any number of threads, which way a pass goes:
//!
//! | shape | forward and input gradient | weight gradient |
//! |---|---|---|
//! | groups of one or two channels | [`depthwise`] | [`depthwise`] |
//! | 3x3, stride 1, many channels | [`winograd`] | [`winograd`] |
//! | 1x1 with a stride | as 1x1 of the pixels that are read: [`pointwise`] | the same |
//! | 1x1, kernels that lie outside for the most part | [`panels`] | [`dots`] |
//! | small maps | [`panels`] | [`mod@weight_gradient`] |
//! | all else: stems, strides, groups, large maps of 1x1 | [`direct`] | [`mod@weight_gradient`] |
//!
//! Before any of these, [`mod@bf16`] takes what it serves if the process has chosen that arithmetic.
//!
//! All but Winograd's and the depthwise are sums over taps of shifted products ([`lattice`]),
//! computed by the table-driven kernel of [`crate::tile`] over packed weights ([`planes`]); taps
//! that lie outside the input for whole rectangles are left out there. How the work is cut is
//! said in [`division`] and [`weight_division`].
#![allow(unsafe_code)] // Outputs are written by the tasks through a shared pointer.

mod bf16;
mod depthwise;
mod direct;
mod division;
mod dots;
mod ending;
mod lattice;
mod options;
mod panels;
mod planes;
mod pointwise;
#[cfg(test)]
mod reference;
mod rows;
mod shape;
mod transpose;
mod weight_division;
mod weight_gradient;
mod winograd;

pub(crate) use ending::Ending;
pub use options::ConvOptions;
pub(crate) use shape::ConvShape;

use lattice::Correlation;
use planes::{PackedWeight, Planes, WeightStrides};
use rayon::prelude::*;

use crate::scratch::{Shared, Temporary, written_by, zeros};
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

/// `[B, O, OH, OW]` from x `[B, I, H, W]` and weight `[O, I / groups, KH, KW]`, with what follows.
pub(crate) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    ending: &Ending<'_>,
) -> Vec<f32> {
    assert_eq!(weight.len(), shape.weight_len(), "weight size");
    if let Some(maps) = ending.maps {
        assert_eq!(maps.len(), shape.outputs, "one map a channel");
    }
    if let Some(plain) = pointwise::plain(shape) {
        let thin = pointwise::thinned(shape, x);
        return forward(tiles, &plain, &thin, weight, ending);
    }
    let early = &ending.without_place();
    let pixels = shape.output_size[0] * shape.output_size[1];
    // What these could not do, for want of a place.
    let followed = |mut output: Vec<f32>| {
        if ending.shortcut.is_some() {
            ending.follow_all(&mut output, pixels);
        }
        output
    };
    let rounded = |bf16| bf16::forward(bf16, shape, x, weight, early);
    if let Some(output) = tiles.bf16.and_then(rounded) {
        return followed(output);
    }
    if depthwise::serves(shape) {
        let mut output = depthwise::forward(tiles, shape, x, weight, ending.bias);
        ending.follow_all(&mut output, pixels);
        return output;
    }
    if winograd::choice::serves(shape) {
        followed(winograd::forward(tiles, shape, x, weight, early))
    } else {
        forward_by(correlate_by_shape, tiles, shape, x, weight, ending)
    }
}

fn forward_by(
    way: impl Fn(&Planes<'_>, &Correlation) -> Correlate,
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    ending: &Ending<'_>,
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
        ending: *ending,
    };
    let row = shape.group_inputs() * shape.taps();
    let strides = WeightStrides {
        group: shape.group_outputs() * row,
        row,
        channel: shape.taps(),
    };
    let packed = PackedWeight::new(tiles, weight, strides, &planes, shape.taps());
    // SAFETY: the correlations' rectangles make up the whole output, so every value is written.
    unsafe {
        written_by(shape.output_len(), |output| {
            for correlation in &correlations {
                packed.with_taps_of(correlation, |packed| {
                    way(&planes, correlation)(tiles, &planes, correlation, packed, output);
                });
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
        let thin = Temporary::new(input_gradient(tiles, &plain, weight, output_gradient));
        return pointwise::spread(shape, &thin);
    }
    let rounded = |bf16| bf16::input_gradient(bf16, shape, weight, output_gradient);
    if let Some(gradient) = tiles.bf16.and_then(rounded) {
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
    let planes = Planes {
        batch: shape.batch,
        groups: shape.options.groups,
        channels: shape.group_outputs(),
        rows: shape.group_inputs(),
        source: output_gradient,
        source_size: shape.output_size,
        destination_size: shape.size,
        ending: Ending::default(),
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
    let packed = PackedWeight::new(tiles, weight, strides, &planes, shape.taps());
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
    if written == shape.size[0] * shape.size[1] {
        // SAFETY: the correlations' pixels are distinct and as many as the gradient has.
        unsafe { written_by(shape.input_len(), fill) }
    } else {
        // Pixels no tap reaches keep the zero.
        let mut gradient = zeros(shape.input_len());
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
        return weight_gradient(tiles, &plain, &thin, output_gradient);
    }
    let rounded = |bf16| bf16::weight_gradient(bf16, shape, x, output_gradient);
    if let Some(gradient) = tiles.bf16.and_then(rounded) {
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
    use crate::bf16::Bf16;
    use crate::norm::affine;

    /// Sums of up to some thousand products in another order than the definition's.
    const DIRECT: f64 = 2e-6;
    /// The transforms of F(4x4, 3x3) lose about two digits; see `winograd::tests`.
    const WINOGRAD: f64 = 1e-4;

    /// Which of a convolution's passes.
    #[derive(Debug, Clone, Copy)]
    enum Pass {
        Forward,
        Input,
        Weight,
    }

    /// What every way that can compute a convolution finds, and what the shape decides on.
    fn all_ways(tiles: &Tiles, case: &Case) -> Vec<(&'static str, Pass, f64, Vec<f32>)> {
        let Case {
            shape,
            x,
            weight,
            bias,
            upstream,
        } = case;
        let bias = &Ending::bias(Some(bias.as_slice()));
        let grouped = shape.options.groups > 1;
        let mut all = Vec::new();
        let correlates: [(&str, Correlate); 2] =
            [("direct", direct::correlate), ("panels", panels::correlate)];
        for (name, correlate) in &correlates[..if grouped { 1 } else { 2 }] {
            let way = |_: &Planes<'_>, _: &Correlation| *correlate;
            let found = forward_by(way, tiles, shape, x, weight, bias);
            all.push((*name, Pass::Forward, DIRECT, found));
            let found = input_gradient_by(way, tiles, shape, weight, upstream);
            all.push((*name, Pass::Input, DIRECT, found));
        }
        let found = weight_gradient::weight_gradient(tiles, shape, x, upstream);
        all.push(("blocks", Pass::Weight, DIRECT, found));
        if !grouped {
            let found = dots::weight_gradient(tiles, shape, x, upstream);
            all.push(("dots", Pass::Weight, DIRECT, found));
        }
        let tolerance = match winograd::choice::serves(shape) {
            true => WINOGRAD,
            false => DIRECT,
        };
        let found = forward(tiles, shape, x, weight, bias);
        all.push(("chosen", Pass::Forward, tolerance, found));
        let found = input_gradient(tiles, shape, weight, upstream);
        all.push(("chosen", Pass::Input, tolerance, found));
        let found = weight_gradient(tiles, shape, x, upstream);
        all.push(("chosen", Pass::Weight, tolerance, found));
        all
    }

    #[test]
    fn every_way_on_every_instruction_set_equals_the_definition() {
        for case in cases(90) {
            let (shape, bias) = (&case.shape, &case.bias);
            let (output, input, weights) =
                reference::convolve(shape, &case.x, &case.weight, bias, &case.upstream);
            for tiles in &Tiles::available() {
                for (name, pass, tolerance, found) in all_ways(tiles, &case) {
                    let expected = match pass {
                        Pass::Forward => &output,
                        Pass::Input => &input,
                        Pass::Weight => &weights,
                    };
                    let error = error(&found, expected);
                    let set = tiles.name;
                    assert!(
                        error <= tolerance,
                        "{name} {pass:?} on {set}: {error} for {shape:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_follows_is_what_passes_of_their_own_would_make_of_it() {
        let mut with_shortcut = 0;
        for (number, case) in cases(60).into_iter().enumerate() {
            let (shape, pixels) = (&case.shape, case.shape.output_size.iter().product());
            let bias = Some(case.bias.as_slice());
            let values = |step: f32| -> Vec<f32> {
                (0..shape.outputs)
                    .map(|at| (at as f32 * step).sin())
                    .collect()
            };
            let maps = affine(&values(1.3), &values(0.7), number % 3 > 0);
            // Any values of the output's size.
            let shortcut = (number % 2 == 0).then_some(case.upstream.as_slice());
            with_shortcut += usize::from(shortcut.is_some());
            let ending = Ending {
                bias,
                maps: Some(&maps),
                shortcut,
            };
            let rounding = |bf16| {
                let mut tiles = *Tiles::detect();
                tiles.bf16 = Some(bf16);
                tiles
            };
            let bf16 = Bf16::available().into_iter().map(rounding);
            for tiles in Tiles::available().into_iter().chain(bf16) {
                let run =
                    |ending: &Ending<'_>| forward(&tiles, shape, &case.x, &case.weight, ending);
                let plain = Ending::bias(bias);
                let mut expected = run(&plain);
                ending.follow_all(&mut expected, pixels);
                assert_eq!(run(&ending), expected, "{} for {shape:?}", tiles.name);
            }
            if shape.options.groups == 1 {
                let by = |ending: &Ending<'_>| {
                    let way = |_: &Planes<'_>, _: &Correlation| panels::correlate as Correlate;
                    forward_by(way, Tiles::detect(), shape, &case.x, &case.weight, ending)
                };
                let plain = Ending::bias(bias);
                let mut expected = by(&plain);
                ending.follow_all(&mut expected, pixels);
                assert_eq!(by(&ending), expected, "panels for {shape:?}");
            }
        }
        assert!(with_shortcut > 20);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        for case in cases(25) {
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = pool.expect("a thread pool");
                pool.install(|| all_ways(Tiles::detect(), &case))
            };
            for ((name, pass, _, one), (_, _, _, three)) in run(1).into_iter().zip(run(3)) {
                assert_eq!(one, three, "{name} {pass:?} for {:?}", case.shape);
            }
        }
    }
}
