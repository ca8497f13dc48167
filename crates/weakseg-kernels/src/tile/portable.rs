//! Kernels in plain Rust, for any machine.
#![allow(unsafe_code)] // Implements the raw-pointer contract of `Tiles::run`.

use super::dots::{COLUMNS, Dots};
use super::vector::{Vector, block, dots};
use super::{Block, Tiles};
use crate::instructions::Instructions;

/// Four values: one register of SSE2 or NEON.
#[derive(Clone, Copy)]
pub(crate) struct Four([f32; 4]);

// SAFETY: four lanes, four values of which are loaded and stored.
unsafe impl Vector for Four {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for four readable values.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for four writable values.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            // `mul_add` is one instruction on AArch64, a slow library call on baseline x86.
            if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                a.0[lane].mul_add(b.0[lane], self.0[lane])
            } else {
                a.0[lane] * b.0[lane] + self.0[lane]
            }
        }))
    }

    #[inline(always)]
    unsafe fn sums(of: [Self; 4]) -> [f32; 4] {
        of.map(|v| (v.0[0] + v.0[1]) + (v.0[2] + v.0[3]))
    }
}

macro_rules! kernel {
    ($name:ident, $vectors:literal) => {
        unsafe fn $name(part: &Block, first: *const f32) {
            // SAFETY: the same contract.
            unsafe { block::<Four, 4, $vectors>(part, first) }
        }
    };
}
kernel!(one, 1);
kernel!(two, 2);
kernel!(three, 3);

macro_rules! dots_kernel {
    ($name:ident, $rows:literal) => {
        unsafe fn $name(part: &Dots, out: &mut [[f32; COLUMNS]]) {
            // SAFETY: the same contract.
            unsafe { dots::<Four, $rows>(part, out) }
        }
    };
}
dots_kernel!(dots_one, 1);
dots_kernel!(dots_two, 2);

pub(super) fn tiles(set: Instructions) -> Tiles {
    Tiles {
        set,
        rows: 4,
        lanes: 4,
        kernels: [one, two, three],
        dots: &[dots_one, dots_two],
        bf16: None,
    }
}
