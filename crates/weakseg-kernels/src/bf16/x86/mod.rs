//! AVX512-BF16 kernels.
#![allow(unsafe_code)] // Vector instructions; implements the raw-pointer contracts of `Bf16`.

pub(super) mod amx;

use std::arch::x86_64::{
    __m512, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_i32gather_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_i32gather_ps, _mm512_mask_storeu_epi16,
    _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps, _mm512_mullo_epi32, _mm512_permutexvar_epi16,
    _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_storeu_si512,
};
use std::mem::transmute;

use super::{HALF, Lines, Product, SIDE, STEP};

pub(super) fn has_avx512_bf16() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// Rows of a block summed at a time: with two vectors each, they leave registers for operands.
const ROWS: usize = 8;

/// # Safety
///
/// As `Multiplier::multiply`, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn multiply(product: &Product) {
    // SAFETY: the caller's contract.
    unsafe {
        for first in (0..SIDE).step_by(ROWS) {
            let a = product.a[first / HALF].add(first % HALF * product.a_stride);
            let out = product.out.add(first * product.out_stride);
            let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
            if product.add {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (half, sum) in sums.iter_mut().enumerate() {
                        *sum = _mm512_loadu_ps(out.add(row * product.out_stride + half * HALF));
                    }
                }
            }
            for step in 0..product.steps {
                let a = a.add(step * product.a_step);
                let b = product.b.add(*product.b_steps.add(step));
                for pair in 0..HALF {
                    let a = a.add(pair * size_of::<u32>());
                    let b = b.add(pair * product.b_stride);
                    let b: [__m512i; 2] = [
                        _mm512_loadu_si512(b.cast()),
                        _mm512_loadu_si512(b.add(product.b_half).cast()),
                    ];
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let a = a.add(row * product.a_stride).cast::<i32>();
                        let a = _mm512_set1_epi32(a.read_unaligned());
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum = _mm512_dpbf16_ps(*sum, transmute(a), transmute(b));
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (half, sum) in sums.iter().enumerate() {
                    _mm512_storeu_ps(out.add(row * product.out_stride + half * HALF), *sum);
                }
            }
        }
    }
}

/// The lanes below `count`.
#[inline(always)]
fn below(count: usize) -> u16 {
    if count >= 16 {
        u16::MAX
    } else {
        (1 << count) - 1
    }
}

/// Values of a plane from `at` on, zeros from `count` on.
///
/// # Safety
///
/// The first `count` values (16 at most) must be readable.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(from: *const f32, count: usize) -> __m512 {
    // SAFETY: masked lanes are not read.
    unsafe { _mm512_maskz_loadu_ps(below(count), from) }
}

/// # Safety
///
/// As `Bf16::write_pairs`, with lines that lie inside, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_pairs(lines: &Lines<'_>, planes: [Option<usize>; 2], to: *mut u32) {
    // 16-bit lane 2n from the lower half's n, 2n + 1 from the upper half's.
    let pairs: [u16; 32] = std::array::from_fn(|lane| (lane / 2 + lane % 2 * 16) as u16);
    // SAFETY: the array has the register's size; sources and places by the contract.
    unsafe {
        let pairs = transmute::<[u16; 32], __m512i>(pairs);
        for line in lines.lines {
            let sources = planes.map(|plane| {
                let start = lines.start(line.source?, plane?);
                Some(lines.values.as_ptr().add(start))
            });
            let to = to.add(line.at);
            for at in (0..line.count).step_by(HALF) {
                let count = line.count - at;
                let [first, second] = sources.map(|source| match source {
                    Some(source) => load(source.add(at), count),
                    None => _mm512_setzero_ps(),
                });
                let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(second, first));
                let mixed = _mm512_permutexvar_epi16(pairs, halves);
                _mm512_mask_storeu_epi32(to.add(at).cast(), below(count), mixed);
            }
        }
    }
}

/// # Safety
///
/// As `Bf16::write_values`, with lines that lie inside, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_values(lines: &Lines<'_>, plane: Option<usize>, to: *mut u16) {
    // SAFETY: sources and places by the contract.
    unsafe {
        for line in lines.lines {
            let source = line.source.zip(plane);
            let source = source.map(|(source, plane)| lines.start(source, plane));
            let to = to.add(line.at);
            for at in (0..line.count).step_by(STEP) {
                let count = line.count - at;
                let halves = [0, HALF].map(|half| match source {
                    Some(source) if count > half => {
                        load(lines.values.as_ptr().add(source + at + half), count - half)
                    }
                    _ => _mm512_setzero_ps(),
                });
                let values: __m512i = transmute(_mm512_cvtne2ps_pbh(halves[1], halves[0]));
                let upper = u32::from(below(count.saturating_sub(HALF))) << 16;
                let mask = u32::from(below(count)) | upper;
                _mm512_mask_storeu_epi16(to.add(at).cast(), mask, values);
            }
        }
    }
}

/// # Safety
///
/// As `Bf16::write_strided`, with offsets that fit 32 bits, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_strided(from: *const f32, stride: usize, count: usize, to: *mut u16) {
    // SAFETY: the caller's contract; masked lanes are not read.
    unsafe {
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let offsets = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(stride as i32));
        let halves = [0, HALF].map(|half| {
            let from = from.wrapping_add(half * stride);
            if count >= half + HALF {
                _mm512_i32gather_ps::<4>(offsets, from)
            } else {
                let mask = below(count.saturating_sub(half));
                _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), mask, offsets, from)
            }
        });
        let values: __m512i = transmute(_mm512_cvtne2ps_pbh(halves[1], halves[0]));
        _mm512_storeu_si512(to.cast(), values);
    }
}
