//! Pixels of all images in one row, so that a tap is a constant shift.
//!
//! The rows of the planes lie `pitch` places apart and the images `rows` rows, with as many zeros
//! between them as the taps read beyond an edge; neighbours share their zeros. On such a row the
//! output at place `p` is the sum over taps of weight times source at place `p + offset(tap)`. Each
//! phase of a source with a stride has such a row of its own.

use std::ops::Range;

use super::super::lattice::Correlation;
use crate::bf16::Line;

/// Most places for each two pixels: far dilations consist of zeros for the most part.
const FILL: usize = 5;

/// Where pixels of the planes of one tensor lie.
pub(super) struct Places {
    batch: usize,
    /// Rows and columns of pixels.
    size: [usize; 2],
    /// The first of them in its plane, and from one to the next.
    first: [usize; 2],
    pub step: [usize; 2],
    /// Columns of a plane.
    width: usize,
    pitch: usize,
    rows: usize,
    /// Places before the first pixel.
    lead: usize,
}

impl Places {
    /// The lines of a window: pixels and the zeros between them, places counted from its start.
    pub fn lines(&self, window: Range<usize>) -> Vec<Line> {
        let [height, width] = self.size;
        let whole = width == self.pitch && width == self.width && self.step == [1, 1];
        let mut lines: Vec<Line> = Vec::new();
        let mut place = window.start;
        while place < window.end {
            let (count, source) = match place.checked_sub(self.lead) {
                None => (self.lead - place, None),
                Some(after) => {
                    let (line, column) = (after / self.pitch, after % self.pitch);
                    let (image, row) = (line / self.rows, line % self.rows);
                    let pixel = (self.first[0] + row * self.step[0]) * self.width
                        + self.first[1]
                        + column * self.step[1];
                    if image >= self.batch {
                        (window.end - place, None)
                    } else if row >= height {
                        ((self.rows - row) * self.pitch - column, None)
                    } else if column >= width {
                        (self.pitch - column, None)
                    } else if whole {
                        ((height - row) * width - column, Some((image, pixel)))
                    } else {
                        (width - column, Some((image, pixel)))
                    }
                }
            };
            let count = count.min(window.end - place);
            let at = place - window.start;
            match (lines.last_mut(), source) {
                (Some(last), None) if last.source.is_none() => last.count += count,
                _ => lines.push(Line { at, count, source }),
            }
            place += count;
        }
        lines
    }
}

/// A tap on such a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    pub phase: usize,
    /// How far behind the output's place it reads.
    pub offset: usize,
}

/// A correlation on such rows.
pub(super) struct Grid {
    /// One for each phase.
    pub sources: Vec<Places>,
    pub destination: Places,
    /// In the correlation's order.
    pub taps: Vec<Tap>,
    /// The largest offset.
    pub reach: usize,
    /// Places of the destination.
    pub length: usize,
}

impl Grid {
    /// The grid of a correlation; none where too little of it would be pixels.
    pub fn new(
        batch: usize,
        correlation: &Correlation,
        source_size: [usize; 2],
        destination_size: [usize; 2],
    ) -> Option<Self> {
        let extent = correlation.extent;
        let phases: Vec<[Axis; 2]> = (correlation.phases.iter())
            .map(|phase| {
                [0, 1].map(|axis| Axis::new(phase.start[axis], phase.step[axis], source_size[axis]))
            })
            .collect();
        let [rows, pitch] = [0, 1].map(|axis| {
            // The last place of a row that is read belongs to the next row if that begins with a zero.
            let read = extent[axis] + correlation.reach[axis];
            let needed = phases.iter().map(|phase| {
                let Axis { zeros, count, .. } = phase[axis];
                (zeros + count).max(read.saturating_sub(zeros))
            });
            needed.max().unwrap_or(0).max(extent[axis])
        });
        let length = ((batch - 1) * rows + extent[0] - 1) * pitch + extent[1];
        if 2 * length > FILL * batch * extent[0] * extent[1] {
            return None;
        }
        let taps: Vec<Tap> = (correlation.taps.iter())
            .map(|tap| Tap {
                phase: tap.phase,
                offset: tap.shift[0] * pitch + tap.shift[1],
            })
            .collect();
        let layout = |size, first, step, width, lead| Places {
            batch,
            size,
            first,
            step,
            width,
            pitch,
            rows,
            lead,
        };
        let source = |(axes, phase): (&[Axis; 2], &super::super::lattice::Phase)| {
            let [y, x] = axes;
            layout(
                [y.count, x.count],
                [y.first, x.first],
                phase.step,
                source_size[1],
                y.zeros * pitch + x.zeros,
            )
        };
        Some(Self {
            sources: phases.iter().zip(&correlation.phases).map(source).collect(),
            destination: layout(
                extent,
                correlation.place,
                correlation.spread,
                destination_size[1],
                0,
            ),
            reach: taps.iter().map(|tap| tap.offset).max()?,
            taps,
            length,
        })
    }
}

/// A phase on one axis.
#[derive(Clone, Copy)]
struct Axis {
    /// Values before the first pixel.
    zeros: usize,
    /// Pixels, and the first.
    count: usize,
    first: usize,
}

impl Axis {
    fn new(start: isize, step: usize, size: usize) -> Self {
        let zeros = (-start).max(0).unsigned_abs().div_ceil(step);
        let first = (start + (zeros * step) as isize).unsigned_abs();
        let count = size.saturating_sub(first).div_ceil(step);
        Self {
            zeros,
            count,
            first,
        }
    }
}
