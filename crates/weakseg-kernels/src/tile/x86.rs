//! AVX2 + FMA and AVX-512 kernels.
#![allow(unsafe_code)] // Vector instructions; implements the raw-pointer contract of `Tiles::run`.

use std::arch::x86_64::{
    __m256, __m512, _mm_add_ps, _mm_storeu_ps, _mm256_castps256_ps128, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
    _mm512_add_ps, _mm512_castps512_ps128, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps,
    _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_storeu_ps, _mm512_unpackhi_ps,
    _mm512_unpacklo_ps,
};

use super::dots::{COLUMNS, Dots};
use super::vector::{Vector, block, dots};
use super::{Block, Tiles, avx2};
use crate::instructions::Instructions;

/// The sums of the lanes of four registers, which are transposed on the way: 8 shuffles in all.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sums_256([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
    let pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    let halves = _mm_add_ps(
        _mm256_castps256_ps128(pairs),
        _mm256_extractf128_ps::<1>(pairs),
    );
    let mut sums = [0.0; 4];
    // SAFETY: four values are written to four.
    unsafe { _mm_storeu_ps(sums.as_mut_ptr(), halves) };
    sums
}

/// As [`sums_256`].
#[inline]
#[target_feature(enable = "avx512f")]
fn sums_512([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
    let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    // A quarter holds two parts of a and b in turn, then of c and d.
    let (low, high) = (
        _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd),
        _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd),
    );
    let quarters = _mm512_add_ps(low, high);
    let halves = _mm512_add_ps(
        quarters,
        _mm512_shuffle_f32x4::<0b01_00_11_10>(quarters, quarters),
    );
    let whole = _mm512_add_ps(
        halves,
        _mm512_shuffle_f32x4::<0b10_11_00_01>(halves, halves),
    );
    let mut sums = [0.0; 4];
    // SAFETY: four values are written to four.
    unsafe { _mm_storeu_ps(sums.as_mut_ptr(), _mm512_castps512_ps128(whole)) };
    sums
}

macro_rules! vector {
    ($type:ident, $lanes:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $sums:ident) => {
        // SAFETY: 8 or 16 lanes, whole registers of which are loaded and stored.
        unsafe impl Vector for $type {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: and for the readable values.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: and for the writable values.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn add_product(self, a: Self, b: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $fma(a, b, self) }
            }

            #[inline(always)]
            unsafe fn sums(of: [Self; 4]) -> [f32; 4] {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $sums(of) }
            }
        }
    };
}
vector!(
    __m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    sums_256
);
vector!(
    __m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    sums_512
);

macro_rules! kernel {
    ($name:ident, $features:literal, $type:ident, $rows:expr, $vectors:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(part: &Block, first: *const f32) {
            // SAFETY: the same contract, and the instruction set is enabled here.
            unsafe { block::<$type, $rows, $vectors>(part, first) }
        }
    };
}
// 4 rows of 3 registers leave 4 of AVX2's 16 registers for the operands ([`avx2::block`]), 8 rows of 3 leave 8 of
// AVX-512's 32: enough multiply-adds in flight to hide their latency, and twice as many of them
// as loads.
kernel!(avx2_one, "avx2,fma", __m256, { avx2::ROWS }, 1);
kernel!(avx2_two, "avx2,fma", __m256, { avx2::ROWS }, 2);
kernel!(avx512_one, "avx512f", __m512, 8, 1);
kernel!(avx512_two, "avx512f", __m512, 8, 2);
kernel!(avx512_three, "avx512f", __m512, 8, 3);

macro_rules! dots_kernel {
    ($name:ident, $features:literal, $type:ident, $rows:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(part: &Dots, out: &mut [[f32; COLUMNS]]) {
            // SAFETY: the same contract, and the instruction set is enabled here.
            unsafe { dots::<$type, $rows>(part, out) }
        }
    };
}
// Of AVX2's 16 registers 12 hold sums and 4 operands ([`avx2::dots`]), of AVX-512's 32 there are 24 and 5.
dots_kernel!(avx2_dots_one, "avx2,fma", __m256, 1);
dots_kernel!(avx2_dots_two, "avx2,fma", __m256, 2);
dots_kernel!(avx512_dots_one, "avx512f", __m512, 1);
dots_kernel!(avx512_dots_two, "avx512f", __m512, 2);
dots_kernel!(avx512_dots_three, "avx512f", __m512, 3);
dots_kernel!(avx512_dots_four, "avx512f", __m512, 4);
dots_kernel!(avx512_dots_five, "avx512f", __m512, 5);
dots_kernel!(avx512_dots_six, "avx512f", __m512, 6);

/// Of a set with AVX2.
pub(super) fn avx2(set: Instructions) -> Tiles {
    Tiles {
        set,
        rows: avx2::ROWS,
        lanes: 8,
        kernels: [avx2_one, avx2_two, avx2::block],
        dots: &[avx2_dots_one, avx2_dots_two, avx2::dots],
        bf16: None,
    }
}

/// Of a set with AVX-512.
pub(super) fn avx512(set: Instructions) -> Tiles {
    Tiles {
        set,
        rows: 8,
        lanes: 16,
        kernels: [avx512_one, avx512_two, avx512_three],
        dots: &[
            avx512_dots_one,
            avx512_dots_two,
            avx512_dots_three,
            avx512_dots_four,
            avx512_dots_five,
            avx512_dots_six,
        ],
        bf16: None,
    }
}
