//! Transformed weights, packed for the block kernel.
#![allow(unsafe_code)] // Vectors and raw pointers; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::super::prefetch::prefetch;
use super::pass::Pass;
use super::transform::{PRODUCTS, TILE, Weight, both_axes};
#[cfg(target_arch = "x86_64")]
use crate::bf16::x86::transposed;
#[cfg(target_arch = "x86_64")]
use crate::instructions::Set;
use crate::scratch::{Temporary, written_by};
use crate::tile::{RUN, Tiles, Vector, for_every_set};

/// Taps of the kernel.
const TAPS: usize = 9;
/// Kernels of a run of lanes, tap by tap.
type Taps = [[f32; RUN]; TAPS];

/// How the transformed weights of some source channels and `tiles.rows` destination channels lie:
/// `[product, channel, row]`.
pub(super) struct Columns {
    /// The source channels: the first is the first of a part of the gathered kernels.
    pub channels: Range<usize>,
    rows: usize,
    /// Values of one product: the columns of the source channels, and some more that keep the
    /// products off each other's places in the cache.
    pub product: usize,
}

impl Columns {
    pub fn new(tiles: &Tiles, channels: Range<usize>) -> Self {
        assert_eq!(channels.start % (RUN / tiles.rows), 0, "begins a part");
        Self {
            rows: tiles.rows,
            product: (channels.len() * tiles.rows).next_multiple_of(RUN) + RUN,
            channels,
        }
    }

    /// Values of all products.
    pub fn len(&self) -> usize {
        PRODUCTS * self.product
    }
}

/// Kernels of a run of lanes, tap by tap, and where their products go.
struct Part<'a> {
    taps: &'a Taps,
    to: *mut f32,
    stride: usize,
}

for_every_set!(transform_part, part, Part<'_>);

/// # Safety
///
/// Every product of the part's lanes must be writable, by nobody else; and as [`Vector::splat`].
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
fn side_by_side(tiles: &Tiles, kernels: &[&[f32; TAPS]; RUN], to: &mut Taps) {
    #[cfg(target_arch = "x86_64")]
    if tiles.set.set() == Set::Avx512 {
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
unsafe fn transpose_taps(kernels: &[&[f32; TAPS]; RUN], to: &mut Taps) {
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

/// Every kernel of a weight that is not turned, as the transform reads it: `[block of destination channels, part of the
/// source channels]`.
pub(in super::super) struct GatheredKernels {
    taps: Temporary,
    /// Parts of a block.
    parts: usize,
}

impl GatheredKernels {
    pub(super) fn new(tiles: &Tiles, pass: &Pass<'_>) -> Self {
        let rows = tiles.rows;
        let parts = pass.channels.div_ceil(RUN / rows);
        let length = pass.rows.div_ceil(rows) * parts * TAPS * RUN;
        // SAFETY: the tasks' chunks are all of the values, and each is written whole.
        let taps = unsafe {
            written_by(length, |taps| {
                let taps = std::slice::from_raw_parts_mut(taps.get(), length);
                let (taps, _) = taps.as_chunks_mut::<RUN>();
                let (taps, _) = taps.as_chunks_mut::<TAPS>();
                (taps.par_chunks_exact_mut(parts).enumerate()).for_each(|(block, taps)| {
                    for (part, taps) in taps.iter_mut().enumerate() {
                        gather(tiles, pass, block * rows, part * (RUN / rows), taps);
                    }
                });
            })
        };
        Self {
            taps: Temporary::new(taps),
            parts,
        }
    }

    /// The kernels of a part of a block.
    fn part(&self, block: usize, part: usize) -> &Taps {
        let (taps, _) = self.taps.as_chunks::<RUN>();
        let (taps, _) = taps.as_chunks::<TAPS>();
        &taps[block * self.parts..][..self.parts][part]
    }
}

/// Gathers the kernels of `tiles.rows` destination channels from `row` on and as many source channels from `channel` on
/// as fill a run; what is missing is zero.
fn gather(tiles: &Tiles, pass: &Pass<'_>, row: usize, channel: usize, taps: &mut Taps) {
    let rows = tiles.rows.min(pass.rows - row);
    let mut kernels = [&NONE; RUN];
    for (lane, kernel) in kernels.iter_mut().enumerate() {
        let (lane, channel) = (lane % tiles.rows, channel + lane / tiles.rows);
        if lane < rows && channel < pass.channels {
            let at = (row + lane) * pass.row_stride + channel * pass.channel_stride;
            *kernel = pass.weight[at..at + TAPS]
                .try_into()
                .expect("a slice of TAPS");
        }
    }
    side_by_side(tiles, &kernels, taps);
}

/// Transforms the weights of the block of destination channels from `block * tiles.rows` on; rows
/// behind the last one are zero.
pub(super) fn transform(
    tiles: &Tiles,
    pass: &Pass<'_>,
    columns: &Columns,
    block: usize,
    to: &mut [f32],
) {
    assert!(to.len() >= columns.len(), "room for the products");
    let first = block * columns.rows;
    let rows = columns.rows.min(pass.rows - first);
    let channels = RUN / columns.rows;
    let mut gathered = [[0.0; RUN]; TAPS];
    for channel in columns.channels.clone().step_by(channels) {
        let taps = if let Some(kernels) = pass.kernels {
            kernels.part(block, channel / channels)
        } else {
            if pass.turned {
                let ahead = (first * pass.row_stride) + (channel + AHEAD) * pass.channel_stride;
                let (weight, stride) = (pass.weight, pass.channel_stride);
                fetch(weight, ahead, channels, stride, rows * TAPS);
            }
            gather(tiles, pass, first, channel, &mut gathered);
            if pass.turned {
                gathered.reverse();
            }
            &gathered
        };
        let part = Part {
            taps,
            to: to[(channel - columns.channels.start) * columns.rows..].as_mut_ptr(),
            stride: columns.product,
        };
        // SAFETY: a product holds whole runs up to the last channel, and `to` all products.
        unsafe { transform_part(tiles, &part) };
    }
}
