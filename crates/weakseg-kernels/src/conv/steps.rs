//! [`Step`]: what of a source meets all blocks of destination channels before the next does.

use std::ops::Range;

use super::division::even;
use crate::tile::RUN;

/// Pixels and channels of planes read where they lie that meet all blocks at a time, in the first-level cache.
pub(super) const PIECE: usize = 3 * RUN;
const DEPTH: usize = 96;

/// Some source channels, where the division puts them.
pub(super) struct Source {
    pub from: *const f32,
    pub channels: Range<usize>,
    pub in_place: bool,
}

/// Pixels of a run and channels of a source, counted from its first, that meet all blocks before the next ones do.
pub(super) struct Step {
    pub pixels: Range<usize>,
    pub channels: Range<usize>,
}

impl Source {
    /// Planes that are read where they lie are far apart, and a run of each comes slowly: pieces of some channels stay
    /// in the first-level cache while all blocks use them. Copied rows meet one block after the other.
    pub fn steps(&self, run: usize) -> Vec<Step> {
        let channels = self.channels.len();
        let (piece, depth) = match self.in_place {
            true => (PIECE, even(channels, DEPTH)),
            false => (run, channels),
        };
        let pieces = (0..run).step_by(piece);
        pieces
            .flat_map(|pixel| {
                (0..channels).step_by(depth).map(move |channel| Step {
                    pixels: pixel..run.min(pixel + piece),
                    channels: channel..channels.min(channel + depth),
                })
            })
            .collect()
    }
}
