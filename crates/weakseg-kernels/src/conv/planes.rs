//! What a correlation works on: planes and packed weights.

use std::ops::Range;

use rayon::prelude::*;

use super::ending::Ending;
use super::lattice::Correlation;
use super::shape::ConvShape;
use super::transpose::transpose;
use crate::scratch::{Shared, Temporary, with_buffers, written_by};
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
    /// What follows: of all destination channels. The bias is what sums start from.
    pub ending: Ending<'a>,
}

impl<'a> Planes<'a> {
    /// Those of a forward pass.
    pub fn forward(shape: &ConvShape, x: &'a [f32], ending: Ending<'a>) -> Self {
        Self {
            batch: shape.batch,
            groups: shape.options.groups,
            channels: shape.group_inputs(),
            rows: shape.group_outputs(),
            source: x,
            source_size: shape.size,
            destination_size: shape.output_size,
            ending,
        }
    }

    /// Those of an input gradient.
    pub fn input_gradient(shape: &ConvShape, output_gradient: &'a [f32]) -> Self {
        Self {
            batch: shape.batch,
            groups: shape.options.groups,
            channels: shape.group_outputs(),
            rows: shape.group_inputs(),
            source: output_gradient,
            source_size: shape.output_size,
            destination_size: shape.size,
            ending: Ending::default(),
        }
    }
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

impl WeightStrides {
    /// In a forward pass.
    pub fn forward(shape: &ConvShape) -> Self {
        let row = shape.group_inputs() * shape.taps();
        Self {
            group: shape.group_outputs() * row,
            row,
            channel: shape.taps(),
        }
    }

    /// In an input gradient.
    pub fn input_gradient(shape: &ConvShape) -> Self {
        let Self {
            group,
            row,
            channel,
        } = Self::forward(shape);
        Self {
            group,
            row: channel,
            channel: row,
        }
    }
}

/// The weight in columns of `tiles.rows` destination channels: `[group, block, channel, tap, row]`,
/// zero behind the last row.
pub(crate) struct WeightColumns {
    values: Temporary,
    rows: usize,
    taps: usize,
}

/// Copies a column. The usual ones have a length that the compiler knows: a call for each would cost more than the
/// copy.
#[inline(always)]
fn copy_column(from: &[f32], to: &mut [f32]) {
    if let (Some(from), Some(to)) = (from.as_array::<8>(), to.as_mut_array::<8>()) {
        *to = *from;
    } else if let (Some(from), Some(to)) = (from.as_array::<4>(), to.as_mut_array::<4>()) {
        *to = *from;
    } else {
        to.copy_from_slice(from);
    }
}

impl WeightColumns {
    /// Packs all `taps` taps.
    #[allow(unsafe_code)] // Columns are written by tasks of their own.
    pub fn new(
        tiles: &Tiles,
        weight: &[f32],
        strides: WeightStrides,
        planes: &Planes<'_>,
        taps: usize,
    ) -> Self {
        let blocks = planes.rows.div_ceil(tiles.rows);
        let column = taps * planes.channels * tiles.rows;
        let length = planes.groups * blocks * column;
        let pack = |group: usize, block: usize, channels: Range<usize>, to: &mut [f32]| {
            let first = block * tiles.rows;
            let rows = tiles.rows.min(planes.rows - first);
            let weight = &weight[group * strides.group + first * strides.row..];
            if strides.channel == taps {
                // Forward: the channels' kernels lie behind one another.
                let weight = &weight[channels.start * taps..];
                let depth = channels.len() * taps;
                transpose(tiles.set, weight, strides.row, rows, depth, to, tiles.rows);
                return;
            }
            // Input gradient: the rows' kernels do.
            for (channel, to) in channels.zip(to.chunks_exact_mut(taps * tiles.rows)) {
                let weight = &weight[channel * strides.channel..];
                if taps > 1 {
                    transpose(tiles.set, weight, strides.row, rows, taps, to, tiles.rows);
                } else {
                    copy_column(&weight[..rows], &mut to[..rows]);
                    to[rows..].fill(0.0);
                }
            }
        };
        // Some channels of all blocks at a time: the weight is read in its order, many rows at once.
        let chunks = planes.channels.div_ceil(CHANNELS);
        let least = GRAIN.div_ceil(CHANNELS.min(planes.channels) * planes.rows * taps);
        // SAFETY: each task writes its own channels of the columns, and together they write all.
        let values = unsafe {
            written_by(length, |packed: Shared| {
                (0..planes.groups * chunks)
                    .into_par_iter()
                    .with_min_len(least)
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
        Self {
            values: Temporary::new(values),
            rows: tiles.rows,
            taps,
        }
    }

    /// Hands over the columns of a correlation's taps, in its order.
    pub fn with_taps_of<R>(&self, correlation: &Correlation, body: impl FnOnce(&[f32]) -> R) -> R {
        if correlation.is_whole_kernel(self.taps) {
            return body(&self.values);
        }
        let (from, to) = (self.taps * self.rows, correlation.taps.len() * self.rows);
        let channels = self.values.len() / from;
        with_buffers([channels * to], |[some]| {
            some.par_chunks_exact_mut(to)
                .zip(self.values.par_chunks_exact(from))
                .with_min_len(GRAIN.div_ceil(to))
                .for_each(|(to, from)| {
                    let columns = to.chunks_exact_mut(self.rows);
                    for (to, tap) in columns.zip(&correlation.taps) {
                        copy_column(&from[tap.weight * self.rows..][..self.rows], to);
                    }
                });
            body(some)
        })
    }
}
