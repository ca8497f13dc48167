//! Bilinear resizing of f32 planes.

use rayon::prelude::*;

use crate::buffers;

/// Where one output of an axis reads: two neighbours and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

/// The taps of one axis, as PyTorch's `interpolate` places them.
fn taps(from: usize, to: usize, align_corners: bool) -> Vec<Tap> {
    let place = |at: usize| {
        if align_corners {
            // A single output reads the first pixel.
            at as f64 * (from - 1) as f64 / (to.max(2) - 1) as f64
        } else {
            ((at as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
        }
    };
    (0..to)
        .map(|at| {
            let place = place(at);
            let low = (place as usize).min(from - 1);
            Tap {
                low,
                high: (low + 1).min(from - 1),
                weight: (place - low as f64).min(1.0) as f32,
            }
        })
        .collect()
}

/// Resizing of one axis as a matrix `[to, from]`, row by row.
#[cfg(any(feature = "cube", test))]
pub(crate) fn matrix_of_taps(from: usize, to: usize, align_corners: bool) -> Vec<f32> {
    let mut matrix = vec![0.0; to * from];
    for (row, tap) in matrix
        .chunks_exact_mut(from)
        .zip(taps(from, to, align_corners))
    {
        row[tap.low] += 1.0 - tap.weight;
        row[tap.high] += tap.weight;
    }
    matrix
}

/// `planes` planes resized from `size` to `target`.
pub(crate) fn forward(
    x: &[f32],
    planes: usize,
    size: [usize; 2],
    target: [usize; 2],
    align_corners: bool,
) -> Vec<f32> {
    let mut output = buffers::take(planes * target[0] * target[1]);
    if output.is_empty() {
        return output;
    }
    let rows = taps(size[0], target[0], align_corners);
    let columns = taps(size[1], target[1], align_corners);
    output
        .par_chunks_mut(target[0] * target[1])
        .zip(x.par_chunks(size[0] * size[1]))
        .for_each(|(output, x)| {
            let mut blended = vec![0.0; size[1]];
            for (output, row) in output.chunks_exact_mut(target[1]).zip(&rows) {
                let low = &x[row.low * size[1]..][..size[1]];
                let high = &x[row.high * size[1]..][..size[1]];
                for ((value, low), high) in blended.iter_mut().zip(low).zip(high) {
                    *value = low * (1.0 - row.weight) + high * row.weight;
                }
                for (output, column) in output.iter_mut().zip(&columns) {
                    *output = blended[column.low] * (1.0 - column.weight)
                        + blended[column.high] * column.weight;
                }
            }
        });
    output
}

/// Gradient with respect to the planes of `size` of a gradient of `target`.
pub(crate) fn backward(
    output_gradient: &[f32],
    planes: usize,
    size: [usize; 2],
    target: [usize; 2],
    align_corners: bool,
) -> Vec<f32> {
    let mut gradient = buffers::take(planes * size[0] * size[1]);
    if gradient.is_empty() || target.contains(&0) {
        gradient.fill(0.0);
        return gradient;
    }
    let rows = taps(size[0], target[0], align_corners);
    let columns = taps(size[1], target[1], align_corners);
    gradient
        .par_chunks_mut(size[0] * size[1])
        .zip(output_gradient.par_chunks(target[0] * target[1]))
        .for_each(|(gradient, upstream)| {
            gradient.fill(0.0);
            let mut blended = vec![0.0; size[1]];
            for (upstream, row) in upstream.chunks_exact(target[1]).zip(&rows) {
                blended.fill(0.0);
                for (upstream, column) in upstream.iter().zip(&columns) {
                    blended[column.low] += upstream * (1.0 - column.weight);
                    blended[column.high] += upstream * column.weight;
                }
                for (at, weight) in [(row.low, 1.0 - row.weight), (row.high, row.weight)] {
                    let line = &mut gradient[at * size[1]..][..size[1]];
                    for (gradient, value) in line.iter_mut().zip(&blended) {
                        *gradient += value * weight;
                    }
                }
            }
        });
    gradient
}
