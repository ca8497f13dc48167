//! Copies of many short rows.
#![allow(unsafe_code)] // Raw pointers; the contract stands with the function.

use crate::tile::{Four, Vector, for_every_set};

/// Short rows to copy: a call for each would cost more than the copy.
pub(super) struct Rows {
    pub rows: usize,
    /// Values of a row, which in `from` lie `step` apart.
    pub count: usize,
    pub from: *const f32,
    pub from_stride: usize,
    pub step: usize,
    pub to: *mut f32,
    pub to_stride: usize,
}

/// # Safety
///
/// All values of both must be readable or writable.
#[inline(always)]
unsafe fn copy_rows_with<V: Vector>(copy: &Rows) {
    // SAFETY: the caller's contract.
    unsafe {
        for row in 0..copy.rows {
            let from = copy.from.add(row * copy.from_stride);
            let to = copy.to.add(row * copy.to_stride);
            let mut at = 0;
            if copy.step == 1 {
                while at + V::LANES <= copy.count {
                    V::load(from.add(at)).store(to.add(at));
                    at += V::LANES;
                }
                while at + Four::LANES <= copy.count {
                    Four::load(from.add(at)).store(to.add(at));
                    at += Four::LANES;
                }
            }
            for at in at..copy.count {
                *to.add(at) = *from.add(at * copy.step);
            }
        }
    }
}

for_every_set!(
    /// Copies them.
    ///
    /// # Safety
    ///
    /// All values of both must be readable or writable.
    pub(super) copy_rows, copy_rows_with, Rows
);
