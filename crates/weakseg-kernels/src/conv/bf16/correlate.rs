//! Forward passes and input gradients.
//!
//! A stretch of the grid's row is rounded once by all threads, in the [`Order`] that its taps ask for, then multiplied
//! by all threads. Every output is summed by one task in one order, whatever the number of threads.
#![allow(unsafe_code)] // Tasks write disjoint parts of shared buffers; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::super::planes::Planes;
use super::super::transpose::transpose;
use super::grid::{Grid, Tap};
use super::order::{Order, TILE};
use super::weight::WeightSteps;
use crate::bf16::{Bf16, HALF, Line, Multiplier, Product, SIDE, STEP};
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
    let (depth, phases) = (planes.channels.div_ceil(STEP), grid.sources.len());
    let pairs = depth * phases * HALF;
    let stretch = (STRETCH / pairs).saturating_sub(grid.reach);
    let stretch = stretch
        .max(2 * grid.reach)
        .max(PLACES)
        .next_multiple_of(PLACES);
    let order = Order::of(grid);
    for first in (0..grid.length).step_by(stretch) {
        let places = first..grid.length.min(first + stretch);
        let window = places.len().next_multiple_of(SIDE) + grid.reach;
        with_buffers([pairs * window], |[rounded]| {
            order.round(bf16, grid, planes, first..first + window, rounded);
            let stretch = Stretch {
                grid,
                planes,
                weight,
                order,
                places,
                rounded,
                window,
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
    order: Order,
    /// Places of the destination.
    places: Range<usize>,
    /// Places of the source from the first of these on, and how many.
    rounded: &'a [f32],
    window: usize,
    /// Blocks of channels.
    depth: usize,
    set: Instructions,
}

/// What one task computes.
struct Task {
    /// Blocks of 32 destination channels.
    rows: Range<usize>,
    /// The first place, counted in the stretch, and places padded to whole blocks.
    first: usize,
    width: usize,
}

impl Task {
    /// From one row of sums to the next: an odd number of cache lines, so that rows share few places in the first
    /// cache.
    fn stride(&self) -> usize {
        self.width + HALF
    }
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
        let phases = self.grid.sources.len();
        let pass = DEPTH / (phases * HALF * (PLACES + self.grid.reach));
        let pass = pass.clamp(1, self.depth);
        let steps = self.steps(pass);
        (0..parts * groups).into_par_iter().for_each(|task| {
            let (rows, first) = (task / groups * part, task % groups * PLACES);
            let places = first..self.places.len().min(first + PLACES);
            let task = Task {
                rows: rows..blocks.min(rows + part),
                first,
                width: places.len().next_multiple_of(SIDE),
            };
            let block = SIDE * task.stride();
            with_buffers([task.rows.len() * block, block], |[sums, turned]| {
                let multiply = |multiplier: &Multiplier| {
                    for depth in (0..self.depth).step_by(pass) {
                        let depth = depth..self.depth.min(depth + pass);
                        self.add(multiplier, &task, depth, &steps, sums);
                    }
                };
                // SAFETY: the body only multiplies.
                unsafe { bf16.with_multiplier(multiply) };
                let places = self.places.start + places.start..self.places.start + places.end;
                let lines = self.grid.destination.lines(places);
                for (rows, sums) in task.rows.clone().zip(sums.chunks_exact(block)) {
                    let sums = match self.order {
                        Order::Rows => {
                            let (places, stride) = (task.width, task.stride());
                            transpose(self.set, sums, SIDE, places, SIDE, turned, stride);
                            &*turned
                        }
                        Order::Columns => sums,
                    };
                    let channels = rows * SIDE..self.planes.rows.min((rows + 1) * SIDE);
                    // SAFETY: the caller's contract; each task has its own channels and places.
                    unsafe { self.place(channels, &lines, sums, task.stride(), destination) };
                }
            });
        });
    }

    /// Where each step of a pass begins in the rows of a product, in bytes.
    fn steps(&self, pass: usize) -> Vec<usize> {
        let phases = self.grid.sources.len();
        let of_block = |block: usize| {
            self.grid.taps.iter().map(move |tap| match self.order {
                Order::Rows => {
                    let Tap { phase, offset } = *tap;
                    ((block * phases + phase) * self.window + offset) * HALF
                }
                Order::Columns => block * TILE,
            })
        };
        (0..pass)
            .flat_map(of_block)
            .map(|pair| pair * size_of::<u32>())
            .collect()
    }

    /// Adds the products with some blocks of channels to a task's sums, by blocks of destination channels; the first
    /// writes them.
    fn add(
        &self,
        multiplier: &Multiplier,
        task: &Task,
        depth: Range<usize>,
        steps: &[usize],
        sums: &mut [f32],
    ) {
        let (taps, phases) = (self.grid.taps.len(), self.grid.sources.len());
        let steps = &steps[..depth.len() * taps];
        let stride = task.stride();
        assert!(depth.end * phases * self.window * HALF <= self.rounded.len());
        assert!(task.first + task.width + self.grid.reach <= self.window);
        for (rows, sums) in (task.rows.clone()).zip(sums.chunks_exact_mut(SIDE * stride)) {
            let weights = [0, 1].map(|half| {
                let block = 2 * rows + half;
                self.weight.block(block, depth.start * taps, steps.len())
            });
            for at in (0..task.width).step_by(SIDE) {
                let place = task.first + at;
                let first = depth.start * phases * self.window + place;
                let places = [0, HALF].map(|half| {
                    let places = &self.rounded[(first + half) * HALF..];
                    places.as_ptr().cast()
                });
                let (a, b, b_step, out, out_stride) = match self.order {
                    Order::Rows => {
                        let out = &mut sums[at * SIDE..][..SIDE * SIDE];
                        (places, weights, TILE, out, SIDE)
                    }
                    Order::Columns => {
                        let out = &mut sums[at..][..(SIDE - 1) * stride + SIDE];
                        (weights, places, self.window * HALF, out, stride)
                    }
                };
                let (upper, lower) = out.split_at_mut(HALF * out_stride);
                let product = Product {
                    steps: steps.len(),
                    a,
                    a_stride: HALF * size_of::<u32>(),
                    a_steps: steps.as_ptr(),
                    b,
                    b_step: b_step * size_of::<u32>(),
                    out: [upper.as_mut_ptr(), lower.as_mut_ptr()],
                    out_stride,
                    add: depth.start > 0,
                };
                // SAFETY: the weight's blocks hold so many steps; the places of a block and of its taps lie in the
                // window and its channels in the buffer, just asserted or sliced, as the destination is.
                unsafe { multiplier.multiply(&product) };
            }
        }
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
        stride: usize,
        destination: Shared,
    ) {
        let pixels = self.planes.destination_size[0] * self.planes.destination_size[1];
        for (sums, channel) in sums.chunks_exact(stride).zip(channels) {
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
