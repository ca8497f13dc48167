//! Weights as the other operand of a product.
#![allow(unsafe_code)] // Blocks are written by tasks of their own.

use rayon::prelude::*;

use super::super::lattice::Correlation;
use super::super::planes::{Planes, WeightStrides};
use super::order::Order;
use crate::bf16::{Bf16, HALF, SIDE, STEP, Tile};
use crate::scratch::{Shared, Temporary, written_by};

/// bf16 values of the rows of a block in one step.
const TILE: usize = HALF * STEP;

/// The weight, zeros behind the last row and the last channel; an even number of row blocks. Where places are rows
/// `[block of 16 rows, block of 32 channels, tap, pair of channels, row]`, else `[…, row, channel]`.
pub(in super::super) struct WeightSteps {
    /// Two values in each.
    values: Temporary,
    row_steps: usize,
}

impl WeightSteps {
    pub(super) fn new(
        bf16: Bf16,
        weight: &[f32],
        strides: WeightStrides,
        planes: &Planes<'_>,
        correlation: &Correlation,
        order: Order,
    ) -> Self {
        let taps = correlation.taps.len();
        let (rows, channels) = (planes.rows, planes.channels);
        let row_steps = channels.div_ceil(STEP) * taps;
        let blocks = rows.div_ceil(SIDE) * 2;
        let last = correlation.taps.iter().map(|tap| tap.weight).max();
        let last = (rows - 1) * strides.row + (channels - 1) * strides.channel + last.unwrap_or(0);
        assert!(last < weight.len(), "weight size");
        assert!(strides.row.max(strides.channel) < 1 << 24, "weight strides");
        let length = blocks * row_steps * TILE / 2;
        // SAFETY: each task writes the whole of its own block; reads stay below `last`.
        let values = unsafe {
            written_by(length, |packed: Shared| {
                (0..blocks).into_par_iter().for_each(|block| {
                    let to = packed.get().cast::<u16>().add(block * row_steps * TILE);
                    for step in 0..row_steps {
                        let (channel, tap) = (step / taps * STEP, step % taps);
                        let count = STEP.min(channels - channel);
                        let first = block * HALF;
                        let at = first * strides.row
                            + channel * strides.channel
                            + correlation.taps[tap].weight;
                        let tile = Tile {
                            from: weight.as_ptr().wrapping_add(at),
                            rows: rows.saturating_sub(first).min(HALF),
                            columns: count,
                            row_stride: strides.row,
                            column_stride: strides.channel,
                        };
                        bf16.write_tile(&tile, order == Order::Rows, to.add(step * TILE));
                    }
                });
            })
        };
        Self {
            values: Temporary::new(values),
            row_steps,
        }
    }

    /// The 16 rows of a block, from a step on, of which a task reads `steps`.
    pub fn block(&self, block: usize, step: usize, steps: usize) -> *const u8 {
        assert!(step + steps <= self.row_steps);
        let at = (block * self.row_steps + step) * TILE / 2;
        self.values[at..][..steps * TILE / 2].as_ptr().cast()
    }
}
