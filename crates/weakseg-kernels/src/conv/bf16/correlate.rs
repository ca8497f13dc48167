//! Forward passes and input gradients.
//!
//! A stretch of the grid's row is rounded once by all threads, channels in pairs, then multiplied by
//! all threads: a tap reads the same values some places further. Every output is summed by one task
//! in one order, whatever the number of threads.
#![allow(unsafe_code)] // Tasks write disjoint parts of shared buffers; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::super::planes::Planes;
use super::grid::{Grid, Tap};
use super::weight::WeightSteps;
use crate::bf16::{Bf16, HALF, Line, Lines, Multiplier, Product, SIDE, STEP};
use crate::instructions::{Instructions, per_instruction_set};
use crate::norm::ChannelMap;
use crate::scratch::{Shared, with_buffers};

/// Pairs of a stretch.
const STRETCH: usize = 768 * 1024;
/// Places multiplied by one task.
const PLACES: usize = 512;
/// Destination channels of one task at most.
const ROWS: usize = 128;
/// Pairs that a task reads before it turns to the next channels: they stay in the second-level cache.
const DEPTH: usize = 160 * 1024;
/// Tasks wanted at least (fixed: the division does not depend on the threads).
const TASKS: usize = 16;
/// Channels' pairs rounded by one task.
const PAIRS: usize = 4;

/// Computes a correlation.
///
/// # Safety
///
/// `destination` must point to `[batch, rows, height, width]` values of `planes.destination_size`
/// that nobody else reads or writes meanwhile.
pub(super) unsafe fn correlate(
    set: Instructions,
    bf16: Bf16,
    grid: &Grid,
    planes: &Planes<'_>,
    weight: &WeightSteps,
    destination: Shared,
) {
    let depth = planes.channels.div_ceil(STEP);
    let phases = grid.sources.len();
    let pairs = depth * phases * HALF;
    let stretch = (STRETCH / pairs).saturating_sub(grid.reach);
    let stretch = stretch
        .max(2 * grid.reach)
        .max(PLACES)
        .next_multiple_of(PLACES);
    let pixels = planes.source_size[0] * planes.source_size[1];
    for first in (0..grid.length).step_by(stretch) {
        let places = first..grid.length.min(first + stretch);
        let width = places.len().next_multiple_of(SIDE);
        let window = first..first + width + grid.reach;
        // An odd number of cache lines: rows that lie powers of two apart share few places there.
        let row = (window.len().div_ceil(HALF) | 1) * HALF;
        with_buffers([pairs * row], |[rounded]| {
            let lines: Vec<Vec<Line>> = (grid.sources.iter())
                .map(|source| source.lines(window.clone()))
                .collect();
            (rounded.par_chunks_mut(PAIRS * row).enumerate()).for_each(|(chunk, to)| {
                for (at, to) in to.chunks_exact_mut(row).enumerate() {
                    let pair = chunk * PAIRS + at;
                    let phase = pair / HALF % phases;
                    let channel = 2 * (pair / HALF / phases * HALF + pair % HALF);
                    let lines = Lines {
                        lines: &lines[phase],
                        values: planes.source,
                        channels: planes.channels,
                        pixels,
                        step: grid.sources[phase].step[1],
                    };
                    let planes = [channel, channel + 1]
                        .map(|channel| (channel < planes.channels).then_some(channel));
                    assert!(window.len() <= to.len());
                    // SAFETY: the lines' places lie in the window, and the row holds so many.
                    unsafe { bf16.write_pairs(&lines, planes, to.as_mut_ptr().cast()) };
                }
            });
            let stretch = Stretch {
                grid,
                planes,
                weight,
                places,
                rounded,
                row,
                depth,
                set,
            };
            // SAFETY: the caller's contract.
            unsafe { stretch.multiply(bf16, destination) };
        });
    }
}

struct Stretch<'a> {
    grid: &'a Grid,
    planes: &'a Planes<'a>,
    weight: &'a WeightSteps,
    /// Places of the destination.
    places: Range<usize>,
    /// Pairs `[block of channels, phase, pair, place]` from the first of the places on.
    rounded: &'a [f32],
    row: usize,
    /// Blocks of channels.
    depth: usize,
    set: Instructions,
}

impl Stretch<'_> {
    /// # Safety
    ///
    /// As [`correlate`].
    unsafe fn multiply(&self, bf16: Bf16, destination: Shared) {
        let groups = self.places.len().div_ceil(PLACES);
        let blocks = self.planes.rows.div_ceil(SIDE);
        let mut part = ROWS / SIDE;
        while part > 1 && groups * blocks.div_ceil(part) < TASKS {
            part /= 2;
        }
        let parts = blocks.div_ceil(part);
        let (taps, phases) = (&self.grid.taps, self.grid.sources.len());
        let block = phases * HALF * self.row;
        let pass = DEPTH / (phases * HALF * (PLACES + self.grid.reach));
        let pass = pass.clamp(1, self.depth);
        let steps: Vec<usize> = (0..pass)
            .flat_map(|depth| {
                let at = move |tap: &Tap| tap.phase * HALF * self.row + tap.offset;
                taps.iter().map(move |tap| depth * block + at(tap))
            })
            .map(|pair| pair * size_of::<u32>())
            .collect();
        (0..parts * groups).into_par_iter().for_each(|task| {
            let (rows, group) = (task / groups * part, task % groups);
            let rows = rows..blocks.min(rows + part);
            let first = group * PLACES;
            let places = first..self.places.len().min(first + PLACES);
            let width = places.len().next_multiple_of(SIDE);
            with_buffers([rows.len() * SIDE * width], |[sums]| {
                let multiply = |multiplier: &Multiplier| {
                    for depth in (0..self.depth).step_by(pass) {
                        let some = pass.min(self.depth - depth);
                        let count = some * taps.len();
                        let last = (depth + some) * block;
                        assert!(last <= self.rounded.len() && count <= steps.len());
                        assert!(places.start + width + self.grid.reach <= self.row);
                        for (at, rows) in rows.clone().enumerate() {
                            let a = [0, 1].map(|half| {
                                self.weight
                                    .block(2 * rows + half, depth * taps.len(), count)
                            });
                            for column in (0..width).step_by(SIDE) {
                                let b = depth * block + places.start + column;
                                let out = &mut sums[at * SIDE * width + column..];
                                assert!(out.len() >= (SIDE - 1) * width + SIDE);
                                let product = Product {
                                    steps: count,
                                    a,
                                    a_stride: STEP * size_of::<u16>(),
                                    a_step: HALF * STEP * size_of::<u16>(),
                                    b: self.rounded[b..].as_ptr().cast(),
                                    b_half: HALF * size_of::<u32>(),
                                    b_stride: self.row * size_of::<u32>(),
                                    b_steps: steps.as_ptr(),
                                    out: out.as_mut_ptr(),
                                    out_stride: width,
                                    add: depth > 0,
                                };
                                // SAFETY: the weight's blocks hold `count` steps; the places of
                                // a block and its taps lie in the row and its channels in the
                                // buffer, just asserted, as the destination does.
                                unsafe { multiplier.multiply(&product) };
                            }
                        }
                    }
                };
                // SAFETY: the body only multiplies.
                unsafe { bf16.with_multiplier(multiply) };
                let places = self.places.start + places.start..self.places.start + places.end;
                let lines = self.grid.destination.lines(places);
                let channels = rows.start * SIDE..self.planes.rows.min(rows.end * SIDE);
                // SAFETY: the caller's contract; each task has its own channels and places.
                unsafe { self.place(channels, &lines, sums, width, destination) };
            });
        });
    }

    /// Writes sums to their pixels.
    ///
    /// # Safety
    ///
    /// As [`correlate`], for these channels and places.
    unsafe fn place(
        &self,
        channels: Range<usize>,
        lines: &[Line],
        sums: &[f32],
        width: usize,
        destination: Shared,
    ) {
        let pixels = self.planes.destination_size[0] * self.planes.destination_size[1];
        for (sums, channel) in sums.chunks_exact(width).zip(channels) {
            let ending = &self.planes.ending;
            let bias = ending.bias_of(channel);
            let map = ending.map_of(channel).unwrap_or(ChannelMap::SAME);
            let plane = Plane {
                destination,
                first: channel * pixels,
                image: self.planes.rows * pixels,
                step: self.grid.destination.step[1],
                shortcut: ending.shortcut,
            };
            // SAFETY: the caller's contract.
            unsafe { place_row(self.set, lines, sums, bias, map, &plane) };
        }
    }
}

/// One channel of all images of a destination.
struct Plane<'a> {
    destination: Shared,
    /// Where it begins in the first image, and from there to the next.
    first: usize,
    image: usize,
    /// Pixels between neighbours.
    step: usize,
    /// Of the destination's size, to be added.
    shortcut: Option<&'a [f32]>,
}

per_instruction_set! {
    /// Writes the sums of one channel to its pixels.
    ///
    /// # Safety
    ///
    /// As [`correlate`], for this channel and the pixels of these lines.
    unsafe fn place_row[](lines: &[Line], sums: &[f32], bias: f32, map: ChannelMap, plane: &Plane<'_>) {
        for line in lines {
            let Some((image, pixel)) = line.source else {
                continue;
            };
            let sums = &sums[line.at..][..line.count];
            let at = plane.first + image * plane.image + pixel;
            // SAFETY: the caller vouches for the pixels of the lines in this plane of the destination; of
            // those with a step, others may own the pixels between.
            unsafe {
                let to = plane.destination.get().add(at);
                if plane.step > 1 {
                    // An input gradient, behind which nothing is added.
                    assert!(plane.shortcut.is_none());
                    for (n, sum) in sums.iter().enumerate() {
                        *to.add(n * plane.step) = map.output(sum + bias);
                    }
                    continue;
                }
                let to = std::slice::from_raw_parts_mut(to, line.count);
                if let Some(shortcut) = plane.shortcut {
                    let shortcut = &shortcut[at..][..line.count];
                    for ((to, sum), shortcut) in to.iter_mut().zip(sums).zip(shortcut) {
                        *to = map.output_with(sum + bias, *shortcut);
                    }
                } else {
                    for (to, sum) in to.iter_mut().zip(sums) {
                        *to = map.output(sum + bias);
                    }
                }
            }
        }
    }
}
