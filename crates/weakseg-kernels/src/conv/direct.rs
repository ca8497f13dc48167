//! Correlations of stride 1, the shared body of the forward pass and the input gradient.
//!
//! A task is (image, group, block of output rows, block of output channels). It copies its part
//! of the source, padded, into a buffer that stays in the second-level cache, some channels at a
//! time, and computes blocks of a few output channels times a run of pixels. Pixels are counted
//! along the padded rows, so a run may cross rows; the few values between rows are computed and
//! dropped; where rows are whole runs they are computed one by one instead, straight into the
//! output. Every output is summed by one task in one order, whatever the number of threads.
#![allow(unsafe_code)] // Tasks write disjoint parts of one output; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::division::{Division, even_part};
use super::lattice::Correlation;
use super::planes::Planes;
use super::prefetch::prefetch;
use super::steps::{PIECE, Source, Step};
use crate::scratch::{Shared, with_buffers};
use crate::tile::{Block, RUN, SLACK, Start, Tiles};

/// Writes the pixels of this correlation, and no others, in all destination planes: those at
/// `correlation.place` + multiples of `correlation.spread`.
///
/// # Safety
///
/// `destination` must point to `[batch, groups * rows, height, width]` values of
/// `planes.destination_size` that nobody else reads or writes meanwhile.
pub(crate) unsafe fn correlate(
    tiles: &Tiles,
    planes: &Planes<'_>,
    correlation: &Correlation,
    packed: &[f32],
    destination: Shared,
) {
    let division = Division::new(tiles, planes, correlation);
    assert_eq!(
        planes.source.len(),
        planes.batch
            * planes.groups
            * planes.channels
            * planes.source_size.iter().product::<usize>(),
        "source size"
    );
    let offsets: Vec<u32> = (0..division.channels)
        .flat_map(|channel| {
            let division = &division;
            correlation.taps.iter().map(move |tap| {
                let row = tap.phase * division.height + tap.shift[0];
                (channel * division.plane + row * division.width + tap.shift[1]) as u32
            })
        })
        .collect();
    let tasks = planes.batch * planes.groups * division.row_blocks * division.parts;
    (0..tasks).into_par_iter().for_each(|index| {
        let task = Task {
            tiles,
            planes,
            correlation,
            division: &division,
            packed,
            offsets: &offsets,
            part: index % division.parts,
            first_row: index / division.parts % division.row_blocks * division.rows,
            group: index / (division.parts * division.row_blocks) % planes.groups,
            image: index / (division.parts * division.row_blocks * planes.groups),
        };
        // SAFETY: the caller's contract; each task has its own rows and channels.
        unsafe { task.run(destination) };
    });
}

/// Where a task's sums go: `lines` runs, one behind the other, in each row.
struct Sums {
    out: *mut f32,
    row_stride: usize,
    lines: usize,
    run: usize,
}

struct Task<'a> {
    tiles: &'a Tiles,
    planes: &'a Planes<'a>,
    correlation: &'a Correlation,
    division: &'a Division,
    packed: &'a [f32],
    offsets: &'a [u32],
    image: usize,
    group: usize,
    first_row: usize,
    part: usize,
}

impl Task<'_> {
    /// # Safety
    ///
    /// As [`correlate`], for the task's rows and channels.
    unsafe fn run(&self, destination: Shared) {
        let (planes, division, tiles) = (self.planes, self.division, self.tiles);
        let [extent_rows, extent_columns] = self.correlation.extent;
        let rows = division.rows.min(extent_rows - self.first_row);
        let pixels = if division.by_row {
            extent_columns
        } else {
            (rows - 1) * division.width + extent_columns
        };
        let run = pixels.next_multiple_of(RUN);
        let lines = if division.by_row { rows } else { 1 };
        let blocks = planes.rows.div_ceil(tiles.rows);
        let first_block = self.part * division.blocks;
        let blocks = first_block..blocks.min(first_block + division.blocks);
        let first_channel = blocks.start * tiles.rows;
        let outputs = (blocks.len() * tiles.rows).min(planes.rows - first_channel);

        // Where the runs are whole and a row of the destination is a row of the rectangle, the
        // sums go to their place without a buffer between.
        let plane = planes.destination_size[0] * planes.destination_size[1];
        let straight = run == pixels
            && outputs == blocks.len() * tiles.rows
            && self.correlation.spread == [1, 1]
            && self.correlation.place == [0, 0]
            && extent_columns == planes.destination_size[1]
            && (division.by_row || extent_columns == division.width);
        let base =
            ((self.image * planes.groups + self.group) * planes.rows + first_channel) * plane;
        let buffer = if straight {
            0
        } else {
            blocks.len() * tiles.rows * lines * run
        };
        let copied = division.channels * division.plane + SLACK;
        let in_place = division.in_place && self.readable_in_place(run);
        let copied = if in_place { 0 } else { copied };

        with_buffers([copied, buffer], |[copy, sums]| {
            let (out, row_stride) = if straight {
                // SAFETY: base + first_row * width lies in the destination (the
                // caller's contract), and no other task writes these rows of these planes.
                let start = unsafe {
                    destination
                        .get()
                        .add(base + self.first_row * extent_columns)
                };
                (start, plane)
            } else {
                (sums.as_mut_ptr(), lines * run)
            };
            let mut channel = 0;
            while channel < planes.channels {
                let channels = division.channels.min(planes.channels - channel);
                let from = if in_place {
                    let at = self.source_plane(channel) + self.first_row * division.width;
                    planes.source[at..].as_ptr()
                } else {
                    self.copy_source(channel, channels, rows, copy);
                    copy.as_ptr()
                };
                let source = Source {
                    from,
                    channels: channel..channel + channels,
                    in_place,
                };
                let sums = Sums {
                    out,
                    row_stride,
                    lines,
                    run,
                };
                // SAFETY: the copy holds these channels with slack behind, or they were found readable in place; the
                // sums have room for each line of each row, here or in the destination.
                unsafe { self.add_products(&source, blocks.clone(), &sums) };
                channel += channels;
            }
            if !straight {
                for output in 0..outputs {
                    let at = base + output * plane;
                    // SAFETY: the plane lies in the destination, and its pixels of these rows of
                    // this correlation are written by this task only.
                    let sums = &sums[output * lines * run..];
                    unsafe { self.place(sums, rows, destination.get().add(at)) };
                }
            }
            if planes.ending.maps.is_some() {
                let first_channel = self.group * planes.rows + first_channel;
                for output in 0..outputs {
                    // SAFETY: as above.
                    unsafe {
                        let at = base + output * plane;
                        self.follow(first_channel + output, at, rows, destination);
                    }
                }
            }
        });
    }

    /// Start of a source plane.
    fn source_plane(&self, channel: usize) -> usize {
        let planes = self.planes;
        ((self.image * planes.groups + self.group) * planes.channels + channel)
            * planes.source_size[0]
            * planes.source_size[1]
    }

    /// Whether a run from the task's first row on lies in the source for the last channel, and so for those before it.
    fn readable_in_place(&self, run: usize) -> bool {
        let last = self.source_plane(self.planes.channels - 1);
        last + self.first_row * self.division.width + run <= self.planes.source.len()
    }

    /// Copies the rows this task reads, padded with zeros: `[channel, phase, row, column]`.
    fn copy_source(&self, channel: usize, channels: usize, rows: usize, copy: &mut [f32]) {
        let division = self.division;
        let [height, width] = self.planes.source_size;
        let rows = rows + self.correlation.reach[0];
        for c in 0..channels {
            let start = self.source_plane(channel + c);
            let plane = &self.planes.source[start..start + height * width];
            for (phase_index, phase) in self.correlation.phases.iter().enumerate() {
                for row in 0..rows {
                    let at =
                        c * division.plane + (phase_index * division.height + row) * division.width;
                    let to = &mut copy[at..at + division.width];
                    let y = phase.start[0] + ((self.first_row + row) * phase.step[0]) as isize;
                    if y < 0 || y >= height as isize {
                        to.fill(0.0);
                    } else {
                        let from = &plane[y as usize * width..][..width];
                        copy_row(from, phase.start[1], phase.step[1], to);
                    }
                }
            }
        }
    }

    /// Adds the products of some source channels to the sums of the channel blocks.
    ///
    /// # Safety
    ///
    /// `source` must hold its channels as the division says, a run of each line readable at every tap's offset, and
    /// `sums` be writable for each line of each row of the blocks, by nobody else.
    unsafe fn add_products(&self, source: &Source, blocks: Range<usize>, sums: &Sums) {
        let steps = source.steps(sums.run);
        for (at, step) in steps.iter().enumerate() {
            for (row, block) in blocks.clone().enumerate() {
                if source.in_place
                    && let Some(next) = steps.get(at + 1)
                {
                    let some = even_part(next.channels.len(), blocks.len(), row);
                    self.fetch(source.from, next, some);
                }
                // SAFETY: the caller's contract; the step's pixels lie in each line's run.
                unsafe { self.add_block(source, step, block, row, sums) };
            }
        }
    }

    /// Asks for the pixels of some of a step's channels.
    fn fetch(&self, from: *const f32, step: &Step, some: Range<usize>) {
        let taps = self.correlation.taps.len();
        let channels = step.channels.start + some.start..step.channels.start + some.end;
        for offset in &self.offsets[channels.start * taps..channels.end * taps] {
            let from = from.wrapping_add(*offset as usize + step.pixels.start);
            // One line more than pixels fill, for they need not begin with one.
            for pixel in (0..=PIECE).step_by(RUN) {
                prefetch(from.wrapping_add(pixel));
            }
        }
    }

    /// Adds the products of a step to the sums of a block, which are those of the task's block number `at`.
    ///
    /// # Safety
    ///
    /// As [`Self::add_products`], for the step's pixels and the block's rows.
    unsafe fn add_block(&self, source: &Source, step: &Step, block: usize, at: usize, sums: &Sums) {
        let (tiles, planes) = (self.tiles, self.planes);
        let taps = self.correlation.taps.len();
        let offsets = &self.offsets[step.channels.start * taps..step.channels.end * taps];
        let channel = source.channels.start + step.channels.start;
        let mut first = [0.0; 16];
        let start = if channel == 0 {
            if let Some(bias) = planes.ending.bias {
                let from = block * tiles.rows;
                let until = planes.rows.min(from + tiles.rows);
                let bias = &bias[self.group * planes.rows..][from..until];
                first[..bias.len()].copy_from_slice(bias);
            }
            Start::From(&first)
        } else {
            Start::Destination
        };
        let column = planes.channels * taps * tiles.rows;
        let all_blocks = planes.rows.div_ceil(tiles.rows);
        let weights = &self.packed[(self.group * all_blocks + block) * column..][..column];
        let weights = &weights[channel * taps * tiles.rows..][..offsets.len() * tiles.rows];
        let row = at * tiles.rows * sums.row_stride;
        for line in 0..sums.lines {
            // SAFETY: weights hold a column for each offset (sliced); the caller vouches for source and sums.
            unsafe {
                tiles.run(
                    &Block {
                        depth: offsets.len(),
                        a: weights.as_ptr(),
                        b: source
                            .from
                            .add(line * self.division.width + step.pixels.start),
                        offsets: offsets.as_ptr(),
                        out: sums.out.add(row + line * sums.run + step.pixels.start),
                        row_stride: sums.row_stride,
                    },
                    step.pixels.len(),
                    start,
                );
            }
        }
    }

    /// Follows up what was written of one channel, whose plane begins at `at`.
    ///
    /// # Safety
    ///
    /// The plane must lie in the destination, and nobody else may use its pixels of this task's rows.
    unsafe fn follow(&self, channel: usize, at: usize, rows: usize, destination: Shared) {
        let (correlation, width) = (self.correlation, self.planes.destination_size[1]);
        assert_eq!(correlation.spread, [1, 1], "a forward pass");
        let whole = correlation.extent[1] == width;
        let (lines, count) = match whole {
            true => (1, rows * width),
            false => (rows, correlation.extent[1]),
        };
        for line in 0..lines {
            let y = correlation.place[0] + self.first_row + line;
            let at = at + y * width + correlation.place[1];
            // SAFETY: `count` pixels from `place` in this task's rows of the plane.
            let values =
                unsafe { std::slice::from_raw_parts_mut(destination.get().add(at), count) };
            self.planes
                .ending
                .follow(self.tiles.set, channel, at, values);
        }
    }

    /// Writes one channel's sums to their pixels.
    ///
    /// # Safety
    ///
    /// `plane` must be the start of a destination plane whose pixels of this task's rows nobody
    /// else writes.
    unsafe fn place(&self, sums: &[f32], rows: usize, plane: *mut f32) {
        let correlation = self.correlation;
        let width = self.planes.destination_size[1];
        for row in 0..rows {
            let line = if self.division.by_row {
                correlation.extent[1]
            } else {
                self.division.width
            };
            let from = &sums[row * line..][..correlation.extent[1]];
            let y = correlation.place[0] + (self.first_row + row) * correlation.spread[0];
            let at = y * width + correlation.place[1];
            if correlation.spread[1] == 1 {
                // SAFETY: `extent` columns from `place` lie in a row of the plane.
                unsafe {
                    std::ptr::copy_nonoverlapping(from.as_ptr(), plane.add(at), from.len());
                }
            } else {
                for (column, value) in from.iter().enumerate() {
                    // SAFETY: as above, `spread` apart.
                    unsafe { *plane.add(at + column * correlation.spread[1]) = *value };
                }
            }
        }
    }
}

/// `to[q] = from[start + q * step]`, zero outside.
fn copy_row(from: &[f32], start: isize, step: usize, to: &mut [f32]) {
    let before = (-start).max(0) as usize;
    let first = before.div_ceil(step).min(to.len());
    let end = (from.len() as isize - start).max(0) as usize;
    let last = end.div_ceil(step).clamp(first, to.len());
    to[..first].fill(0.0);
    to[last..].fill(0.0);
    if first == last {
        return;
    }
    let from = &from[(start + (first * step) as isize) as usize..];
    let to = &mut to[first..last];
    match step {
        1 => to.copy_from_slice(&from[..to.len()]),
        // Whole pairs, so that the copy is made of shuffles. The last pair may lack its second value.
        2 => {
            let pairs = from.as_chunks::<2>().0.iter();
            to.iter_mut()
                .zip(pairs)
                .for_each(|(to, [even, _])| *to = *even);
            to[last - first - 1] = from[2 * (last - first - 1)];
        }
        _ => to
            .iter_mut()
            .zip(from.iter().step_by(step))
            .for_each(|(to, from)| *to = *from),
    }
}
