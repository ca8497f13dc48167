//! What a correlation works on: planes and packed weights.

use std::ops::Range;

use rayon::prelude::*;

use super::lattice::Correlation;
use super::transpose::transpose;
use crate::scratch::{Shared, Temporary, written_by};
use crate::tile::Tiles;

/// Channels packed at a time: their rows of the weight are read side by side.
const CHANNELS: usize = 16;
/// Values a task packs at least.
const GRAIN: usize = 1 << 13;

/// The tensors of one correlation: `groups` groups of `channels` source planes each become
/// `rows` destination planes each.
pub(crate) struct Planes<'a> {
    pub batch: usize,
    pub groups: usize,
    /// Source channels of one group.
    pub channels: usize,
    /// Destination channels of one group.
    pub rows: usize,
    pub source: &'a [f32],
    pub source_size: [usize; 2],
    /// Whole destination, `[batch, groups * rows, height, width]`.
    pub destination_size: [usize; 2],
    /// One value for each destination channel to start its sums from.
    pub bias: Option<&'a [f32]>,
}

/// How the weight `[O, I, KH, KW]` is read: value of (destination channel, source channel, tap).
#[derive(Clone, Copy)]
pub(crate) struct WeightStrides {
    /// From one group to the next.
    pub group: usize,
    /// From one destination channel to the next.
    pub row: usize,
    /// From one source channel to the next.
    pub channel: usize,
}

#[allow(unsafe_code)] // Blocks are written by tasks of their own.
/// Packs the weight into columns of `tiles.rows` destination channels:
/// `[group, block, channel, tap, row]`, zero behind the last row.
pub(crate) fn pack_weight(
    tiles: &Tiles,
    weight: &[f32],
    strides: WeightStrides,
    planes: &Planes<'_>,
    correlation: &Correlation,
) -> Temporary {
    let blocks = planes.rows.div_ceil(tiles.rows);
    let taps = correlation.taps.len();
    let column = taps * planes.channels * tiles.rows;
    // All taps in the order of the weight: then what is packed are rows of whole kernels.
    let in_order = correlation.is_whole_kernel(strides.channel.min(strides.row));
    let length = planes.groups * blocks * column;
    let pack = |group: usize, block: usize, channels: Range<usize>, to: &mut [f32]| {
        let first = block * tiles.rows;
        let rows = tiles.rows.min(planes.rows - first);
        let weight = &weight[group * strides.group + first * strides.row..];
        if in_order && strides.channel == taps {
            // Forward: the channels' kernels lie behind one another.
            let weight = &weight[channels.start * taps..];
            let depth = channels.len() * taps;
            transpose(weight, strides.row, rows, depth, to, tiles.rows);
            return;
        }
        for (channel, to) in channels.zip(to.chunks_exact_mut(taps * tiles.rows)) {
            let weight = &weight[channel * strides.channel..];
            if in_order && taps > 1 {
                transpose(weight, strides.row, rows, taps, to, tiles.rows);
                continue;
            }
            for (tap, to) in correlation.taps.iter().zip(to.chunks_exact_mut(tiles.rows)) {
                pack_column(&weight[tap.weight..], strides.row, rows, to);
            }
        }
    };
    // Some channels of all blocks at a time: the weight is read in its order, many rows at once.
    let chunks = planes.channels.div_ceil(CHANNELS);
    // SAFETY: each task writes its own channels of the columns, and together they write all.
    let packed = unsafe {
        written_by(length, |packed: Shared| {
            (0..planes.groups * chunks)
                .into_par_iter()
                .with_min_len(GRAIN.div_ceil(CHANNELS.min(planes.channels) * planes.rows * taps))
                .for_each(|index| {
                    let (group, chunk) = (index / chunks, index % chunks);
                    let first = chunk * CHANNELS;
                    let channels = first..planes.channels.min(first + CHANNELS);
                    for block in 0..blocks {
                        let at = (group * blocks + block) * column + first * taps * tiles.rows;
                        let length = channels.len() * taps * tiles.rows;
                        let to = std::slice::from_raw_parts_mut(packed.get().add(at), length);
                        pack(group, block, channels.clone(), to);
                    }
                });
        })
    };
    Temporary::new(packed)
}

/// `to[r] = from[r * stride]`, zeros behind the last row.
#[inline(always)]
fn pack_column(from: &[f32], stride: usize, rows: usize, to: &mut [f32]) {
    if stride == 1 && rows == to.len() {
        to.copy_from_slice(&from[..rows]);
        return;
    }
    for (row, to) in to.iter_mut().enumerate() {
        *to = if row < rows { from[row * stride] } else { 0.0 };
    }
}
