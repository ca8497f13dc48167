//! Copies of many short rows.
#![allow(unsafe_code)] // Raw pointers; see the SAFETY comments.

use crate::tile::{Four, Tiles, Vector, for_every_set};

/// Short rows to copy: a call for each would cost more than the copy.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub rows: usize,
    /// Values of a row, which lie `step` apart where they are read.
    pub count: usize,
    pub step: usize,
    /// From one row to the next where they are read, and where they are written.
    pub from_stride: usize,
    pub to_stride: usize,
}

impl Rows {
    /// Copies them from slice to slice.
    pub fn copy(self, tiles: &Tiles, from: &[f32], to: &mut [f32]) {
        assert!((self.rows - 1) * self.to_stride + self.count <= to.len());
        // SAFETY: the last value of the last row lies in the slice, just asserted.
        unsafe { self.copy_to(tiles, from, to.as_mut_ptr()) };
    }

    /// Copies them to a place that tasks share.
    ///
    /// # Safety
    ///
    /// `to` must be writable for `count` values in each row, by nobody else.
    pub unsafe fn copy_to(self, tiles: &Tiles, from: &[f32], to: *mut f32) {
        assert!((self.rows - 1) * self.from_stride + (self.count - 1) * self.step < from.len());
        let copy = Copied {
            rows: self,
            from: from.as_ptr(),
            to,
        };
        // SAFETY: as above; the caller vouches for the places.
        unsafe { copy_rows(tiles, &copy) };
    }
}

/// Rows, where they are read and where they are written.
struct Copied {
    rows: Rows,
    from: *const f32,
    to: *mut f32,
}

/// # Safety
///
/// All values of both must be readable or writable; and as [`Vector::splat`].
#[inline(always)]
unsafe fn copy_rows_with<V: Vector>(copy: &Copied) {
    let rows = &copy.rows;
    // SAFETY: the caller's contract.
    unsafe {
        for row in 0..rows.rows {
            let from = copy.from.add(row * rows.from_stride);
            let to = copy.to.add(row * rows.to_stride);
            let mut at = 0;
            if rows.step == 1 {
                while at + V::LANES <= rows.count {
                    V::load(from.add(at)).store(to.add(at));
                    at += V::LANES;
                }
                while at + Four::LANES <= rows.count {
                    Four::load(from.add(at)).store(to.add(at));
                    at += Four::LANES;
                }
            }
            for at in at..rows.count {
                *to.add(at) = *from.add(at * rows.step);
            }
        }
    }
}

for_every_set!(copy_rows, copy_rows_with, Copied);
