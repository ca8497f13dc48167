//! Correlations as matrix products over gathered panels.
//!
//! The pixels of all images are counted in one row and cut into panels; for each source channel
//! and tap a panel holds the values that its pixels read, one behind the other (what im2col
//! writes, some pixels at a time). No pixel is computed for nothing, so small maps, whose padded
//! rows are mostly padding in [`super::direct`], and rectangles cut out of a map come out ahead;
//! and the products read memory in order.
//!
//! A stretch of pixels is gathered by all threads, then multiplied by all threads. Every output
//! is summed by one task in one order, whatever the number of threads.
#![allow(unsafe_code)] // Tasks write disjoint parts of shared buffers; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::division::even_part;
use super::lattice::{Correlation, Phase};
use super::planes::Planes;
use super::rows::Rows;
use crate::scratch::{Shared, with_buffers};
use crate::tile::{Block, RUN, SLACK, Start, Tiles};

/// Pixels of a panel: the widest block of every instruction set divides it.
const PANEL: usize = 48;
/// Summands of one pass over a panel: the packed weights of a block stay in the first level.
const DEPTH: usize = 192;
/// Gathered values at a time.
const GATHERED: usize = 640 * 1024;
/// Panels multiplied by one task, which stay in the second-level cache.
const TASK_PANELS: usize = 5;
/// Destination channels of one task.
const TASK_ROWS: usize = 128;

/// Whether panels are the better way for a correlation.
pub(super) fn serve(planes: &Planes<'_>, correlation: &Correlation) -> bool {
    let taps = correlation.taps.len();
    let depth = planes.channels * taps;
    if planes.groups > 1 || planes.rows < 64 || depth < 256 {
        return false;
    }
    let [rows, columns] = correlation.extent;
    let pixels = rows * columns;
    if taps == 1 || correlation.reach == [0, 0] {
        return pixels < 1024;
    }
    // What the direct kernel computes of an image, the pixels between the rows included.
    let padded = (rows - 1) * (columns + correlation.reach[1]) + columns;
    5 * pixels < 4 * padded.next_multiple_of(RUN)
}

/// As [`super::direct::correlate`], for one group.
///
/// # Safety
///
/// `destination` must point to `[batch, rows, height, width]` values of
/// `planes.destination_size` that nobody else reads or writes meanwhile.
pub(super) unsafe fn correlate(
    tiles: &Tiles,
    planes: &Planes<'_>,
    correlation: &Correlation,
    packed: &[f32],
    destination: Shared,
) {
    assert_eq!(planes.groups, 1, "groups");
    if planes.ending.maps.is_some() {
        assert_eq!(correlation.spread, [1, 1], "a forward pass");
    }
    let source_plane = planes.source_size[0] * planes.source_size[1];
    assert_eq!(
        planes.source.len(),
        planes.batch * planes.channels * source_plane,
        "source size"
    );
    let product = Product::new(tiles, planes, correlation, packed);
    let pixels = product.lines.count * product.lines.length;
    let stretch = (GATHERED / product.depth / PANEL).max(4) * PANEL;
    for first in (0..pixels).step_by(stretch) {
        let stretch = first..pixels.min(first + stretch);
        let panels = stretch.len().div_ceil(PANEL);
        with_buffers([panels * PANEL * product.depth + SLACK], |[gathered]| {
            let shared = Shared::new(gathered);
            let passes = product.passes.len();
            (0..passes * panels).into_par_iter().for_each(|index| {
                let (pass, panel) = (&product.passes[index / panels], index % panels);
                let at = panels * PANEL * pass.depth(&product).0
                    + panel * PANEL * pass.depth(&product).1;
                let length = pass.depth(&product).1 * PANEL;
                // SAFETY: the buffer holds `panels` panels of all passes, one pass behind the
                // other, and this panel of this pass is this task's alone.
                let to = unsafe { std::slice::from_raw_parts_mut(shared.get().add(at), length) };
                let first = stretch.start + panel * PANEL;
                product.gather(pass, first..stretch.end.min(first + PANEL), to);
            });
            let gathered = &*gathered;
            let groups = panels.div_ceil(TASK_PANELS);
            (0..product.parts * groups)
                .into_par_iter()
                .for_each(|index| {
                    let part = index / groups;
                    let group = index % groups;
                    let some = even_part(panels, groups, group);
                    // SAFETY: the caller's contract; each task has its own channels and pixels.
                    unsafe {
                        product.multiply(part, some, &stretch, gathered, panels, destination);
                    }
                });
        });
    }
}

/// Source channels of one pass over the panels.
struct Pass {
    channels: Range<usize>,
}

impl Pass {
    /// Summands before this pass, and its own.
    fn depth(&self, product: &Product<'_>) -> (usize, usize) {
        let taps = product.correlation.taps.len();
        (self.channels.start * taps, self.channels.len() * taps)
    }
}

/// Stretches of pixels that lie one behind the other in source and destination.
struct Lines {
    count: usize,
    length: usize,
    /// Lines of one image.
    per_image: usize,
    /// They are whole planes.
    planes: bool,
}

struct Product<'a> {
    tiles: &'a Tiles,
    planes: &'a Planes<'a>,
    correlation: &'a Correlation,
    packed: &'a [f32],
    /// Source channels times taps.
    depth: usize,
    passes: Vec<Pass>,
    lines: Lines,
    /// Tasks' parts of the blocks of destination channels.
    parts: usize,
    offsets: Vec<u32>,
}

impl<'a> Product<'a> {
    fn new(
        tiles: &'a Tiles,
        planes: &'a Planes<'a>,
        correlation: &'a Correlation,
        packed: &'a [f32],
    ) -> Self {
        let taps = correlation.taps.len();
        let passes = planes.channels.div_ceil((DEPTH / taps).max(1));
        let passes: Vec<Pass> = (0..passes)
            .map(|pass| Pass {
                channels: even_part(planes.channels, passes, pass),
            })
            .collect();
        let deepest = passes.iter().map(|p| p.channels.len()).max().unwrap_or(0) * taps;
        let [rows, columns] = correlation.extent;
        let whole = correlation.reads_planes(planes.source_size)
            && correlation.extent == planes.destination_size;
        let lines = if whole {
            Lines {
                count: planes.batch,
                length: rows * columns,
                per_image: 1,
                planes: true,
            }
        } else {
            Lines {
                count: planes.batch * rows,
                length: columns,
                per_image: rows,
                planes: false,
            }
        };
        let blocks = planes.rows.div_ceil(tiles.rows);
        Self {
            tiles,
            planes,
            correlation,
            packed,
            depth: planes.channels * taps,
            passes,
            lines,
            parts: planes.rows.div_ceil(TASK_ROWS).min(blocks),
            offsets: (0..deepest).map(|k| (k * PANEL) as u32).collect(),
        }
    }

    /// Copies what some pixels read of a pass's channels: `[channel, tap, PANEL]`.
    fn gather(&self, pass: &Pass, pixels: Range<usize>, to: &mut [f32]) {
        let (planes, lines) = (self.planes, &self.lines);
        let [height, width] = planes.source_size;
        let taps = &self.correlation.taps;
        let padded = pixels.len().next_multiple_of(RUN);
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (line, column) = (pixel / lines.length, pixel % lines.length);
            let count = (lines.length - column).min(pixels.end - pixel);
            let (image, row) = (line / lines.per_image, line % lines.per_image);
            for (tap_at, tap) in taps.iter().enumerate() {
                let phase = &self.correlation.phases[tap.phase];
                let y = phase.start[0] + ((row + tap.shift[0]) * phase.step[0]) as isize;
                let x = phase.start[1] + ((column + tap.shift[1]) * phase.step[1]) as isize;
                let step = phase.step[1];
                // The pixels that read a value of the row, which for whole planes is the plane.
                let (inside, from) = if lines.planes {
                    (0..count, column)
                } else if y < 0 || y >= height as isize {
                    (0..0, 0)
                } else {
                    let first = ((-x).max(0) as usize).div_ceil(step).min(count);
                    let end = ((width as isize - x).max(0) as usize).div_ceil(step);
                    let from = y * width as isize + x + (first * step) as isize;
                    (first..end.clamp(first, count), from as usize)
                };
                let at = tap_at * PANEL + pixel - pixels.start;
                if inside.len() < count {
                    for to in to[at..].chunks_mut(taps.len() * PANEL) {
                        to[..inside.start].fill(0.0);
                        to[inside.end..count].fill(0.0);
                    }
                }
                if inside.is_empty() {
                    continue;
                }
                let plane = height * width;
                let from = (image * planes.channels + pass.channels.start) * plane + from;
                let rows = Rows {
                    rows: pass.channels.len(),
                    count: inside.len(),
                    step,
                    from_stride: plane,
                    to_stride: taps.len() * PANEL,
                };
                let to = &mut to[at + inside.start..];
                rows.copy(self.tiles, &planes.source[from..], to);
            }
            pixel += count;
        }
        if padded > pixels.len() {
            for values in to.chunks_exact_mut(PANEL) {
                values[pixels.len()..padded].fill(0.0);
            }
        }
    }

    /// Sums some panels for one part of the destination channels and writes them to their pixels.
    ///
    /// # Safety
    ///
    /// As [`correlate`], for these channels and pixels.
    unsafe fn multiply(
        &self,
        part: usize,
        some: Range<usize>,
        stretch: &Range<usize>,
        gathered: &[f32],
        panels: usize,
        destination: Shared,
    ) {
        let rows = self.tiles.rows;
        let all_blocks = self.planes.rows.div_ceil(rows);
        let blocks = even_part(all_blocks, self.parts, part);
        let pixels =
            stretch.start + some.start * PANEL..stretch.end.min(stretch.start + some.end * PANEL);
        let row_stride = pixels.len().next_multiple_of(RUN);
        let channels = blocks.start * rows..self.planes.rows.min(blocks.end * rows);
        let mut firsts = vec![0.0; blocks.len() * rows];
        if let Some(bias) = self.planes.ending.bias {
            firsts[..channels.len()].copy_from_slice(&bias[channels.clone()]);
        }
        with_buffers([blocks.len() * rows * row_stride], |[sums]| {
            for pass in &self.passes {
                let (before, depth) = pass.depth(self);
                for panel in some.clone() {
                    let at_pixel = (panel - some.start) * PANEL;
                    let width = (pixels.len() - at_pixel).next_multiple_of(RUN).min(PANEL);
                    let b = &gathered[panels * PANEL * before + panel * PANEL * depth..]
                        [..depth * PANEL];
                    assert!(self.offsets.len() >= depth);
                    for (at, block) in blocks.clone().enumerate() {
                        let start = if before == 0 {
                            Start::From(&firsts[at * rows..][..rows])
                        } else {
                            Start::Destination
                        };
                        let a =
                            &self.packed[(block * self.depth + before) * rows..][..depth * rows];
                        let out = &mut sums[at * rows * row_stride + at_pixel..];
                        assert!(out.len() >= (rows - 1) * row_stride + width);
                        // SAFETY: a and b hold `depth` columns and runs (sliced so), the last
                        // offset is the last run of b, and out was just checked.
                        unsafe {
                            self.tiles.run(
                                &Block {
                                    depth,
                                    a: a.as_ptr(),
                                    b: b.as_ptr(),
                                    offsets: self.offsets.as_ptr(),
                                    out: out.as_mut_ptr(),
                                    row_stride,
                                },
                                width,
                                start,
                            );
                        }
                    }
                }
            }
            let ending = &self.planes.ending;
            if ending.shortcut.is_none() {
                let set = self.tiles.set;
                for (sums, channel) in sums.chunks_exact_mut(row_stride).zip(channels.clone()) {
                    ending.follow_anywhere(set, channel, sums);
                }
            }
            // SAFETY: the caller's contract.
            unsafe { self.place(channels, pixels, sums, row_stride, destination) };
        });
    }

    /// Writes sums to their pixels.
    ///
    /// # Safety
    ///
    /// As [`correlate`], for these channels and pixels.
    unsafe fn place(
        &self,
        channels: Range<usize>,
        pixels: Range<usize>,
        sums: &[f32],
        row_stride: usize,
        destination: Shared,
    ) {
        let (lines, correlation) = (&self.lines, self.correlation);
        let [height, width] = self.planes.destination_size;
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (line, column) = (pixel / lines.length, pixel % lines.length);
            let count = (lines.length - column).min(pixels.end - pixel);
            let (image, row) = (line / lines.per_image, line % lines.per_image);
            let y = correlation.place[0] + row * correlation.spread[0];
            let x = correlation.place[1] + column * correlation.spread[1];
            let from = &sums[pixel - pixels.start..];
            let plane = height * width;
            let first = (image * self.planes.rows + channels.start) * plane + y * width + x;
            // SAFETY: the pixels lie in these planes of the destination, where whole planes are lines one behind the
            // other, and are this task's alone.
            unsafe {
                let to = destination.get().add(first);
                if correlation.spread[1] == 1 {
                    let rows = Rows {
                        rows: channels.len(),
                        count,
                        step: 1,
                        from_stride: row_stride,
                        to_stride: plane,
                    };
                    rows.copy_to(self.tiles, from, to);
                    if self.planes.ending.shortcut.is_some() {
                        let set = self.tiles.set;
                        for (at, channel) in channels.clone().enumerate() {
                            let first = first + at * plane;
                            let values = std::slice::from_raw_parts_mut(to.add(at * plane), count);
                            self.planes.ending.follow(set, channel, first, values);
                        }
                    }
                } else {
                    for channel in 0..channels.len() {
                        let to = to.add(channel * plane);
                        for (at, value) in from[channel * row_stride..][..count].iter().enumerate()
                        {
                            *to.add(at * correlation.spread[1]) = *value;
                        }
                    }
                }
            }
            pixel += count;
        }
    }
}

impl Correlation {
    /// Whether every pixel reads the pixel of its own number, and only that.
    fn reads_planes(&self, source_size: [usize; 2]) -> bool {
        let whole = Phase {
            start: [0, 0],
            step: [1, 1],
        };
        self.phases == [whole]
            && self.reach == [0, 0]
            && self.extent == source_size
            && self.place == [0, 0]
            && self.spread == [1, 1]
    }
}
