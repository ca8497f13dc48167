//! Transformed weights, packed for the block kernel.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use super::pass::Pass;
use super::transform::{PRODUCTS, TILE, Weight, both_axes};
use crate::tile::{RUN, Tiles, Vector, for_every_set};

/// Taps of the kernel.
const TAPS: usize = 9;

/// How the transformed weights of `tiles.rows` destination channels lie:
/// `[product, channel, row]`.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    rows: usize,
    /// Values of one product: the columns of all source channels, and some more that keep the
    /// products off each other's places in the cache.
    pub product: usize,
}

impl Columns {
    pub fn new(tiles: &Tiles, pass: &Pass<'_>) -> Self {
        Self {
            rows: tiles.rows,
            product: (pass.channels * tiles.rows).next_multiple_of(RUN) + RUN,
        }
    }

    /// Values of all products.
    pub fn len(&self) -> usize {
        PRODUCTS * self.product
    }
}

struct Part {
    taps: [[f32; RUN]; TAPS],
    to: *mut f32,
    stride: usize,
}

for_every_set!(transform_part, part, Part);

#[inline(always)]
unsafe fn part<V: Vector>(part: &Part) {
    for lane in (0..RUN).step_by(V::LANES) {
        // SAFETY: the taps are whole runs; the caller vouches for the destination.
        unsafe {
            both_axes::<Weight, V, _, _>(
                part.taps.as_ptr().cast::<f32>().add(lane),
                [TILE / 2 * RUN, RUN],
                part.to.add(lane),
                part.stride,
            );
        }
    }
}

/// Transforms the weights of the block of destination channels from `block * tiles.rows` on; rows
/// behind the last one are zero.
pub(super) fn transform(
    tiles: &Tiles,
    pass: &Pass<'_>,
    columns: Columns,
    block: usize,
    to: &mut [f32],
) {
    assert!(to.len() >= columns.len(), "room for the products");
    let first = block * columns.rows;
    let rows = columns.rows.min(pass.rows - first);
    let mut part = Part {
        taps: [[0.0; RUN]; TAPS],
        to: to.as_mut_ptr(),
        stride: columns.product,
    };
    for channel in (0..pass.channels).step_by(RUN / columns.rows) {
        for lane in 0..RUN {
            let (row, channel) = (lane % columns.rows, channel + lane / columns.rows);
            if row >= rows || channel >= pass.channels {
                continue;
            }
            let at = (first + row) * pass.row_stride + channel * pass.channel_stride;
            let kernel: &[f32; TAPS] = pass.weight[at..at + TAPS]
                .try_into()
                .expect("a slice of TAPS");
            for tap in 0..TAPS {
                let from = if pass.turned { TAPS - 1 - tap } else { tap };
                part.taps[tap][lane] = kernel[from];
            }
        }
        part.to = to[channel * columns.rows..].as_mut_ptr();
        // SAFETY: a product holds whole runs up to the last channel, and `to` all products.
        unsafe { transform_part(tiles, &part) };
    }
}
