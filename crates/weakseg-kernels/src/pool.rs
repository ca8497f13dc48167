//! Max pooling of f32 planes.

use rayon::prelude::*;

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
                return 0;
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
    x: &[f32],
    planes: usize,
    size: [usize; 2],
    options: &PoolOptions,
) -> Vec<f32> {
    let out = options.output_size(size);
    let mut output = vec![0.0; planes * out[0] * out[1]];
    if output.is_empty() {
        return output;
    }
    output
        .par_chunks_mut(out[0] * out[1])
        .zip(x.par_chunks(size[0] * size[1]))
        .for_each(|(output, x)| {
            let mut column = vec![0.0; size[1]];
            for (at, output) in output.chunks_exact_mut(out[1]).enumerate() {
                // Down the rows first, then along the row of the column maxima.
                let rows = options.window(0, at, size[0]);
                column.copy_from_slice(&x[rows.start * size[1]..][..size[1]]);
                for row in rows.skip(1) {
                    for (best, value) in column.iter_mut().zip(&x[row * size[1]..][..size[1]]) {
                        *best = if wins(*value, *best) { *value } else { *best };
                    }
                }
                let pairs = options.kernel[1] == 2 && options.stride[1] == 2;
                if pairs && options.padding[1] == 0 && !options.ceil {
                    for (output, pair) in output.iter_mut().zip(column.chunks_exact(2)) {
                        *output = if wins(pair[1], pair[0]) {
                            pair[1]
                        } else {
                            pair[0]
                        };
                    }
                    continue;
                }
                for (at, output) in output.iter_mut().enumerate() {
                    let window = &column[options.window(1, at, size[1])];
                    let first = window[0];
                    let larger = |best, value: &f32| if wins(*value, best) { *value } else { best };
                    *output = window[1..].iter().fold(first, larger);
                }
            }
        });
    output
}

/// Gradient with respect to x: each window's goes to its first largest value, row by row.
pub(crate) fn backward(
    x: &[f32],
    planes: usize,
    size: [usize; 2],
    options: &PoolOptions,
    output_gradient: &[f32],
) -> Vec<f32> {
    let out = options.output_size(size);
    let mut gradient = vec![0.0; planes * size[0] * size[1]];
    if gradient.is_empty() || out.contains(&0) {
        return gradient;
    }
    gradient
        .par_chunks_mut(size[0] * size[1])
        .zip(x.par_chunks(size[0] * size[1]))
        .zip(output_gradient.par_chunks(out[0] * out[1]))
        .for_each(|((gradient, x), upstream)| {
            // As forward: the largest value of each column and its row first, then along the row.
            let mut column = vec![0.0; size[1]];
            let mut row_of = vec![0u32; size[1]];
            for (at, upstream) in upstream.chunks_exact(out[1]).enumerate() {
                let rows = options.window(0, at, size[0]);
                column.copy_from_slice(&x[rows.start * size[1]..][..size[1]]);
                row_of.fill(rows.start as u32);
                for row in rows.skip(1) {
                    let values = &x[row * size[1]..][..size[1]];
                    for ((best, place), value) in column.iter_mut().zip(&mut row_of).zip(values) {
                        let won = wins(*value, *best);
                        *best = if won { *value } else { *best };
                        *place = if won { row as u32 } else { *place };
                    }
                }
                for (at, upstream) in upstream.iter().enumerate() {
                    let columns = options.window(1, at, size[1]);
                    let mut best = columns.start;
                    for at in columns.skip(1) {
                        let earlier = (column[at] == column[best]) & (row_of[at] < row_of[best]);
                        // Selected, not branched: half the branches would be mispredicted.
                        best = if wins(column[at], column[best]) | earlier {
                            at
                        } else {
                            best
                        };
                    }
                    gradient[row_of[best] as usize * size[1] + best] += upstream;
                }
            }
        });
    gradient
}
