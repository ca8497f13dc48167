//! The block kernel, generic over the vector type.
#![allow(unsafe_code)] // The bodies work on raw pointers under the contract of `Tiles::run`.
#![allow(clippy::needless_range_loop)] // Indices keep the block of registers legible, and unrolled.

use super::Block;
use super::dots::{COLUMNS, Dots};

/// A register of [`Vector::LANES`] f32 values.
///
/// # Safety
///
/// `LANES` must divide [`RUN`](super::RUN), and [`load`](Self::load) and [`store`](Self::store) touch
/// so many values and no others.
pub(crate) unsafe trait Vector: Copy {
    /// Values in the register.
    const LANES: usize;

    /// All lanes `value`.
    ///
    /// # Safety
    ///
    /// The machine, and the function that the call is inlined into, must have the implementor's instruction set.
    unsafe fn splat(value: f32) -> Self;

    /// Reads `LANES` values, unaligned.
    ///
    /// # Safety
    ///
    /// As [`splat`](Self::splat), and the values must be readable.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes `LANES` values, unaligned.
    ///
    /// # Safety
    ///
    /// As [`splat`](Self::splat), and the values must be writable.
    unsafe fn store(self, to: *mut f32);

    /// `a * b + self`.
    ///
    /// # Safety
    ///
    /// As [`splat`](Self::splat).
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// The sum of the lanes of each of four registers.
    ///
    /// # Safety
    ///
    /// As [`splat`](Self::splat).
    unsafe fn sums(of: [Self; 4]) -> [f32; 4];
}

/// `ROWS` rows of `VECTORS` registers each, kept in registers over the whole depth.
///
/// # Safety
///
/// As `Tiles::run`, with `width = VECTORS * LANES`, and as [`Vector::splat`]; `first` is null or readable for `ROWS`
/// values.
#[inline(always)]
pub(super) unsafe fn block<V: Vector, const ROWS: usize, const VECTORS: usize>(
    block: &Block,
    first: *const f32,
) {
    // SAFETY: every access is within the ranges of the function's contract.
    unsafe {
        let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                sums[r][v] = if first.is_null() {
                    V::load(block.out.add(r * block.row_stride + v * V::LANES))
                } else {
                    V::splat(*first.add(r))
                };
            }
        }
        let mut a = block.a;
        for k in 0..block.depth {
            let run = block.b.add(*block.offsets.add(k) as usize);
            let mut values = [V::splat(0.0); VECTORS];
            for v in 0..VECTORS {
                values[v] = V::load(run.add(v * V::LANES));
            }
            for r in 0..ROWS {
                let factor = V::splat(*a.add(r));
                for v in 0..VECTORS {
                    sums[r][v] = sums[r][v].add_product(factor, values[v]);
                }
            }
            a = a.add(ROWS);
        }
        for r in 0..ROWS {
            for v in 0..VECTORS {
                sums[r][v].store(block.out.add(r * block.row_stride + v * V::LANES));
            }
        }
    }
}

/// `ROWS` times [`COLUMNS`] dot products, each kept in the lanes of a register until the end.
///
/// # Safety
///
/// As `Tiles::dots`, with at least `ROWS` rows, and as [`Vector::splat`].
#[inline(always)]
pub(super) unsafe fn dots<V: Vector, const ROWS: usize>(dots: &Dots, out: &mut [[f32; COLUMNS]]) {
    // SAFETY: every access is within the ranges of the function's contract.
    unsafe {
        let mut sums = [[V::splat(0.0); COLUMNS]; ROWS];
        let mut at = 0;
        while at < dots.length {
            let mut columns = [V::splat(0.0); COLUMNS];
            for c in 0..COLUMNS {
                columns[c] = V::load(dots.b.add(c * dots.b_stride + at));
            }
            for r in 0..ROWS {
                let row = V::load(dots.a.add(r * dots.a_stride + at));
                for c in 0..COLUMNS {
                    sums[r][c] = sums[r][c].add_product(row, columns[c]);
                }
            }
            at += V::LANES;
        }
        for r in 0..ROWS {
            out[r] = V::sums(sums[r]);
        }
    }
}
