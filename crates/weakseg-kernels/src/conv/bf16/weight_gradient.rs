//! Weight gradients.
//!
//! The gradient of one tap is the product of two matrices whose summed index runs along the grid's
//! row: the input some places further, `[input channel, place]`, and the output gradient, zero
//! between its pixels, `[place, output channel]`. A chunk of the row is rounded by all threads, then
//! every block of every tap's gradient adds the chunk's products; three taps of a block at a time, which read nearly
//! the same input and the same output gradient.
#![allow(unsafe_code)] // Tasks write disjoint parts of shared buffers; see the SAFETY comments.

use rayon::prelude::*;

use super::super::shape::ConvShape;
use super::super::transpose::transpose;
use super::grid::{Grid, Tap};
use super::order::TILE;
use crate::bf16::{Bf16, HALF, Line, Lines, Multiplier, Product, SIDE, STEP};
use crate::instructions::Instructions;
use crate::scratch::{Shared, Temporary, with_buffers, written_by};

/// Places of a chunk at least, and values of both operands: they stay in the second-level cache.
const PLACES: usize = 2048;
const VALUES: usize = 1 << 20;
/// Channels rounded by one task.
const CHANNELS: usize = 4;

/// Gradient of the weight `[O, I, KH, KW]`, on the forward pass's grid.
pub(super) fn weight_gradient(
    set: Instructions,
    bf16: Bf16,
    grid: &Grid,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    let taps = grid.taps.len();
    let inputs = shape.inputs.next_multiple_of(SIDE);
    let outputs = shape.outputs.next_multiple_of(SIDE);
    // SAFETY: a value for each tap and pair of padded channels, this pass's alone; the first chunk writes them all.
    let sums = unsafe {
        written_by(taps * inputs * outputs, |sums| {
            let chunk = (VALUES / (inputs + outputs))
                .next_multiple_of(STEP)
                .max(PLACES);
            for first in (0..grid.length).step_by(chunk) {
                let chunk = Chunk {
                    set,
                    bf16,
                    grid,
                    shape,
                    first,
                    places: (grid.length - first).min(chunk).next_multiple_of(STEP),
                };
                chunk.add(x, output_gradient, [inputs, outputs], sums);
            }
        })
    };
    let sums = Temporary::new(sums);
    // SAFETY: the gradient has the weight's size and is this pass's alone; each task writes the weights of its own
    // output channels, together all.
    unsafe {
        written_by(shape.weight_len(), |gradient| {
            place(set, shape, &sums, outputs, gradient);
        })
    }
}

struct Chunk<'a> {
    set: Instructions,
    bf16: Bf16,
    grid: &'a Grid,
    shape: &'a ConvShape,
    first: usize,
    /// A multiple of [`STEP`].
    places: usize,
}

impl Chunk<'_> {
    /// Adds its products to the sums, `[input channel, tap, output channel]`; the first writes them.
    ///
    /// # Safety
    ///
    /// `sums` must hold a value for each tap and each of so many input and output channels, nobody else's meanwhile; if
    /// this is not the first chunk, they must have been written.
    unsafe fn add(&self, x: &[f32], output_gradient: &[f32], channels: [usize; 2], sums: Shared) {
        let [inputs, outputs] = channels;
        let (grid, shape, places) = (self.grid, self.shape, self.places);
        let window = self.first..self.first + places + grid.reach;
        // Two values a place: rows of an odd number of cache lines.
        let row = (window.len().div_ceil(STEP) | 1) * HALF;
        with_buffers(
            [grid.sources.len() * inputs * row, outputs * places / 2],
            |[source, gradient]| {
                let lines: Vec<Vec<Line>> = (grid.sources.iter())
                    .map(|source| source.lines(window.clone()))
                    .collect();
                (source.par_chunks_mut(CHANNELS * row).enumerate()).for_each(|(chunk, to)| {
                    for (at, to) in to.chunks_exact_mut(row).enumerate() {
                        let phase = (chunk * CHANNELS + at) / inputs;
                        let channel = (chunk * CHANNELS + at) % inputs;
                        let plane = (channel < shape.inputs).then_some(channel);
                        let lines = Lines {
                            lines: &lines[phase],
                            values: x,
                            channels: shape.inputs,
                            pixels: shape.size[0] * shape.size[1],
                            step: grid.sources[phase].step[1],
                        };
                        assert!(window.len() <= 2 * to.len());
                        // SAFETY: the lines' places lie in the window, and the row holds so many.
                        unsafe {
                            self.bf16
                                .write_values(&lines, plane, to.as_mut_ptr().cast())
                        };
                    }
                });
                self.round_gradient(output_gradient, gradient);
                let operands = Operands {
                    source,
                    row,
                    gradient,
                    inputs,
                    outputs,
                    steps: (0..places / STEP)
                        .map(|step| step * STEP * size_of::<u16>())
                        .collect(),
                };
                // SAFETY: the caller's contract.
                unsafe { self.multiply(&operands, sums) };
            },
        );
    }

    /// Rounds the output gradient: `[block of 16 channels, pair of places, channel]`.
    fn round_gradient(&self, output_gradient: &[f32], to: &mut [f32]) {
        let (shape, places) = (self.shape, self.places);
        let lines = (self.grid.destination).lines(self.first..self.first + places);
        let lines = Lines {
            lines: &lines,
            values: output_gradient,
            channels: shape.outputs,
            pixels: shape.output_size[0] * shape.output_size[1],
            step: self.grid.destination.step[1],
        };
        let block = HALF * places / 2;
        (to.par_chunks_exact_mut(block).enumerate()).for_each(|(at, to)| {
            with_buffers([block], |[rows]| {
                for (row, rows) in rows.chunks_exact_mut(places / 2).enumerate() {
                    let channel = at * HALF + row;
                    let plane = (channel < shape.outputs).then_some(channel);
                    // SAFETY: the lines' places are those of the chunk, of which a row holds all.
                    unsafe {
                        self.bf16
                            .write_values(&lines, plane, rows.as_mut_ptr().cast())
                    };
                }
                transpose(self.set, rows, places / 2, HALF, places / 2, to, HALF);
            });
        });
    }

    /// # Safety
    ///
    /// As [`add`](Self::add).
    unsafe fn multiply(&self, operands: &Operands<'_>, sums: Shared) {
        let taps = self.grid.taps.len();
        // All taps of 16 channels, then of the next 16: neighbours read nearly the same values.
        let all: Vec<usize> = (0..2 * taps).collect();
        let parts = in_threes(&all);
        (0..operands.inputs / SIDE * parts.len())
            .into_par_iter()
            .for_each(|task| {
                let (block, part) = (task / parts.len() * SIDE, parts[task % parts.len()]);
                let rows = |at: usize| Rows {
                    channel: block + at / taps * HALF,
                    tap: at % taps,
                };
                let multiply = |multiplier: &Multiplier| {
                    // SAFETY: the caller's contract; each task has its own channels and taps.
                    unsafe {
                        match *part {
                            [a, b] => self.add_rows(multiplier, operands, [a, b].map(rows), sums),
                            [a, b, c] => {
                                self.add_rows(multiplier, operands, [a, b, c].map(rows), sums);
                            }
                            _ => unreachable!("parts of two or three"),
                        }
                    }
                };
                // SAFETY: the body only multiplies.
                unsafe { self.bf16.with_multiplier(multiply) };
            });
    }

    /// Adds the products of some rows with all output channels.
    ///
    /// # Safety
    ///
    /// As [`add`](Self::add), for the sums of these rows.
    unsafe fn add_rows<const N: usize>(
        &self,
        multiplier: &Multiplier,
        operands: &Operands<'_>,
        rows: [Rows; N],
        sums: Shared,
    ) {
        let taps = &self.grid.taps;
        let &Operands {
            row,
            inputs,
            outputs,
            ref steps,
            ..
        } = operands;
        let a = rows.map(|Rows { channel, tap }| {
            let Tap { phase, offset } = taps[tap];
            assert!(offset + self.places <= 2 * row);
            let rows = &operands.source[(phase * inputs + channel) * row..][..HALF * row];
            rows.as_ptr().cast::<u16>().wrapping_add(offset).cast()
        });
        for column in (0..outputs).step_by(SIDE) {
            let b = [0, HALF].map(|half| {
                let block = (column + half) * self.places / 2;
                let block = &operands.gradient[block..][..HALF * self.places / 2];
                block.as_ptr().cast()
            });
            // SAFETY: 16 rows of each block of `a` and both halves of `b` hold the places of the chunk; the sums of
            // these rows lie in the buffer and are the caller's, and the first chunk's products are written, not added.
            unsafe {
                multiplier.multiply(&Product {
                    steps: steps.len(),
                    a,
                    a_stride: row * size_of::<u32>(),
                    a_steps: steps.as_ptr(),
                    b,
                    b_step: TILE * size_of::<u32>(),
                    out: rows.map(|Rows { channel, tap }| {
                        (sums.get()).add((channel * taps.len() + tap) * outputs + column)
                    }),
                    out_stride: taps.len() * outputs,
                    add: self.first > 0,
                });
            }
        }
    }
}

/// What is multiplied of a chunk.
struct Operands<'a> {
    /// Rounded input `[phase, input channel, place]` in rows of so many pairs.
    source: &'a [f32],
    row: usize,
    /// Rounded output gradient `[block of 16 output channels, pair of places, channel]`.
    gradient: &'a [f32],
    /// Channels with those that are zero.
    inputs: usize,
    outputs: usize,
    /// Where the places of each step begin in a row, in bytes.
    steps: Vec<usize>,
}

/// Rows of a product: 16 input channels from one on, as a tap reads them.
#[derive(Clone, Copy)]
struct Rows {
    channel: usize,
    tap: usize,
}

/// An even number of things in threes and, where that leaves some, twos.
fn in_threes<T>(mut things: &[T]) -> Vec<&[T]> {
    let mut parts = Vec::new();
    while !things.is_empty() {
        let part = if matches!(things.len(), 2 | 4) { 2 } else { 3 };
        let (first, rest) = things.split_at(part);
        parts.push(first);
        things = rest;
    }
    parts
}

/// Writes sums `[input channel, tap, output channel]` to the weight's gradient.
///
/// # Safety
///
/// `gradient` must hold the whole weight, nobody else's meanwhile.
unsafe fn place(
    set: Instructions,
    shape: &ConvShape,
    sums: &[f32],
    outputs: usize,
    gradient: Shared,
) {
    let row = shape.inputs * shape.taps();
    (0..shape.outputs.div_ceil(HALF))
        .into_par_iter()
        .for_each(|block| {
            let first = block * HALF;
            let rows = HALF.min(shape.outputs - first);
            // SAFETY: the rows of the weight are those of this task's output channels.
            let to = unsafe {
                std::slice::from_raw_parts_mut(gradient.get().add(first * row), rows * row)
            };
            transpose(set, &sums[first..], outputs, row, rows, to, row);
        });
}
