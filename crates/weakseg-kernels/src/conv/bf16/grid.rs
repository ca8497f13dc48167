//! Pixels of all images in one row, so that a tap is a constant shift.
//!
//! The rows of the planes lie `pitch` places apart and the images `rows` rows, with as many zeros
//! between them as the taps read beyond an edge; neighbours share their zeros. On such a row the
//! output at place `p` is the sum over taps of weight times source at place `p + offset(tap)`.

use std::ops::Range;

use super::super::lattice::Correlation;
use crate::bf16::Line;

/// Most places for each pixel: far dilations consist of zeros for the most part.
const FILL: usize = 5;

/// Where the pixels of the planes of one tensor lie.
pub(super) struct Layout {
    batch: usize,
    size: [usize; 2],
    pitch: usize,
    rows: usize,
    /// Places before the first pixel.
    lead: usize,
}

impl Layout {
    /// The lines of a window: pixels and the zeros between them, places counted from its start.
    pub fn lines(&self, window: Range<usize>) -> Vec<Line> {
        let [height, width] = self.size;
        let mut lines: Vec<Line> = Vec::new();
        let mut place = window.start;
        while place < window.end {
            let (count, source) = match place.checked_sub(self.lead) {
                None => (self.lead - place, None),
                Some(after) => {
                    let (line, column) = (after / self.pitch, after % self.pitch);
                    let (image, row) = (line / self.rows, line % self.rows);
                    if image >= self.batch {
                        (window.end - place, None)
                    } else if row >= height {
                        ((self.rows - row) * self.pitch - column, None)
                    } else if column >= width {
                        (self.pitch - column, None)
                    } else if width == self.pitch {
                        let pixel = row * width + column;
                        (height * width - pixel, Some((image, pixel)))
                    } else {
                        (width - column, Some((image, row * width + column)))
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

/// A correlation on such a row.
pub(super) struct Grid {
    pub source: Layout,
    pub destination: Layout,
    /// For each tap of the correlation, how far behind the output's place it reads.
    pub offsets: Vec<usize>,
    /// The largest of them.
    pub reach: usize,
    /// Places of the destination.
    pub length: usize,
}

impl Grid {
    /// The grid of a correlation of stride 1 that writes its whole destination; none for others,
    /// and none where too little of it would be pixels.
    pub fn new(
        batch: usize,
        correlation: &Correlation,
        source_size: [usize; 2],
        destination_size: [usize; 2],
    ) -> Option<Self> {
        let [phase] = correlation.phases.as_slice() else {
            return None;
        };
        let whole = correlation.extent == destination_size
            && correlation.place == [0, 0]
            && correlation.spread == [1, 1];
        if !whole || phase.step != [1, 1] || phase.start.iter().any(|&start| start > 0) {
            return None;
        }
        let before = phase.start.map(isize::unsigned_abs);
        let [rows, pitch] = std::array::from_fn(|axis| {
            let read = destination_size[axis] + correlation.reach[axis];
            let behind = read.saturating_sub(before[axis] + source_size[axis]);
            let zeros = before[axis].max(behind);
            (source_size[axis] + zeros).max(destination_size[axis])
        });
        let length = ((batch - 1) * rows + destination_size[0] - 1) * pitch + destination_size[1];
        let pixels = batch * destination_size[0] * destination_size[1];
        if 2 * length > FILL * pixels {
            return None;
        }
        let taps = correlation.taps.iter();
        let offsets: Vec<usize> = taps.map(|t| t.shift[0] * pitch + t.shift[1]).collect();
        let layout = |size, lead| Layout {
            batch,
            size,
            pitch,
            rows,
            lead,
        };
        Some(Self {
            source: layout(source_size, before[0] * pitch + before[1]),
            destination: layout(destination_size, 0),
            reach: offsets.iter().copied().max()?,
            offsets,
            length,
        })
    }
}
