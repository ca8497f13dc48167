//! Tiles of planes with the channels innermost, transformed, one channel a lane.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use std::ops::Range;

use super::super::transpose::transpose;
use super::tiling::TileBlock;
use super::transform::{PRODUCTS, Source, Upstream, both_axes};
use crate::instructions::Instructions;
use crate::tile::{RUN, Tiles, Vector, for_every_set};

/// Copies a block's part of some planes as `[row, column, channel]`, `width` values a pixel.
/// `planes` are plane numbers in an image, `plane` the values of one. `strided` has room for a row
/// of every plane.
pub(super) fn copy(
    set: Instructions,
    block: &TileBlock,
    source: &[f32],
    planes: Range<usize>,
    plane: usize,
    width: usize,
    strided: &mut [f32],
    to: &mut [f32],
) {
    for (row, copy) in block.copies.iter().enumerate() {
        let to = &mut to[row * block.pitch * width..][..block.pitch * width];
        let end = copy.before + copy.present;
        to[..copy.before * width].fill(0.0);
        to[end * width..].fill(0.0);
        if copy.present == 0 {
            continue;
        }
        let to = &mut to[copy.before * width..end * width];
        let from = &source[planes.start * plane + copy.from..];
        let channels = planes.len();
        if block.step == 1 {
            transpose(set, from, plane, channels, copy.present, to, width);
            continue;
        }
        let lines = strided.chunks_exact_mut(copy.present).take(channels);
        for (channel, line) in lines.enumerate() {
            let from = from[channel * plane..].iter().step_by(block.step);
            for (value, from) in line.iter_mut().zip(from) {
                *value = *from;
            }
        }
        transpose(
            set,
            strided,
            copy.present,
            channels,
            copy.present,
            to,
            width,
        );
    }
}

struct Pixels<'a> {
    block: &'a TileBlock,
    width: usize,
    from: *const f32,
    to: *mut f32,
    stride: usize,
    rows: usize,
}

impl<'a> Pixels<'a> {
    fn new(
        block: &'a TileBlock,
        width: usize,
        from: &[f32],
        to: &mut [f32],
        stride: usize,
        rows: usize,
    ) -> Self {
        let tiles = block.places.len();
        assert!(from.len() >= block.copies.len() * block.pitch * width);
        assert!(stride >= tiles * width && to.len() >= PRODUCTS * stride);
        assert!(width.is_multiple_of(RUN) && [4, 8].contains(&rows));
        Self {
            block,
            width,
            from: from.as_ptr(),
            to: to.as_mut_ptr(),
            stride,
            rows,
        }
    }
}

/// Transforms copied source tiles to `[product, tile, channel]`, `stride` values a product.
pub(super) fn transform_source(
    tiles: &Tiles,
    block: &TileBlock,
    width: usize,
    from: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let pixels = Pixels::new(block, width, from, to, stride, tiles.rows);
    // SAFETY: a tile's offset and the rows and columns behind it lie in the copy, and the results
    // in the destination (sizes asserted).
    unsafe { source_pixels(tiles, &pixels) };
}

for_every_set!(source_pixels, source, Pixels<'_>);

/// # Safety
///
/// The block's copy must be readable and every product of its tiles writable, by nobody else; and as [`Vector::splat`].
#[inline(always)]
unsafe fn source<V: Vector>(pixels: &Pixels<'_>) {
    let Pixels { block, width, .. } = *pixels;
    for (tile, offset) in block.offsets[..block.places.len()].iter().enumerate() {
        for lane in (0..width).step_by(V::LANES) {
            // SAFETY: the caller vouches for the copy and the destination.
            unsafe {
                both_axes::<Source, V, _, _>(
                    pixels.from.add(offset * width + lane),
                    [block.pitch * width, width],
                    pixels.to.add(tile * width + lane),
                    pixels.stride,
                );
            }
        }
    }
}

/// Transforms copied tiles of the output gradient to `[product, channel block, tile, row]`,
/// `stride` values a product.
pub(super) fn transform_upstream(
    tiles: &Tiles,
    block: &TileBlock,
    width: usize,
    from: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let pixels = Pixels::new(block, width, from, to, stride, tiles.rows);
    // SAFETY: as above.
    unsafe { upstream_pixels(tiles, &pixels) };
}

for_every_set!(upstream_pixels, upstream, Pixels<'_>);

/// # Safety
///
/// As [`source`].
#[inline(always)]
unsafe fn upstream<V: Vector>(pixels: &Pixels<'_>) {
    let Pixels {
        block, width, rows, ..
    } = *pixels;
    let tiles = block.places.len();
    let mut products = [[0.0f32; RUN]; PRODUCTS];
    for (tile, offset) in block.offsets[..tiles].iter().enumerate() {
        for run in (0..width).step_by(RUN) {
            // SAFETY: the caller vouches for the copy and the destination: RUN channels are whole
            // blocks of rows.
            unsafe {
                for lane in (0..RUN).step_by(V::LANES) {
                    both_axes::<Upstream, V, _, _>(
                        pixels.from.add(offset * width + run + lane),
                        [block.pitch * width, width],
                        products.as_mut_ptr().cast::<f32>().add(lane),
                        RUN,
                    );
                }
                // Of a constant length, so that they are moves and not calls.
                let to = pixels.to.add((run / rows * tiles + tile) * rows);
                match rows {
                    8 => deal::<8>(&products, to, pixels.stride, tiles),
                    _ => deal::<4>(&products, to, pixels.stride, tiles),
                }
            }
        }
    }
}

/// Deals a run of each product out to the columns of `ROWS` channels each, `tiles` columns apart.
///
/// # Safety
///
/// The columns must be writable.
#[inline(always)]
unsafe fn deal<const ROWS: usize>(
    products: &[[f32; RUN]; PRODUCTS],
    to: *mut f32,
    stride: usize,
    tiles: usize,
) {
    for (product, values) in products.iter().enumerate() {
        for at in 0..RUN / ROWS {
            // SAFETY: the run holds the columns; the caller vouches for their places.
            unsafe {
                let column = values.as_ptr().add(at * ROWS).cast::<[f32; ROWS]>();
                let to = to.add(product * stride + at * tiles * ROWS);
                to.cast::<[f32; ROWS]>().write_unaligned(*column);
            }
        }
    }
}
