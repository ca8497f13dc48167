//! Source tiles: copied with their padding, transformed, one tile a lane.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use super::super::prefetch::prefetch;
use super::super::transpose::{SIDE, transpose_block};
use super::tiling::{RowCopy, TileBlock};
use super::transform::{Source, TILE, both_axes};
use crate::tile::{RUN, Tiles, Vector, for_every_set};

/// Copies a block's part of one source plane: rows of `block.pitch` values. `channel` is the
/// number of the plane in an image, `plane` the values of a plane.
pub(super) fn copy(
    block: &TileBlock,
    source: &[f32],
    channel: usize,
    plane: usize,
    scratch: &mut [f32],
) {
    for (row, copy) in block.copies.iter().enumerate() {
        let to = &mut scratch[row * block.pitch..];
        let from = channel * plane + copy.from;
        if block.step == 1 {
            copy_row(source, from, copy, to);
            for at in (0..copy.present).step_by(RUN) {
                // The same row of the next channel lies too far for the hardware to foresee.
                prefetch(source.as_ptr().wrapping_add(from + plane + at));
            }
        } else {
            let (zeros, to) = to.split_at_mut(copy.before);
            zeros.fill(0.0);
            let (to, rest) = to.split_at_mut(copy.present);
            rest[..copy.after].fill(0.0);
            let from = source[from..].iter().step_by(block.step);
            for (value, from) in to.iter_mut().zip(from) {
                *value = *from;
            }
        }
    }
}

/// Copies a row in whole runs: rows are short, and what is written too much behind a row is
/// overwritten by the next one, or lies in the slack.
fn copy_row(source: &[f32], from: usize, copy: &RowCopy, to: &mut [f32]) {
    let zeros = |to: &mut [f32], count: usize| {
        for at in (0..count).step_by(RUN) {
            to[at..at + RUN].copy_from_slice(&[0.0; RUN]);
        }
    };
    zeros(to, copy.before);
    let to = &mut to[copy.before..];
    if let Some(values) = source.get(from..from + copy.present.next_multiple_of(RUN)) {
        for (to, values) in to.chunks_exact_mut(RUN).zip(values.chunks_exact(RUN)) {
            to.copy_from_slice(values);
        }
    } else {
        to[..copy.present].copy_from_slice(&source[from..][..copy.present]);
    }
    zeros(&mut to[copy.present..], copy.after);
}

struct Plane<'a> {
    block: &'a TileBlock,
    scratch: *const f32,
    to: *mut f32,
    stride: usize,
}

/// Transforms the tiles of one copied plane: product `k` of lane `l` goes to `to[k * stride + l]`.
///
/// # Safety
///
/// `to` must be writable for `block.lanes` values at each of the 36 strides.
pub(super) unsafe fn transform(
    tiles: &Tiles,
    block: &TileBlock,
    scratch: &[f32],
    to: *mut f32,
    stride: usize,
) {
    assert!(scratch.len() >= block.scratch, "scratch size");
    let plane = Plane {
        block,
        scratch: scratch.as_ptr(),
        to,
        stride,
    };
    // SAFETY: a tile's offset and the five rows and columns behind it lie in the copy; the caller
    // vouches for the destination.
    unsafe { transform_plane(tiles, &plane) };
}

for_every_set!(transform_plane, plane, Plane<'_>);

/// # Safety
///
/// The block's copy must be readable and every product of its lanes writable, by nobody else; and as [`Vector::splat`].
#[inline(always)]
unsafe fn plane<V: Vector>(plane: &Plane<'_>) {
    let pitch = plane.block.pitch;
    let mut tile = [[[0.0f32; RUN]; TILE]; TILE];
    for (group, offsets) in plane.block.offsets.chunks_exact(RUN).enumerate() {
        // SAFETY: offsets, rows and columns lie in the copy, as the caller says.
        unsafe {
            for (four, offsets) in offsets.chunks_exact(SIDE).enumerate() {
                for (i, row) in tile.iter_mut().enumerate() {
                    let at = |column: usize| -> [&[f32; SIDE]; SIDE] {
                        std::array::from_fn(|t| {
                            &*plane
                                .scratch
                                .add(offsets[t] + i * pitch + column)
                                .cast::<[f32; SIDE]>()
                        })
                    };
                    let left = transpose_block(at(0));
                    let right = transpose_block(at(2));
                    let columns = [left[0], left[1], left[2], left[3], right[2], right[3]];
                    for (lanes, column) in row.iter_mut().zip(columns) {
                        lanes[four * SIDE..][..SIDE].copy_from_slice(&column);
                    }
                }
            }
            for lane in (0..RUN).step_by(V::LANES) {
                both_axes::<Source, V, _, _>(
                    tile.as_ptr().cast::<f32>().add(lane),
                    [TILE * RUN, RUN],
                    plane.to.add(group * RUN + lane),
                    plane.stride,
                );
            }
        }
    }
}
