//! Forward passes and input gradients.
//!
//! Blocks of up to 48 tiles: their transformed source, `[product, channel, tile]`, meets the
//! transformed weights in 36 independent matrix products, some destination channels at a time, so
//! that the sums stay in the second-level cache until they are transformed back.
//!
//! With many tiles a task is a block, and the weights are transformed before. With few tiles the
//! source is transformed before and a task is some destination channels, whose weights it
//! transforms itself, of some source channels at a time: they never leave its cache, and every
//! thread finds work.
#![allow(unsafe_code)] // Tasks write disjoint parts of shared buffers; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::destination::{self, Sums};
use super::pass::Pass;
use super::source;
use super::tiling::{Sizes, TileBlock, Tiling};
use super::transform::{PRODUCTS, TILE};
use super::weight::{self, Columns};
use crate::scratch::{Shared, with_buffers, written_by};
use crate::tile::{Block, RUN, Start, Tiles};

/// Most runs of tiles in a block: the widest block of registers.
const BLOCK_RUNS: usize = 3;
/// Most values of a transformed source that is kept whole, in the last-level cache.
const KEPT_VALUES: usize = 8 * 1024 * 1024;
/// Most blocks of tiles for which the source is kept whole.
const KEPT_BLOCKS: usize = 8;
/// With few tiles: parts of the destination channels wanted at least. Every part reads the whole
/// transformed source, so they should not be small.
const PARTS: usize = 4;
/// With few tiles: most values of weights that a task transforms at a time, and most values of its
/// sums beside them, so that both are in the second-level cache when they meet.
const WEIGHT_VALUES: usize = 256 * 1024;
const SUM_VALUES: usize = 256 * 1024;
/// Destination channels whose sums are held at a time, and most channels of a part.
const CHANNELS: usize = 64;
/// Tasks wanted at least (fixed: the division does not depend on the threads).
const TASKS: usize = 16;

/// The whole destination, `[batch, rows, height, width]`.
pub(super) fn run(tiles: &Tiles, pass: &Pass<'_>) -> Vec<f32> {
    let tiling = Tiling::new(Sizes {
        batch: pass.batch,
        source: pass.source_size,
        destination: pass.destination_size,
        dilation: pass.dilation,
        start: pass.start,
        window: TILE,
    });
    let runs = tiling.len().div_ceil(RUN);
    let blocks = runs.div_ceil(BLOCK_RUNS);
    let work = Work {
        tiles,
        pass,
        channel_blocks: pass.rows.div_ceil(tiles.rows),
    };
    let block = |index: usize| {
        let first = index * runs / blocks * RUN;
        let end = (index + 1) * runs / blocks * RUN;
        tiling.block(first..end.min(tiling.len()), [pass.channels, pass.rows])
    };
    let kept = blocks * work.source_len(runs.div_ceil(blocks) * RUN);
    // SAFETY: the vector has the destination's size and is this pass's alone; the tiles cover it, and every tile is in
    // one block.
    unsafe {
        written_by(pass.destination_len(), |destination| {
            if blocks <= KEPT_BLOCKS && kept <= KEPT_VALUES {
                let blocks: Vec<TileBlock> = (0..blocks).map(block).collect();
                work.by_channels(&blocks, kept, destination);
            } else {
                work.by_tiles(blocks, block, destination);
            }
        })
    }
}

struct Work<'a> {
    tiles: &'a Tiles,
    pass: &'a Pass<'a>,
    /// Blocks of `tiles.rows` destination channels.
    channel_blocks: usize,
}

impl Work<'_> {
    /// Values between two products of the transformed source, kept off each other's places in
    /// the cache.
    fn source_stride(&self, lanes: usize) -> usize {
        self.pass.channels * lanes + RUN
    }

    /// Values of the transformed source of a block.
    fn source_len(&self, lanes: usize) -> usize {
        PRODUCTS * self.source_stride(lanes)
    }

    /// # Safety
    ///
    /// `destination` must be the destination, nobody else's meanwhile, and `block` cover it.
    unsafe fn by_tiles(
        &self,
        blocks: usize,
        block: impl Fn(usize) -> TileBlock + Sync,
        destination: Shared,
    ) {
        let channels = 0..self.pass.channels;
        let columns = Columns::new(self.tiles, channels.clone());
        with_buffers([self.channel_blocks * columns.len()], |[weights]| {
            weights
                .par_chunks_exact_mut(columns.len())
                .enumerate()
                .for_each(|(block, to)| {
                    weight::transform(self.tiles, self.pass, &columns, block, to);
                });
            let weights = &*weights;
            (0..blocks).into_par_iter().for_each(|index| {
                let block = block(index);
                let lanes = block.lanes;
                with_buffers(
                    [self.source_len(lanes), self.sums_len(lanes), block.scratch],
                    |[source, sums, scratch]| {
                        // SAFETY: the buffer holds the block's transformed source.
                        unsafe {
                            let to = source.as_mut_ptr();
                            self.transform_source(&block, channels.clone(), scratch, to);
                        }
                        let at_once = CHANNELS / self.tiles.rows;
                        for first in (0..self.channel_blocks).step_by(at_once) {
                            let some = first..self.channel_blocks.min(first + at_once);
                            let weights = &weights[first * columns.len()..];
                            self.add_products(&block, source, weights, &columns, some.len(), sums);
                            // SAFETY: no other task has these tiles.
                            unsafe { self.place(&block, some, sums, destination) };
                        }
                    },
                );
            });
        });
    }

    /// # Safety
    ///
    /// `destination` must be the destination, nobody else's meanwhile, and `blocks` cover it.
    unsafe fn by_channels(&self, blocks: &[TileBlock], kept: usize, destination: Shared) {
        let pass = self.pass;
        let block_len = kept / blocks.len();
        let channels = pass.channels.div_ceil(TASKS);
        let channel_parts = pass.channels.div_ceil(channels);
        let scratch = blocks.iter().map(|b| b.scratch).max().unwrap_or(0);
        with_buffers([kept], |[source]| {
            let shared = Shared::new(source);
            (0..blocks.len() * channel_parts)
                .into_par_iter()
                .for_each(|index| {
                    let (block, part) = (index / channel_parts, index % channel_parts);
                    let first = part * channels;
                    let channels = first..pass.channels.min(first + channels);
                    with_buffers([scratch], |[scratch]| {
                        // SAFETY: each block has its part of the buffer, each task its channels
                        // of it.
                        unsafe {
                            let to = shared.get().add(block * block_len);
                            self.transform_source(&blocks[block], channels, scratch, to);
                        }
                    });
                });
            let part = (self.channel_blocks.div_ceil(PARTS)).min(CHANNELS / self.tiles.rows);
            let sums_len = self.sums_len(blocks.iter().map(|b| b.lanes).max().unwrap_or(0));
            let chunks = self.chunks(part, blocks.len() * sums_len);
            let longest = chunks[0].len();
            let source = &*source;
            (0..self.channel_blocks.div_ceil(part))
                .into_par_iter()
                .for_each(|index| {
                    let first = index * part;
                    let channel_blocks = first..self.channel_blocks.min(first + part);
                    with_buffers(
                        [part * longest, blocks.len() * sums_len],
                        |[weights, sums]| {
                            for columns in &chunks {
                                let parts = weights.chunks_exact_mut(columns.len());
                                for (block, to) in channel_blocks.clone().zip(parts) {
                                    weight::transform(self.tiles, pass, columns, block, to);
                                }
                                for (at, block) in blocks.iter().enumerate() {
                                    let source = &source[at * block_len..];
                                    let sums = &mut sums[at * sums_len..][..sums_len];
                                    let many = channel_blocks.len();
                                    self.add_products(block, source, weights, columns, many, sums);
                                }
                            }
                            for (block, sums) in blocks.iter().zip(sums.chunks_exact(sums_len)) {
                                // SAFETY: no other task has these channels.
                                unsafe {
                                    self.place(block, channel_blocks.clone(), sums, destination);
                                }
                            }
                        },
                    );
                });
        });
    }

    /// The source channels in the chunks in which a task with few tiles and `part` blocks of
    /// destination channels goes through them: all at once, where the task's `sums` values would
    /// not stay in the cache from one chunk to the next.
    fn chunks(&self, part: usize, sums: usize) -> Vec<Columns> {
        let channels = self.pass.channels;
        let most = match sums <= SUM_VALUES {
            true => WEIGHT_VALUES / (PRODUCTS * part * self.tiles.rows),
            false => channels,
        };
        let chunk = channels
            .div_ceil(channels.div_ceil(most))
            .next_multiple_of(RUN / self.tiles.rows);
        (0..channels)
            .step_by(chunk)
            .map(|first| Columns::new(self.tiles, first..channels.min(first + chunk)))
            .collect()
    }

    /// Transforms some channels of a block of tiles.
    ///
    /// # Safety
    ///
    /// `to` must have room for the block's transformed source, whose values of these channels
    /// nobody else writes.
    unsafe fn transform_source(
        &self,
        block: &TileBlock,
        channels: Range<usize>,
        scratch: &mut [f32],
        to: *mut f32,
    ) {
        for channel in channels {
            let plane = self.pass.source_plane();
            source::copy(block, self.pass.source, channel, plane, scratch);
            let stride = self.source_stride(block.lanes);
            // SAFETY: the channel's lanes of every product lie in the block's source.
            unsafe {
                let to = to.add(channel * block.lanes);
                source::transform(self.tiles, block, scratch, to, stride);
            }
        }
    }

    /// Values of the sums held at a time.
    fn sums_len(&self, lanes: usize) -> usize {
        PRODUCTS * self.sums_stride(lanes)
    }

    fn sums_stride(&self, lanes: usize) -> usize {
        CHANNELS * lanes + RUN
    }

    /// Adds to the sums of a block of tiles what some source channels give to `many` blocks of
    /// destination channels, whose columns of weights `weights` holds.
    fn add_products(
        &self,
        block: &TileBlock,
        source: &[f32],
        weights: &[f32],
        columns: &Columns,
        many: usize,
        sums: &mut [f32],
    ) {
        let (tiles, lanes) = (self.tiles, block.lanes);
        let channels = columns.channels.clone();
        let offsets: Vec<u32> = channels.clone().map(|c| (c * lanes) as u32).collect();
        let zeros = [0.0; RUN];
        let start = match channels.start {
            0 => Start::From(&zeros),
            _ => Start::Destination,
        };
        let (source_stride, sums_stride) = (self.source_stride(lanes), self.sums_stride(lanes));
        assert!(channels.end <= self.pass.channels && many * tiles.rows <= CHANNELS);
        assert!(source.len() >= self.source_len(lanes));
        assert!(weights.len() >= many * columns.len());
        assert!(sums.len() >= self.sums_len(lanes));
        for product in 0..PRODUCTS {
            for at in 0..many {
                let column = at * columns.len() + product * columns.product;
                // SAFETY: the weights hold a column for each channel, the source `lanes`
                // values for each channel, the sums CHANNELS rows of `lanes` values for each
                // product (sizes asserted).
                unsafe {
                    tiles.run(
                        &Block {
                            depth: channels.len(),
                            a: weights[column..].as_ptr(),
                            b: source[product * source_stride..].as_ptr(),
                            offsets: offsets.as_ptr(),
                            out: sums
                                .as_mut_ptr()
                                .add(product * sums_stride + at * tiles.rows * lanes),
                            row_stride: lanes,
                        },
                        lanes,
                        start,
                    );
                }
            }
        }
    }

    /// Destination pixels of a block of tiles in some blocks of destination channels, from their sums.
    ///
    /// # Safety
    ///
    /// `destination` must be the destination, and nobody else use these pixels of it.
    unsafe fn place(
        &self,
        block: &TileBlock,
        channel_blocks: Range<usize>,
        sums: &[f32],
        destination: Shared,
    ) {
        let (tiles, pass, lanes) = (self.tiles, self.pass, block.lanes);
        assert!(channel_blocks.len() * tiles.rows <= CHANNELS);
        assert!(sums.len() >= self.sums_len(lanes));
        let first = channel_blocks.start * tiles.rows;
        for row in first..pass.rows.min(channel_blocks.end * tiles.rows) {
            // SAFETY: the row's sums lie in `sums`, its plane in the destination, and these
            // pixels are the caller's.
            unsafe {
                destination::transform(
                    tiles,
                    &Sums {
                        block,
                        from: sums.as_ptr().add((row - first) * lanes),
                        stride: self.sums_stride(lanes),
                        bias: pass.ending.bias_of(row),
                        map: pass.ending.map_of(row),
                        plane: destination.get().add(row * pass.destination_plane()),
                        next: pass.destination_plane(),
                        steps: [
                            pass.dilation[0] * pass.destination_size[1],
                            pass.dilation[1],
                        ],
                    },
                );
            }
        }
    }
}
