//! What a correlation works on: planes and packed weights.

use rayon::prelude::*;

use super::lattice::Correlation;
use super::transpose::transpose;
use crate::scratch::{Shared, written_by};
use crate::tile::Tiles;

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
) -> Vec<f32> {
    let blocks = planes.rows.div_ceil(tiles.rows);
    let taps = correlation.taps.len();
    let column = taps * planes.channels * tiles.rows;
    // All taps, in the order of the weight: with one channel behind the other in a row (forward)
    // the whole row is a row of a matrix, else (input gradient) that of one channel is.
    let in_order = correlation.is_whole_kernel(strides.channel.min(strides.row));
    let length = planes.groups * blocks * column;
    // SAFETY: each task writes the whole of its own block's columns.
    unsafe {
        written_by(length, |packed: Shared| {
            (0..planes.groups * blocks)
                .into_par_iter()
                .for_each(|index| {
                    let (group, first) = (index / blocks, index % blocks * tiles.rows);
                    let rows = tiles.rows.min(planes.rows - first);
                    let weight = &weight[group * strides.group + first * strides.row..];
                    let block =
                        std::slice::from_raw_parts_mut(packed.get().add(index * column), column);
                    if in_order && strides.channel == taps {
                        let depth = planes.channels * taps;
                        transpose(weight, strides.row, rows, depth, block, tiles.rows);
                    } else if in_order && taps > 1 {
                        for (channel, block) in
                            block.chunks_exact_mut(taps * tiles.rows).enumerate()
                        {
                            let weight = &weight[channel * strides.channel..];
                            transpose(weight, strides.row, rows, taps, block, tiles.rows);
                        }
                    } else {
                        for (at, column) in block.chunks_exact_mut(tiles.rows).enumerate() {
                            let from =
                                at / taps * strides.channel + correlation.taps[at % taps].weight;
                            pack_column(&weight[from..], strides.row, rows, column);
                        }
                    }
                });
        })
    }
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
