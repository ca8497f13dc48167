//! AVX2 + FMA and AVX-512 kernels.
#![allow(unsafe_code)] // Vector instructions; implements the raw-pointer contract of `Tiles::run`.

use std::arch::x86_64::{
    __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

use super::vector::{Vector, block};
use super::{Block, Set, Tiles};

macro_rules! vector {
    ($type:ident, $lanes:literal, $splat:ident, $load:ident, $store:ident, $fma:ident) => {
        // SAFETY: only reached through the kernels below, compiled with the instruction set.
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
        }
    };
}
vector!(
    __m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps
);
vector!(
    __m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps
);

macro_rules! kernel {
    ($name:ident, $features:literal, $type:ident, $rows:literal, $vectors:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(part: &Block, first: *const f32) {
            // SAFETY: the same contract, and the instruction set is enabled here.
            unsafe { block::<$type, $rows, $vectors>(part, first) }
        }
    };
}
// 4 rows of 3 registers leave 4 of AVX2's 16 registers for the operands, 8 rows of 3 leave 8 of
// AVX-512's 32: enough multiply-adds in flight to hide their latency, and twice as many of them
// as loads.
kernel!(avx2_one, "avx2,fma", __m256, 4, 1);
kernel!(avx2_two, "avx2,fma", __m256, 4, 2);
kernel!(avx2_three, "avx2,fma", __m256, 4, 3);
kernel!(avx512_one, "avx512f", __m512, 8, 1);
kernel!(avx512_two, "avx512f", __m512, 8, 2);
kernel!(avx512_three, "avx512f", __m512, 8, 3);

pub(super) const AVX2: Tiles = Tiles {
    name: "avx2",
    set: Set::Avx2,
    rows: 4,
    lanes: 8,
    kernels: [avx2_one, avx2_two, avx2_three],
};

pub(super) const AVX512: Tiles = Tiles {
    name: "avx512",
    set: Set::Avx512,
    rows: 8,
    lanes: 16,
    kernels: [avx512_one, avx512_two, avx512_three],
};
