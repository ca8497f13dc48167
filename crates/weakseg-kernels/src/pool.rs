//! Max pooling of f32 planes.

use rayon::prelude::*;

use crate::buffers;
use crate::elementwise::grain;
use crate::instructions::{Instructions, per_instruction_set};

/// Window, step and padding of a pooling, each as `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolOptions {
    /// Size of the window, at least 1.
    pub kernel: [usize; 2],
    /// Pixels between two windows, at least 1.
    pub stride: [usize; 2],
    /// Pixels (of minus infinity) added on both sides of each axis; at most half the kernel, so
    /// that every window holds a pixel.
    pub padding: [usize; 2],
    /// Whether a last window that begins inside the input but does not fit whole counts too, pooling
    /// what there is of it: PyTorch's `ceil_mode`.
    pub ceil: bool,
}

impl PoolOptions {
    /// A square window of `kernel` pixels every `stride` pixels, with `padding` around.
    #[must_use]
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            ceil: false,
        }
    }

    /// The same pooling with a last window that does not fit whole.
    #[must_use]
    pub fn with_ceil(self) -> Self {
        Self { ceil: true, ..self }
    }

    /// Output size `[height, width]` for an input `[height, width]`. Windows that do not fit are
    /// dropped unless [`ceil`](Self::ceil) is set.
    #[must_use]
    pub fn output_size(&self, input: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let padded = input[axis] + 2 * self.padding[axis];
            if padded < self.kernel[axis] {
                // With `ceil`, PyTorch has a first window that does not fit whole, but none that is short of more than
                // a stride.
                let short = self.kernel[axis] - padded;
                return usize::from(self.ceil && short < self.stride[axis] && input[axis] > 0);
            }
            let rest = padded - self.kernel[axis];
            let whole = rest / self.stride[axis] + 1;
            // The extra window has to begin at a pixel, not in the padding behind the last one.
            let begins = whole * self.stride[axis] < input[axis] + self.padding[axis];
            let extra = self.ceil && !rest.is_multiple_of(self.stride[axis]) && begins;
            whole + usize::from(extra)
        })
    }

    /// Whether the options describe a pooling.
    pub(crate) fn hold(&self) -> bool {
        (0..2).all(|axis| {
            self.kernel[axis] > 0
                && self.stride[axis] > 0
                && self.padding[axis] <= self.kernel[axis] / 2
        })
    }

    /// Pixels of the input in window `at` of one axis.
    fn window(&self, axis: usize, at: usize, size: usize) -> std::ops::Range<usize> {
        let start = at * self.stride[axis];
        let end = start + self.kernel[axis];
        let padding = self.padding[axis];
        start.saturating_sub(padding)..end.saturating_sub(padding).min(size)
    }
}

/// Whether `value` takes the place of `best`: larger, or not a number.
#[inline(always)]
fn wins(value: f32, best: f32) -> bool {
    value > best || value.is_nan()
}

/// Largest values of the windows of `planes` planes of `size`.
pub(crate) fn forward(
    set: Instructions,
    x: &[f32],
    planes: usize,
    size: [usize; 2],
    options: &PoolOptions,
) -> Vec<f32> {
    let out = options.output_size(size);
    let mut output = buffers::take(planes * out[0] * out[1]);
    if output.is_empty() {
        return output;
    }
    output
        .par_chunks_mut(out[0] * out[1])
        .zip(x.par_chunks(size[0] * size[1]))
        .with_min_len(grain(size[0] * size[1]))
        .for_each(|(output, x)| forward_plane(set, output, x, size, out, options));
    output
}

/// Gradient with respect to x: each window's goes to its first largest value, row by row.
pub(crate) fn backward(
    set: Instructions,
    x: &[f32],
    planes: usize,
    size: [usize; 2],
    options: &PoolOptions,
    output_gradient: &[f32],
) -> Vec<f32> {
    let out = options.output_size(size);
    let mut gradient = buffers::take(planes * size[0] * size[1]);
    if gradient.is_empty() || out.contains(&0) {
        gradient.fill(0.0);
        return gradient;
    }
    gradient
        .par_chunks_mut(size[0] * size[1])
        .zip(x.par_chunks(size[0] * size[1]))
        .zip(output_gradient.par_chunks(out[0] * out[1]))
        .with_min_len(grain(size[0] * size[1]))
        .for_each(|((gradient, x), upstream)| {
            backward_plane(set, gradient, [x, upstream], size, out, options);
        });
    gradient
}

/// Values of a padded row that holds the row itself and `count` windows, each with a whole step from
/// each of its pixels on.
fn padded(options: &PoolOptions, width: usize, count: usize) -> usize {
    let windows = count * options.stride[1] + options.kernel[1];
    windows.max(options.padding[1] + width)
}

per_instruction_set! {
    fn forward_plane[](
        output: &mut [f32],
        x: &[f32],
        size: [usize; 2],
        out: [usize; 2],
        options: &PoolOptions,
    ) {
        let mut column = vec![f32::NEG_INFINITY; padded(options, size[1], out[1])];
        for (at, output) in output.chunks_exact_mut(out[1]).enumerate() {
            // Down the rows first, then along the row of the column maxima.
            let rows = options.window(0, at, size[0]);
            let inner = &mut column[options.padding[1]..][..size[1]];
            inner.copy_from_slice(&x[rows.start * size[1]..][..size[1]]);
            for row in rows.skip(1) {
                for (best, value) in inner.iter_mut().zip(&x[row * size[1]..][..size[1]]) {
                    *best = if wins(*value, *best) { *value } else { *best };
                }
            }
            output.fill(f32::NEG_INFINITY);
            for tap in 0..options.kernel[1] {
                let column = &column[tap..];
                match options.stride[1] {
                    1 => larger(output, column.as_chunks::<1>().0.iter().map(|step| step[0])),
                    2 => larger(output, column.as_chunks::<2>().0.iter().map(|step| step[0])),
                    stride => larger(output, column.iter().step_by(stride).copied()),
                }
            }
        }
    }
}

/// Takes one value of each window into the largest so far.
#[inline(always)]
fn larger(largest: &mut [f32], values: impl Iterator<Item = f32>) {
    for (largest, value) in largest.iter_mut().zip(values) {
        *largest = if wins(value, *largest) {
            value
        } else {
            *largest
        };
    }
}

per_instruction_set! {
    fn backward_plane[](
        gradient: &mut [f32],
        inputs: [&[f32]; 2],
        size: [usize; 2],
        out: [usize; 2],
        options: &PoolOptions,
    ) {
        let [x, upstream] = inputs;
        let width = padded(options, size[1], out[1]);
        // As forward: the largest value of each column and its row first, then along the row. The
        // padding stands below all rows, so that it never comes first.
        let mut column = vec![f32::NEG_INFINITY; width];
        let mut row_of = vec![u32::MAX; width];
        let (mut best, mut best_row) = (vec![0.0; out[1]], vec![0; out[1]]);
        let mut best_tap = vec![0u32; out[1]];
        gradient.fill(0.0);
        for (at, upstream) in upstream.chunks_exact(out[1]).enumerate() {
            let rows = options.window(0, at, size[0]);
            let inner = &mut column[options.padding[1]..][..size[1]];
            let inner_rows = &mut row_of[options.padding[1]..][..size[1]];
            inner.copy_from_slice(&x[rows.start * size[1]..][..size[1]]);
            inner_rows.fill(rows.start as u32);
            for row in rows.skip(1) {
                let values = &x[row * size[1]..][..size[1]];
                for ((best, place), value) in inner.iter_mut().zip(&mut *inner_rows).zip(values) {
                    let won = wins(*value, *best);
                    *best = if won { *value } else { *best };
                    *place = if won { row as u32 } else { *place };
                }
            }
            best.fill(f32::NEG_INFINITY);
            best_row.fill(u32::MAX);
            best_tap.fill(0);
            for tap in 0..options.kernel[1] {
                let places = (&mut best[..], &mut best_row[..], &mut best_tap[..]);
                let (column, row_of) = (&column[tap..], &row_of[tap..]);
                match options.stride[1] {
                    1 => {
                        let (column, row_of) = (column.as_chunks::<1>().0, row_of.as_chunks::<1>().0);
                        first_larger(places, tap, column.iter().zip(row_of).map(|(v, r)| (v[0], r[0])));
                    }
                    2 => {
                        let (column, row_of) = (column.as_chunks::<2>().0, row_of.as_chunks::<2>().0);
                        first_larger(places, tap, column.iter().zip(row_of).map(|(v, r)| (v[0], r[0])));
                    }
                    stride => {
                        let candidates = column.iter().zip(row_of).step_by(stride);
                        first_larger(places, tap, candidates.map(|(v, r)| (*v, *r)));
                    }
                }
            }
            for (at, (upstream, (row, tap))) in upstream.iter().zip(best_row.iter().zip(&best_tap)).enumerate() {
                let column = at * options.stride[1] + *tap as usize - options.padding[1];
                gradient[*row as usize * size[1] + column] += upstream;
            }
        }
    }
}

/// Takes one value of each window, its row and its tap, where it is larger than the largest so far or
/// as large and in an earlier row.
#[inline(always)]
fn first_larger(
    (best, best_row, best_tap): (&mut [f32], &mut [u32], &mut [u32]),
    tap: usize,
    candidates: impl Iterator<Item = (f32, u32)>,
) {
    let places = best.iter_mut().zip(best_row.iter_mut().zip(best_tap));
    for ((best, (best_row, best_tap)), (value, row)) in places.zip(candidates) {
        // Selected, not branched: half the branches would be mispredicted.
        let won = wins(value, *best) | ((value == *best) & (row < *best_row));
        *best = if won { value } else { *best };
        *best_row = if won { row } else { *best_row };
        *best_tap = if won { tap as u32 } else { *best_tap };
    }
}
