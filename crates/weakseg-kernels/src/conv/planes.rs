//! What a correlation works on: planes and packed weights.

use rayon::prelude::*;

use super::lattice::Correlation;
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
    let column = correlation.taps.len() * planes.channels * tiles.rows;
    let mut packed = vec![0.0; planes.groups * blocks * column];
    packed
        .par_chunks_mut(column)
        .enumerate()
        .for_each(|(index, block)| {
            let (group, first) = (index / blocks, index % blocks * tiles.rows);
            let rows = tiles.rows.min(planes.rows - first);
            let base = group * strides.group + first * strides.row;
            let taps = correlation.taps.len();
            for (at, column) in block.chunks_exact_mut(tiles.rows).enumerate() {
                let from = base + at / taps * strides.channel + correlation.taps[at % taps].weight;
                for (row, value) in column[..rows].iter_mut().enumerate() {
                    *value = weight[from + row * strides.row];
                }
            }
        });
    packed
}
