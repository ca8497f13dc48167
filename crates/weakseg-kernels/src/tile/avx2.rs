//! The AVX2 blocks whose sums and operands take all of the 16 registers.
//!
//! In assembly, because the compiler orders their instructions so that a value more than there are registers is
//! alive: it then moves sums from register to register, and one through memory, in each step.
#![allow(unsafe_code)] // Assembly under the raw-pointer contracts of `Tiles::run` and `Tiles::dots`.

use std::arch::asm;
use std::arch::x86_64::{
    __m256, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};

use super::Block;
use super::dots::{COLUMNS, Dots};
use super::vector::Vector;

/// Rows of a block of sums.
pub(super) const ROWS: usize = 4;
/// Registers of a row of sums.
const VECTORS: usize = 3;
/// Rows of a block of dot products.
const DOT_ROWS: usize = 3;
/// Values of a register.
const LANES: usize = 8;

/// As [`block`](super::vector::block), of 4 rows of 3 registers: 12 multiply-adds to 7 values that are read.
///
/// # Safety
///
/// As `Tiles::run`, of 24 values in a row; `first` is null or readable for 4 values.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn block(block: &Block, first: *const f32) {
    let place = |r: usize, v: usize| block.out.wrapping_add(r * block.row_stride + v * LANES);
    let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
    for (r, row) in sums.iter_mut().enumerate() {
        for (v, sum) in row.iter_mut().enumerate() {
            // SAFETY: the destination can be read, and `first` has a value for each row if it is not null.
            *sum = unsafe {
                match first.is_null() {
                    true => _mm256_loadu_ps(place(r, v)),
                    false => _mm256_set1_ps(*first.add(r)),
                }
            };
        }
    }
    if block.depth > 0 {
        let [[a, b, c], [d, e, f], [g, h, i], [j, k, l]] = &mut sums;
        // SAFETY: reads `depth` offsets, at each 24 values of `b`, and `depth` times 4 of `a`; writes registers only.
        unsafe {
            asm!(
                ".p2align 4",
                "2:",
                "mov {offset:e}, dword ptr [{offsets}]",
                "vmovups {x}, ymmword ptr [{b} + 4*{offset}]",
                "vmovups {y}, ymmword ptr [{b} + 4*{offset} + 32]",
                "vmovups {z}, ymmword ptr [{b} + 4*{offset} + 64]",
                "vbroadcastss {factor}, dword ptr [{a}]",
                "vfmadd231ps {s0}, {x}, {factor}",
                "vfmadd231ps {s1}, {y}, {factor}",
                "vfmadd231ps {s2}, {z}, {factor}",
                "vbroadcastss {factor}, dword ptr [{a} + 4]",
                "vfmadd231ps {s3}, {x}, {factor}",
                "vfmadd231ps {s4}, {y}, {factor}",
                "vfmadd231ps {s5}, {z}, {factor}",
                "vbroadcastss {factor}, dword ptr [{a} + 8]",
                "vfmadd231ps {s6}, {x}, {factor}",
                "vfmadd231ps {s7}, {y}, {factor}",
                "vfmadd231ps {s8}, {z}, {factor}",
                "vbroadcastss {factor}, dword ptr [{a} + 12]",
                "vfmadd231ps {s9}, {x}, {factor}",
                "vfmadd231ps {s10}, {y}, {factor}",
                "vfmadd231ps {s11}, {z}, {factor}",
                "add {offsets}, 4",
                "add {a}, 16",
                "dec {depth}",
                "jnz 2b",
                offset = out(reg) _,
                offsets = inout(reg) block.offsets => _,
                a = inout(reg) block.a => _,
                b = in(reg) block.b,
                depth = inout(reg) block.depth => _,
                x = out(ymm_reg) _,
                y = out(ymm_reg) _,
                z = out(ymm_reg) _,
                factor = out(ymm_reg) _,
                s0 = inout(ymm_reg) *a,
                s1 = inout(ymm_reg) *b,
                s2 = inout(ymm_reg) *c,
                s3 = inout(ymm_reg) *d,
                s4 = inout(ymm_reg) *e,
                s5 = inout(ymm_reg) *f,
                s6 = inout(ymm_reg) *g,
                s7 = inout(ymm_reg) *h,
                s8 = inout(ymm_reg) *i,
                s9 = inout(ymm_reg) *j,
                s10 = inout(ymm_reg) *k,
                s11 = inout(ymm_reg) *l,
                options(nostack, readonly),
            );
        }
    }
    for (r, row) in sums.iter().enumerate() {
        for (v, sum) in row.iter().enumerate() {
            // SAFETY: the destination can be written.
            unsafe { _mm256_storeu_ps(place(r, v), *sum) };
        }
    }
}

/// As [`dots`](super::vector::dots), of 3 rows: 12 multiply-adds to 7 registers that are read.
///
/// # Safety
///
/// As `Tiles::dots`, with 3 rows.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn dots(dots: &Dots, out: &mut [[f32; COLUMNS]]) {
    let mut sums = [[_mm256_setzero_ps(); COLUMNS]; DOT_ROWS];
    if dots.length > 0 {
        let [[a, b, c, d], [e, f, g, h], [i, j, k, l]] = &mut sums;
        // SAFETY: reads `length` values, whole registers, of each of 3 rows and 4 columns; writes registers only.
        unsafe {
            asm!(
                ".p2align 4",
                "2:",
                "vmovups {x}, ymmword ptr [{a}]",
                "vmovups {y}, ymmword ptr [{a} + {a_stride}]",
                "vmovups {z}, ymmword ptr [{a} + 2*{a_stride}]",
                "vmovups {column}, ymmword ptr [{b}]",
                "vfmadd231ps {s0}, {x}, {column}",
                "vfmadd231ps {s4}, {y}, {column}",
                "vfmadd231ps {s8}, {z}, {column}",
                "vmovups {column}, ymmword ptr [{b} + {b_stride}]",
                "vfmadd231ps {s1}, {x}, {column}",
                "vfmadd231ps {s5}, {y}, {column}",
                "vfmadd231ps {s9}, {z}, {column}",
                "vmovups {column}, ymmword ptr [{b} + 2*{b_stride}]",
                "vfmadd231ps {s2}, {x}, {column}",
                "vfmadd231ps {s6}, {y}, {column}",
                "vfmadd231ps {s10}, {z}, {column}",
                "vmovups {column}, ymmword ptr [{last}]",
                "vfmadd231ps {s3}, {x}, {column}",
                "vfmadd231ps {s7}, {y}, {column}",
                "vfmadd231ps {s11}, {z}, {column}",
                "add {a}, 32",
                "add {b}, 32",
                "add {last}, 32",
                "sub {length}, 8",
                "jnz 2b",
                a = inout(reg) dots.a => _,
                b = inout(reg) dots.b => _,
                last = inout(reg) dots.b.wrapping_add(3 * dots.b_stride) => _,
                a_stride = in(reg) dots.a_stride * size_of::<f32>(),
                b_stride = in(reg) dots.b_stride * size_of::<f32>(),
                length = inout(reg) dots.length => _,
                x = out(ymm_reg) _,
                y = out(ymm_reg) _,
                z = out(ymm_reg) _,
                column = out(ymm_reg) _,
                s0 = inout(ymm_reg) *a,
                s1 = inout(ymm_reg) *b,
                s2 = inout(ymm_reg) *c,
                s3 = inout(ymm_reg) *d,
                s4 = inout(ymm_reg) *e,
                s5 = inout(ymm_reg) *f,
                s6 = inout(ymm_reg) *g,
                s7 = inout(ymm_reg) *h,
                s8 = inout(ymm_reg) *i,
                s9 = inout(ymm_reg) *j,
                s10 = inout(ymm_reg) *k,
                s11 = inout(ymm_reg) *l,
                options(nostack, readonly),
            );
        }
    }
    for (to, sums) in out.iter_mut().zip(sums) {
        // SAFETY: the machine has the set.
        *to = unsafe { <__m256 as Vector>::sums(sums) };
    }
}
