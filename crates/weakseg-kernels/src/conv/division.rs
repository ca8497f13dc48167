//! How the tasks of a correlation are cut.

use std::ops::Range;

use super::lattice::{Correlation, Phase};
use super::planes::Planes;
use crate::tile::{RUN, Tiles};

/// Values a task may copy of its source at a time (half of a common second-level cache).
const SOURCE_VALUES: usize = 128 * 1024;
/// Summands of one pass over a block: the packed weights of a block stay in the first level.
const DEPTH: usize = 768;
/// Values of one task's output.
const OUTPUT_VALUES: usize = 192 * 1024;
/// Values of a page of memory. Planes of whole pages (32x32, 64x64, 128x128) have their pixels in the same sets of a
/// cache, which holds a run of a few channels only: they are copied, and then lie one behind the other.
const PAGE: usize = 1024;
/// Tasks wanted at least, so that a few threads share small batches evenly. Fixed, so that the
/// division of work does not depend on their number.
const TASKS: usize = 16;

/// How the work is divided.
pub(super) struct Division {
    /// Rows of one task, and how many row blocks there are.
    pub rows: usize,
    pub row_blocks: usize,
    /// Packed blocks of output channels in one task, and how many such parts there are.
    pub blocks: usize,
    pub parts: usize,
    /// Source channels copied at a time.
    pub channels: usize,
    /// Width of a padded row, rows of a padded plane, and values of all phases of one channel.
    pub width: usize,
    pub height: usize,
    pub plane: usize,
    /// The source is read where it lies.
    pub in_place: bool,
    /// Rows are computed one by one, not as one run.
    pub by_row: bool,
}

impl Division {
    /// By sizes and instruction set alone, whatever the number of threads.
    pub fn new(tiles: &Tiles, planes: &Planes<'_>, correlation: &Correlation) -> Self {
        let [extent_rows, extent_columns] = correlation.extent;
        let width = extent_columns + correlation.reach[1];
        let taps = correlation.taps.len();
        let whole = Phase {
            start: [0, 0],
            step: [1, 1],
        };
        let in_place = correlation.phases == [whole]
            && correlation.reach == [0, 0]
            && width == planes.source_size[1]
            && extent_rows <= planes.source_size[0]
            && !(planes.source_size[0] * planes.source_size[1]).is_multiple_of(PAGE);
        let blocks = planes.rows.div_ceil(tiles.rows);

        let mut rows = extent_rows.min((OUTPUT_VALUES / (planes.rows * width)).max(1));
        let per_row = planes.channels.min(DEPTH.div_ceil(taps)) * correlation.phases.len() * width;
        let source_rows = (SOURCE_VALUES / per_row).saturating_sub(correlation.reach[0]);
        rows = rows.min(source_rows.max(1));
        // Runs long enough to be worth a packed column of weights, but enough tasks.
        let enough = (8 * RUN).div_ceil(width);
        rows = rows.max(enough).min(extent_rows);
        while rows > enough && planes.batch * planes.groups * extent_rows.div_ceil(rows) < TASKS {
            rows = (rows / 2).max(enough);
        }
        let rows = even(extent_rows, rows);
        let row_blocks = extent_rows.div_ceil(rows);

        let tasks = planes.batch * planes.groups * row_blocks;
        let parts = TASKS.div_ceil(tasks).min(blocks.div_ceil(4)).max(1);
        let part_blocks = blocks.div_ceil(parts);

        let height = rows + correlation.reach[0];
        let (plane, channels) = if in_place {
            let plane = planes.source_size[0] * planes.source_size[1];
            // Offsets are 32 bits wide.
            let addressable = u32::MAX as usize / plane.max(1);
            (plane, DEPTH.div_ceil(taps).min(addressable))
        } else {
            let plane = correlation.phases.len() * height * width;
            (plane, (SOURCE_VALUES / plane).min(DEPTH.div_ceil(taps)))
        };
        Self {
            rows,
            row_blocks,
            blocks: part_blocks,
            parts: blocks.div_ceil(part_blocks),
            channels: even(planes.channels, channels.max(1)),
            width,
            height,
            plane,
            in_place,
            by_row: extent_columns.is_multiple_of(RUN)
                && extent_columns > RUN
                && correlation.reach[1] > 0,
        }
    }
}

/// The size of equal parts of at most `most`.
pub(super) fn even(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most))
}

/// The same in whole runs.
pub(super) fn even_runs(total: usize, most: usize) -> usize {
    even(total, most).next_multiple_of(RUN).min(total)
}

/// Part `at` of `parts` parts as equal as they can be.
pub(super) fn even_part(total: usize, parts: usize, at: usize) -> Range<usize> {
    total * at / parts..total * (at + 1) / parts
}
