//! Sums of products back to destination pixels.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use super::super::prefetch::prefetch;
use super::super::transpose::{SIDE, transpose_block};
use super::tiling::TileBlock;
use super::transform::{Destination, STEP, both_axes};
use crate::norm::ChannelMap;
use crate::tile::{RUN, Vector, for_every_set};

/// The sums of a block's tiles of one destination channel, and where its pixels go.
pub(super) struct Sums<'a> {
    pub block: &'a TileBlock,
    /// Sum of product `k` of lane `l` at `k * stride + l`.
    pub from: *const f32,
    pub stride: usize,
    pub bias: f32,
    /// What the channel's values go through.
    pub map: Option<ChannelMap>,
    /// The channel's plane in image 0.
    pub plane: *mut f32,
    /// Values to the next channel's plane.
    pub next: usize,
    /// Values between neighbouring rows and columns of a tile in the plane.
    pub steps: [usize; 2],
}

for_every_set!(
    /// Writes the pixels of one channel.
    pub(super) transform, sums, Sums<'_>
);

/// # Safety
///
/// The sums must be readable and the places of the tiles writable, by nobody else; and as [`Vector::splat`].
#[inline(always)]
unsafe fn sums<V: Vector>(sums: &Sums<'_>) {
    let mut pixels = [[[0.0f32; RUN]; STEP]; STEP];
    for (group, places) in sums.block.places.chunks(RUN).enumerate() {
        // SAFETY: the caller vouches for the sums and the places.
        unsafe {
            for lane in (0..RUN).step_by(V::LANES) {
                both_axes::<Destination, V, _, _>(
                    sums.from.add(group * RUN + lane),
                    [6 * sums.stride, sums.stride],
                    pixels.as_mut_ptr().cast::<f32>().add(lane),
                    RUN,
                );
            }
            // While a vector holds one pixel of many tiles.
            for value in pixels.as_flattened_mut().as_flattened_mut() {
                *value += sums.bias;
            }
            if let Some(map) = sums.map {
                for value in pixels.as_flattened_mut().as_flattened_mut() {
                    *value = map.output(*value);
                }
            }
            for (four, places) in places.chunks(SIDE).enumerate() {
                for (i, row) in pixels.iter().enumerate() {
                    let tiles = transpose_block(std::array::from_fn(|column| {
                        row[column][four * SIDE..][..SIDE]
                            .try_into()
                            .expect("a slice of SIDE")
                    }));
                    let row = sums.plane.wrapping_add(places[0].at + i * sums.steps[0]);
                    prefetch(row.wrapping_add(sums.next));
                    for (place, tile) in places.iter().zip(tiles) {
                        if i >= place.rows {
                            continue;
                        }
                        let to = sums.plane.add(place.at + i * sums.steps[0]);
                        if place.columns == STEP && sums.steps[1] == 1 {
                            to.cast::<[f32; STEP]>().write_unaligned(tile);
                        } else {
                            for (column, value) in tile[..place.columns].iter().enumerate() {
                                *to.add(column * sums.steps[1]) = *value;
                            }
                        }
                    }
                }
            }
        }
    }
}
