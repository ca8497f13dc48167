//! Transformed weights, packed for the block kernel.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use super::pass::Pass;
use super::source::prefetch;
use super::transform::{PRODUCTS, TILE, Weight, both_axes};
#[cfg(target_arch = "x86_64")]
use crate::bf16::x86::transposed;
#[cfg(target_arch = "x86_64")]
use crate::tile::Set;
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

/// Kernels of a run of lanes, tap by tap, and where their products go.
struct Part<'a> {
    taps: &'a [[f32; RUN]; TAPS],
    to: *mut f32,
    stride: usize,
}

for_every_set!(transform_part, part, Part<'_>);

#[inline(always)]
unsafe fn part<V: Vector>(part: &Part<'_>) {
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

/// The kernel of a lane that has none.
const NONE: [f32; TAPS] = [0.0; TAPS];

/// Tap `t` of every kernel as `to[t]`.
fn side_by_side(tiles: &Tiles, kernels: &[&[f32; TAPS]; RUN], to: &mut [[f32; RUN]; TAPS]) {
    #[cfg(target_arch = "x86_64")]
    if tiles.set == Set::Avx512 {
        // SAFETY: tiles are only handed out where the machine runs their set.
        unsafe { transpose_taps(kernels, to) };
        return;
    }
    for (lane, kernel) in kernels.iter().enumerate() {
        for (tap, to) in to.iter_mut().enumerate() {
            to[lane] = kernel[tap];
        }
    }
}

/// As [`side_by_side`].
///
/// # Safety
///
/// The machine must have AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn transpose_taps(kernels: &[&[f32; TAPS]; RUN], to: &mut [[f32; RUN]; TAPS]) {
    use std::arch::x86_64::{_mm512_maskz_loadu_epi32, _mm512_setzero_si512, _mm512_storeu_si512};
    let mut rows = [_mm512_setzero_si512(); RUN];
    for (row, kernel) in rows.iter_mut().zip(kernels) {
        // SAFETY: the mask lets the kernel's own values be read.
        *row = unsafe { _mm512_maskz_loadu_epi32((1 << TAPS) - 1, kernel.as_ptr().cast()) };
    }
    for (to, values) in to.iter_mut().zip(transposed(rows)) {
        // SAFETY: a row of 16 values.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), values) };
    }
}

/// Channels between those that are transformed and those that are fetched.
const AHEAD: usize = 16;

/// Fetches `length` values in each of some rows, the first at `at`. The kernels of a turned pass's channels lie too far
/// apart for the processor to see by itself which come next.
fn fetch(values: &[f32], at: usize, rows: usize, stride: usize, length: usize) {
    for row in 0..rows {
        let values = values.get(at + row * stride..).unwrap_or_default();
        for line in values[..length.min(values.len())].chunks(RUN) {
            prefetch(line.as_ptr());
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
    let mut taps = [[0.0; RUN]; TAPS];
    for channel in (0..pass.channels).step_by(RUN / columns.rows) {
        if pass.turned {
            let ahead = (first * pass.row_stride) + (channel + AHEAD) * pass.channel_stride;
            fetch(
                pass.weight,
                ahead,
                RUN / columns.rows,
                pass.channel_stride,
                rows * TAPS,
            );
        }
        let mut kernels = [&NONE; RUN];
        for (lane, kernel) in kernels.iter_mut().enumerate() {
            let (row, channel) = (lane % columns.rows, channel + lane / columns.rows);
            if row < rows && channel < pass.channels {
                let at = (first + row) * pass.row_stride + channel * pass.channel_stride;
                *kernel = pass.weight[at..at + TAPS]
                    .try_into()
                    .expect("a slice of TAPS");
            }
        }
        side_by_side(tiles, &kernels, &mut taps);
        if pass.turned {
            taps.reverse();
        }
        let part = Part {
            taps: &taps,
            to: to[channel * columns.rows..].as_mut_ptr(),
            stride: columns.product,
        };
        // SAFETY: a product holds whole runs up to the last channel, and `to` all products.
        unsafe { transform_part(tiles, &part) };
    }
}
