//! Weight gradient as dot products of planes: no operand is transposed.
//!
//! The gradient of one tap is, for each output and input channel, the dot product of the output
//! gradient's plane with the input's plane at the tap's shift, over the pixels where the tap lies
//! inside the input. Taps of a far dilation cost what lies inside, not the whole map.
//!
//! A task is (tap, part of the output channels, part of the input channels, chunk of the pixels).
//! Where whole planes are read (1x1) and are whole runs, they are read where they lie; otherwise
//! the pixels are gathered into rows, zeros behind the last. The chunks, whose number depends on
//! the sizes alone, are added in order.
#![allow(unsafe_code)] // Tasks write disjoint parts of one gradient; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::division::even_part;
use super::rows::Rows;
use super::shape::ConvShape;
use crate::scratch::{Shared, with_buffers, written_or_zero};
use crate::tile::{COLUMNS, Dots, MOST_ROWS, RUN, Tiles};

/// Pixels summed at a time: a block's rows of the output gradient stay in the first-level cache.
const PIXELS: usize = 1024;
/// Channels of one task, out and in: the pixels of both stay in the second-level cache.
const CHANNELS: usize = 96;
/// Tasks wanted at least (fixed: the division does not depend on the threads).
const TASKS: usize = 16;

/// Whether this is the way to the weight gradient: single taps, and kernels of which more than a
/// quarter lies outside the input. Elsewhere the taps share what is laid out once.
pub(super) fn serves(shape: &ConvShape) -> bool {
    let all = shape.taps() * shape.output_size[0] * shape.output_size[1];
    let inside: usize = Tap::all(shape).iter().map(Tap::pixels).sum();
    shape.options.groups == 1 && (shape.taps() == 1 || 4 * inside < 3 * all)
}

/// Gradient of the weight `[O, I, KH, KW]`, groups 1.
pub(super) fn weight_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    assert_eq!(shape.options.groups, 1, "groups");
    assert_eq!(x.len(), shape.input_len(), "input size");
    assert_eq!(
        output_gradient.len(),
        shape.output_len(),
        "output gradient size"
    );
    let taps: Vec<Tap> = Tap::all(shape)
        .into_iter()
        .filter(|tap| tap.pixels() > 0)
        .collect();
    let fill = |gradient: Shared| {
        // SAFETY: the gradient has the weight's size and is this pass's alone.
        unsafe { write_taps(tiles, shape, x, output_gradient, &taps, gradient) };
    };
    // Taps that lie outside everywhere keep the zero.
    let all = taps.len() == shape.taps();
    // SAFETY: every tap that lies inside somewhere is written, for each pair of channels.
    unsafe { written_or_zero(shape.weight_len(), all, fill) }
}

/// Writes the gradients of some taps to their places in the weight.
///
/// # Safety
///
/// `destination` must hold the whole weight, nobody else's meanwhile.
unsafe fn write_taps(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
    taps: &[Tap],
    destination: Shared,
) {
    let (output_parts, input_parts) = (
        shape.outputs.div_ceil(CHANNELS),
        shape.inputs.div_ceil(CHANNELS),
    );
    let parts = taps.len() * output_parts * input_parts;
    let part = |index: usize| {
        let input_part = index % input_parts;
        let output_part = index / input_parts % output_parts;
        Part {
            tiles,
            shape,
            x,
            output_gradient,
            tap: &taps[index / (input_parts * output_parts)],
            outputs: whole_part(shape.outputs, tiles.dot_rows(), output_parts, output_part),
            inputs: whole_part(shape.inputs, COLUMNS, input_parts, input_part),
        }
    };
    let chunks = TASKS.div_ceil(parts.max(1));
    if chunks == 1 {
        (0..parts).into_par_iter().for_each(|index| {
            let part = part(index);
            with_buffers([part.len()], |[sums]| {
                part.run(0, 1, sums);
                // SAFETY: the caller's contract; each part is its own tap, output and input channels of the weight.
                unsafe { part.place(&[sums], destination.get()) };
            });
        });
    } else {
        let partial: Vec<Vec<f32>> = (0..parts * chunks)
            .into_par_iter()
            .map(|index| {
                let part = part(index / chunks);
                let mut sums = vec![0.0; part.len()];
                part.run(index % chunks, chunks, &mut sums);
                sums
            })
            .collect();
        for (index, partial) in partial.chunks_exact(chunks).enumerate() {
            let partial: Vec<&[f32]> = partial.iter().map(Vec::as_slice).collect();
            // SAFETY: as above, and one after the other.
            unsafe { part(index).place(&partial, destination.get()) };
        }
    }
}

/// As [`even_part`], in units of `unit`.
fn whole_part(total: usize, unit: usize, parts: usize, at: usize) -> Range<usize> {
    let units = even_part(total.div_ceil(unit), parts, at);
    units.start * unit..total.min(units.end * unit)
}

/// One tap: the outputs whose input lies inside, and where in the input the first of them reads.
struct Tap {
    /// Place in the kernel.
    weight: usize,
    outputs: [Range<usize>; 2],
    first: [usize; 2],
}

impl Tap {
    fn all(shape: &ConvShape) -> Vec<Self> {
        (0..shape.taps())
            .map(|weight| {
                let at = [weight / shape.kernel[1], weight % shape.kernel[1]];
                let inside: [_; 2] = std::array::from_fn(|axis| shape.inside(axis, at[axis]));
                Self {
                    weight,
                    outputs: std::array::from_fn(|axis| inside[axis].0.clone()),
                    first: std::array::from_fn(|axis| inside[axis].1),
                }
            })
            .collect()
    }

    /// Outputs of one image.
    fn pixels(&self) -> usize {
        self.outputs[0].len() * self.outputs[1].len()
    }
}

/// Some rows and columns of one tap's gradient.
struct Part<'a> {
    tiles: &'a Tiles,
    shape: &'a ConvShape,
    x: &'a [f32],
    output_gradient: &'a [f32],
    tap: &'a Tap,
    outputs: Range<usize>,
    inputs: Range<usize>,
}

impl Part<'_> {
    /// Values of the sums: `[output channel, input channel]`, the latter rounded up.
    fn len(&self) -> usize {
        self.outputs.len() * self.row()
    }

    fn row(&self) -> usize {
        self.inputs.len().next_multiple_of(COLUMNS)
    }

    /// Whether the tap reads whole planes as they are: nothing left out, shifted or stepped over.
    fn reads_planes(&self) -> bool {
        let shape = self.shape;
        let pixels = shape.output_size[0] * shape.output_size[1];
        // A stride along an axis of one pixel steps over nothing and leaves the size as it is, and yet is no step of 1.
        self.tap.pixels() == pixels
            && shape.size == shape.output_size
            && self.tap.first == [0, 0]
            && shape.options.stride == [1, 1]
    }

    /// Sums chunk `at` of `chunks` of the pixels.
    fn run(&self, at: usize, chunks: usize, sums: &mut [f32]) {
        sums.fill(0.0);
        let shape = self.shape;
        let plane = shape.output_size[0] * shape.output_size[1];
        // The planes serve as they lie if they are whole runs and no column of a block is missing.
        if self.reads_planes()
            && plane.is_multiple_of(RUN)
            && self.inputs.len().is_multiple_of(COLUMNS)
        {
            let pieces = plane.div_ceil(PIXELS);
            let piece = plane.div_ceil(pieces).next_multiple_of(RUN);
            let pieces = plane.div_ceil(piece);
            for unit in even_part(shape.batch * pieces, chunks, at) {
                let (image, first) = (unit / pieces, unit % pieces * piece);
                let a = (image * shape.outputs + self.outputs.start) * plane + first;
                let b = (image * shape.inputs + self.inputs.start) * plane + first;
                let length = piece.min(plane - first);
                self.add(
                    &Operands {
                        values: &self.output_gradient[a..],
                        stride: plane,
                    },
                    &Operands {
                        values: &self.x[b..],
                        stride: plane,
                    },
                    length,
                    sums,
                );
            }
            return;
        }
        let pixels = self.tap.pixels() * shape.batch;
        let range = even_part(pixels.div_ceil(RUN), chunks, at);
        let range = range.start * RUN..pixels.min(range.end * RUN);
        let lengths = [self.outputs.len(), self.row()].map(|rows| rows * PIXELS);
        with_buffers(lengths, |[a, b]| {
            for first in range.clone().step_by(PIXELS) {
                let pixels = first..range.end.min(first + PIXELS);
                let length = pixels.len().next_multiple_of(RUN);
                self.gather(pixels, length, a, b);
                let rows = |values| Operands {
                    values,
                    stride: length,
                };
                self.add(&rows(a), &rows(b), length, sums);
            }
        });
    }

    /// Copies some of the tap's pixels, counted over images and rows: `[channel, pixel]`.
    fn gather(&self, pixels: Range<usize>, length: usize, a: &mut [f32], b: &mut [f32]) {
        let (shape, tap) = (self.shape, self.tap);
        // Whole planes are lines of their own.
        let [rows, columns] = match self.reads_planes() {
            true => [1, tap.pixels()],
            false => [0, 1].map(|axis| tap.outputs[axis].len()),
        };
        let planes = [shape.output_size, shape.size].map(|[height, width]| height * width);
        let end = pixels.len();
        for (buffer, channels) in [(&mut *a, self.outputs.len()), (&mut *b, self.row())] {
            for row in buffer[..channels * length].chunks_exact_mut(length) {
                row[end..].fill(0.0);
            }
        }
        b[self.inputs.len() * length..self.row() * length].fill(0.0);
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (line, column) = (pixel / columns, pixel % columns);
            let (image, row) = (line / rows, line % rows);
            let count = (columns - column).min(pixels.end - pixel);
            let to = pixel - pixels.start;
            let from =
                (tap.outputs[0].start + row) * shape.output_size[1] + tap.outputs[1].start + column;
            let first = (image * shape.outputs + self.outputs.start) * planes[0] + from;
            let outputs = Rows {
                rows: self.outputs.len(),
                count,
                step: 1,
                from_stride: planes[0],
                to_stride: length,
            };
            outputs.copy(self.tiles, &self.output_gradient[first..], &mut a[to..]);
            let stride = shape.options.stride;
            let from = (tap.first[0] + row * stride[0]) * shape.size[1]
                + tap.first[1]
                + column * stride[1];
            let first = (image * shape.inputs + self.inputs.start) * planes[1] + from;
            let inputs = Rows {
                rows: self.inputs.len(),
                count,
                step: stride[1],
                from_stride: planes[1],
                to_stride: length,
            };
            inputs.copy(self.tiles, &self.x[first..], &mut b[to..]);
            pixel += count;
        }
    }

    /// Adds the products of `length` pixels to the sums.
    fn add(&self, a: &Operands<'_>, b: &Operands<'_>, length: usize, sums: &mut [f32]) {
        let row = self.row();
        let mut out = [[0.0; COLUMNS]; MOST_ROWS];
        for first in (0..self.outputs.len()).step_by(self.tiles.dot_rows()) {
            let rows = self.tiles.dot_rows().min(self.outputs.len() - first);
            assert!(a.hold(first + rows, length) && b.hold(row, length));
            for column in (0..row).step_by(COLUMNS) {
                let dots = Dots {
                    length,
                    a: a.values[first * a.stride..].as_ptr(),
                    a_stride: a.stride,
                    b: b.values[column * b.stride..].as_ptr(),
                    b_stride: b.stride,
                };
                // SAFETY: both hold `length` values in each of their rows, just asserted.
                unsafe { self.tiles.dots(&dots, &mut out[..rows]) };
                for (r, out) in out[..rows].iter().enumerate() {
                    let sums = &mut sums[(first + r) * row + column..][..COLUMNS];
                    for (sum, value) in sums.iter_mut().zip(out) {
                        *sum += value;
                    }
                }
            }
        }
    }

    /// Writes the totals of some sums to their places in the weight.
    ///
    /// # Safety
    ///
    /// `gradient` must hold the whole weight, and nobody else may write this part of it.
    unsafe fn place(&self, sums: &[&[f32]], gradient: *mut f32) {
        let taps = self.shape.taps();
        for (r, output) in self.outputs.clone().enumerate() {
            if let ([sums], 1) = (sums, taps) {
                let from = &sums[r * self.row()..][..self.inputs.len()];
                let to = output * self.shape.inputs + self.inputs.start;
                // SAFETY: a part of a row of the weight.
                unsafe {
                    gradient
                        .add(to)
                        .copy_from_nonoverlapping(from.as_ptr(), from.len());
                }
                continue;
            }
            for (c, input) in self.inputs.clone().enumerate() {
                let at = r * self.row() + c;
                let total: f32 = sums[1..].iter().fold(sums[0][at], |sum, s| sum + s[at]);
                let to = (output * self.shape.inputs + input) * taps + self.tap.weight;
                // SAFETY: output, input and tap are within the weight.
                unsafe { *gradient.add(to) = total };
            }
        }
    }
}

/// Operands of dot products, `stride` apart.
struct Operands<'a> {
    values: &'a [f32],
    stride: usize,
}

impl Operands<'_> {
    /// Whether there are `rows` rows of `length` values.
    fn hold(&self, rows: usize, length: usize) -> bool {
        (rows - 1) * self.stride + length <= self.values.len()
    }
}
