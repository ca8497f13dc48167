//! A block of dot products of rows that lie as they are: no operand has to be transposed.
#![allow(unsafe_code)] // Raw pointers; the contract stands with `Tiles::dots`.

use super::{RUN, Tiles};

/// Columns of a block.
pub(crate) const COLUMNS: usize = 4;

/// Most rows of a block, of all instruction sets.
pub(crate) const MOST_ROWS: usize = 6;

/// Products of the rows of `a` with the rows of `b`. All pointers are to f32.
pub(crate) struct Dots {
    /// Values of a row, a multiple of [`RUN`].
    pub length: usize,
    /// `a`: row `r` at `a + r * a_stride`.
    pub a: *const f32,
    pub a_stride: usize,
    /// `b`: row `c` at `b + c * b_stride`, [`COLUMNS`] of them.
    pub b: *const f32,
    pub b_stride: usize,
}

/// Kernels for 1, 2, … rows.
pub(super) type Kernel = unsafe fn(&Dots, &mut [[f32; COLUMNS]]);

impl Tiles {
    /// `out[r][c] = Σ_l a[r, l] · b[c, l]` for the first `out.len()` rows of `a`, at most
    /// [`Tiles::dot_rows`].
    ///
    /// # Safety
    ///
    /// `dots.a` must be readable for `length` values in each of `out.len()` rows, `dots.b` in each
    /// of [`COLUMNS`].
    pub unsafe fn dots(&self, dots: &Dots, out: &mut [[f32; COLUMNS]]) {
        assert!(dots.length.is_multiple_of(RUN));
        // SAFETY: the caller's contract, and the kernel of as many rows as `out` has; the set is
        // only handed out where the machine runs it.
        unsafe { self.dots[out.len() - 1](dots, out) }
    }

    /// Most rows of one block.
    pub fn dot_rows(&self) -> usize {
        self.dots.len()
    }
}
