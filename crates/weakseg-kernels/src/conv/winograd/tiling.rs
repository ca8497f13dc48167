//! Where the tiles of a pass lie.
//!
//! A convolution of dilation d is d * d interleaved plain ones, its phases: destination pixels
//! `y % d, x % d` only read source pixels of one phase. Each phase of each image is covered with
//! tiles of 4x4 destination pixels, row by row. All tiles are counted in one sequence and cut into
//! blocks, so that a block may hold tiles of several rows, phases and images: small maps still
//! fill the vectors.

use std::ops::Range;

use super::transform::STEP;
use crate::tile::{RUN, SLACK};

/// Most tiles of a row that is copied together with the next.
const LONG: usize = 32;

/// Sizes that place the tiles.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub batch: usize,
    pub source: [usize; 2],
    pub destination: [usize; 2],
    pub dilation: [usize; 2],
    /// Source pixel that the first tap of destination pixel 0 reads.
    pub start: [isize; 2],
    /// Rows and columns that a tile reads of the source.
    pub window: usize,
}

/// A tile of any image: its phase, and its row and column among the phase's tiles.
#[derive(Clone, Copy)]
struct Tile {
    phase: [usize; 2],
    at: [usize; 2],
}

/// All tiles.
pub(super) struct Tiling {
    sizes: Sizes,
    /// Of one image.
    tiles: Vec<Tile>,
}

impl Tiling {
    pub fn new(sizes: Sizes) -> Self {
        let [rows, columns] = sizes.destination;
        let mut tiles = Vec::new();
        for py in 0..sizes.dilation[0].min(rows) {
            for px in 0..sizes.dilation[1].min(columns) {
                for ty in 0..count(rows, py, sizes.dilation[0]) {
                    for tx in 0..count(columns, px, sizes.dilation[1]) {
                        tiles.push(Tile {
                            phase: [py, px],
                            at: [ty, tx],
                        });
                    }
                }
            }
        }
        Self { sizes, tiles }
    }

    /// Tiles of all images.
    pub fn len(&self) -> usize {
        self.sizes.batch * self.tiles.len()
    }

    /// Of them.
    pub fn image_len(&self) -> usize {
        self.tiles.len()
    }

    /// Whether a tile is copied with the tiles before it, of the same image. Rows of many tiles are
    /// copied one by one: a block holds parts of them only.
    fn joins(&self, segment: &Segment, tile: Tile) -> bool {
        let many = self.sizes.destination[1] > LONG * STEP * self.sizes.dilation[1];
        segment.phase == tile.phase && (segment.last[0] == tile.at[0] || !many)
    }

    /// The tiles of a range: what to copy of each source plane, and where their results go.
    /// `planes` are the source's and the destination's planes of an image.
    pub fn block(&self, range: Range<usize>, planes: [usize; 2]) -> TileBlock {
        let sizes = &self.sizes;
        let [height, width] = sizes.source;
        let mut segments: Vec<Segment> = Vec::new();
        let mut segment_of = Vec::with_capacity(range.len());
        for index in range.clone() {
            let image = index / self.tiles.len();
            let tile = self.tiles[index % self.tiles.len()];
            match segments.last_mut() {
                Some(last) if last.image == image && self.joins(last, tile) => last.add(tile),
                _ => segments.push(Segment {
                    image,
                    phase: tile.phase,
                    first: tile.at,
                    last: tile.at,
                }),
            }
            segment_of.push(segments.len() - 1);
        }
        let columns = |s: &Segment| (s.last[1] - s.first[1]) * STEP + sizes.window;
        let pitch = segments.iter().map(columns).max().unwrap_or(0);
        let mut copies = Vec::new();
        let mut starts = Vec::with_capacity(segments.len());
        for segment in &segments {
            starts.push(copies.len() * pitch);
            let from: [isize; 2] = std::array::from_fn(|axis| {
                let pixel = segment.phase[axis] + segment.first[axis] * STEP * sizes.dilation[axis];
                sizes.start[axis] + pixel as isize
            });
            let count = columns(segment);
            let (before, present) = inside(from[1], sizes.dilation[1], width, count);
            let column = from[1] + (before * sizes.dilation[1]) as isize;
            for row in 0..(segment.last[0] - segment.first[0]) * STEP + sizes.window {
                let y = from[0] + (row * sizes.dilation[0]) as isize;
                copies.push(if y < 0 || y >= height as isize || present == 0 {
                    RowCopy {
                        before: count,
                        ..RowCopy::default()
                    }
                } else {
                    RowCopy {
                        from: segment.image * planes[0] * height * width
                            + y as usize * width
                            + column as usize,
                        before,
                        present,
                        after: count - before - present,
                    }
                });
            }
        }
        let mut offsets = Vec::with_capacity(range.len());
        let mut places = Vec::with_capacity(range.len());
        for (index, at) in range.zip(segment_of) {
            let image = index / self.tiles.len();
            let tile = self.tiles[index % self.tiles.len()];
            let [dy, dx] =
                std::array::from_fn(|axis| (tile.at[axis] - segments[at].first[axis]) * STEP);
            offsets.push(starts[at] + dy * pitch + dx);
            let [y, x] = std::array::from_fn(|axis| {
                tile.phase[axis] + tile.at[axis] * STEP * sizes.dilation[axis]
            });
            let [rows, columns] = sizes.destination;
            places.push(Place {
                at: image * planes[1] * rows * columns + y * columns + x,
                rows: (rows - y).div_ceil(sizes.dilation[0]).min(STEP),
                columns: (columns - x).div_ceil(sizes.dilation[1]).min(STEP),
            });
        }
        // Whole vectors: what stands behind the last tile is computed and dropped.
        let lanes = offsets.len().next_multiple_of(RUN);
        offsets.resize(lanes, 0);
        TileBlock {
            scratch: copies.len() * pitch + SLACK,
            pitch,
            step: sizes.dilation[1],
            copies,
            offsets,
            places,
            lanes,
        }
    }
}

/// Rows (or columns) of tiles of a phase.
fn count(pixels: usize, phase: usize, dilation: usize) -> usize {
    (pixels - phase).div_ceil(dilation).div_ceil(STEP)
}

/// How many of `count` pixels `from, from + step, ...` lie before 0, and how many of the others
/// before `size`.
fn inside(from: isize, step: usize, size: usize, count: usize) -> (usize, usize) {
    let before = (-from).max(0) as usize;
    let before = before.div_ceil(step).min(count);
    let until = (size as isize - from).max(0) as usize;
    let until = until.div_ceil(step).clamp(before, count);
    (before, until - before)
}

/// Neighbouring tiles of one phase of one image: the rectangle of tiles around them.
struct Segment {
    image: usize,
    phase: [usize; 2],
    first: [usize; 2],
    last: [usize; 2],
}

impl Segment {
    fn add(&mut self, tile: Tile) {
        for axis in 0..2 {
            self.first[axis] = self.first[axis].min(tile.at[axis]);
            self.last[axis] = self.last[axis].max(tile.at[axis]);
        }
    }
}

/// A row of a block's copy of a source plane: `before` zeros, `present` source pixels from index
/// `from` on (counted from the plane of the same channel in image 0), and `after` zeros.
#[derive(Clone, Copy, Default)]
pub(super) struct RowCopy {
    pub from: usize,
    pub before: usize,
    pub present: usize,
    pub after: usize,
}

/// Where the 4x4 results of a tile go: the index of the first pixel (counted from the plane of
/// the same channel in image 0), and the rows and columns that lie in the destination.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub at: usize,
    pub rows: usize,
    pub columns: usize,
}

/// Some consecutive tiles.
pub(super) struct TileBlock {
    /// Values of the padded copy of one source plane, with slack behind.
    pub scratch: usize,
    /// Values of a row of the copy.
    pub pitch: usize,
    /// Source pixels between neighbours in a row of the copy.
    pub step: usize,
    /// The rows of the copy.
    pub copies: Vec<RowCopy>,
    /// Start of each tile in the copy, one for each lane.
    pub offsets: Vec<usize>,
    /// Of each tile.
    pub places: Vec<Place>,
    /// Tiles rounded up to whole runs.
    pub lanes: usize,
}
