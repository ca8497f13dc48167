//! Weight gradients.
//!
//! The gradient of one tap is the product of two matrices whose summed index runs along the grid's
//! row: the input some places further, `[input channel, place]`, and the output gradient, zero
//! between its pixels, `[place, output channel]`. A chunk of the row is rounded by all threads, then
//! every block of every tap's gradient adds the chunk's products.
#![allow(unsafe_code)] // Tasks write disjoint parts of shared buffers; see the SAFETY comments.

use rayon::prelude::*;

use super::super::shape::ConvShape;
use super::super::transpose::transpose;
use super::grid::{Grid, Tap};
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
    // SAFETY: the first chunk writes every block of every tap.
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
    // SAFETY: each task writes the weights of its own output channels.
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
    /// `sums` must hold a value for each tap and each of so many input and output channels, nobody else's meanwhile; if this is
    /// not the first chunk, they must have been written.
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
                // SAFETY: the caller's contract.
                unsafe { self.multiply(source, row, gradient, [inputs, outputs], sums) };
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
    unsafe fn multiply(
        &self,
        source: &[f32],
        row: usize,
        gradient: &[f32],
        [inputs, outputs]: [usize; 2],
        sums: Shared,
    ) {
        let taps = &self.grid.taps;
        let steps = self.places / STEP;
        let tile = HALF * HALF * size_of::<u32>();
        let b_steps: Vec<usize> = (0..steps).map(|step| step * tile).collect();
        let blocks = inputs / SIDE;
        (0..taps.len() * blocks).into_par_iter().for_each(|task| {
            let (at, block) = (task % taps.len(), task / taps.len());
            let Tap { phase, offset } = taps[at];
            assert!(offset + self.places <= 2 * row);
            let a = [0, HALF].map(|half| {
                let first = phase * inputs + block * SIDE + half;
                let rows = &source[first * row..][..HALF * row];
                rows.as_ptr().cast::<u16>().wrapping_add(offset).cast()
            });
            let multiply = |multiplier: &Multiplier| {
                for column in (0..outputs).step_by(SIDE) {
                    let b = &gradient[column * self.places / 2..][..SIDE * self.places / 2];
                    let at = (block * SIDE * taps.len() + at) * outputs + column;
                    // SAFETY: 16 rows of each half of `a` and both halves of `b` hold the places of
                    // the chunk; the block of sums is this task's (the caller's contract), and the first chunk's
                    // products are written, not added.
                    unsafe {
                        multiplier.multiply(&Product {
                            steps,
                            a,
                            a_stride: row * size_of::<u32>(),
                            a_step: STEP * size_of::<u16>(),
                            b: b.as_ptr().cast(),
                            b_half: HALF * self.places / 2 * size_of::<u32>(),
                            b_stride: HALF * size_of::<u32>(),
                            b_steps: b_steps.as_ptr(),
                            out: sums.get().add(at),
                            out_stride: taps.len() * outputs,
                            add: self.first > 0,
                        });
                    }
                }
            };
            // SAFETY: the body only multiplies.
            unsafe { self.bf16.with_multiplier(multiply) };
        });
    }
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
