//! Source tiles: copied with their padding, transformed, one tile a lane.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use super::super::transpose::{SIDE, transpose_block};
use super::tiling::{RowCopy, TileBlock};
use super::transform::{PRODUCTS, Source, TILE, both_axes, for_every_set};
use crate::tile::{RUN, Tiles, Vector};

/// Copies a block's part of one source plane: rows of `block.pitch` values. `plane` is the index
/// of the channel's plane in image 0.
pub(super) fn copy(block: &TileBlock, source: &[f32], plane: usize, scratch: &mut [f32]) {
    for (row, copy) in block.copies.iter().enumerate() {
        let to = row * block.pitch;
        if copy.present == 0 {
            scratch[to..to + block.pitch].fill(0.0);
        } else if block.step == 1 {
            copy_row(
                source,
                plane + copy.from,
                copy,
                block.pitch,
                &mut scratch[to..],
            );
        } else {
            let row = &mut scratch[to..to + block.pitch];
            row[..copy.before].fill(0.0);
            row[copy.before + copy.present..].fill(0.0);
            let from = source[plane + copy.from..].iter().step_by(block.step);
            for (value, from) in row[copy.before..][..copy.present].iter_mut().zip(from) {
                *value = *from;
            }
        }
    }
}

/// Copies a row in whole runs: rows are short, and what is written too much behind a row is
/// overwritten by the next one, or lies in the slack.
fn copy_row(source: &[f32], from: usize, copy: &RowCopy, pitch: usize, to: &mut [f32]) {
    const ZEROS: [f32; RUN] = [0.0; RUN];
    let mut run = |at: usize, values: &[f32]| to[at..at + RUN].copy_from_slice(&values[..RUN]);
    for at in (0..copy.before).step_by(RUN) {
        run(at, &ZEROS);
    }
    let whole = copy.present.next_multiple_of(RUN);
    if let Some(values) = source.get(from..from + whole) {
        for at in (0..copy.present).step_by(RUN) {
            run(copy.before + at, &values[at..]);
        }
    } else {
        to[copy.before..][..copy.present].copy_from_slice(&source[from..][..copy.present]);
    }
    let mut run = |at: usize, values: &[f32]| to[at..at + RUN].copy_from_slice(&values[..RUN]);
    for at in (copy.before + copy.present..pitch).step_by(RUN) {
        run(at, &ZEROS);
    }
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
/// `to` must be writable for `block.lanes` values at each of the [`PRODUCTS`] strides.
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
    debug_assert!(PRODUCTS == TILE * TILE);
}
