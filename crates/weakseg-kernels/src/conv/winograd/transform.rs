//! The transforms of F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", CVPR 2016, equation 8), on one axis and on both.
//!
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for a source tile `d` (6x6), a kernel `g` (3x3) and a
//! destination tile `Y` (4x4). The products are values of polynomials at the points 0, ±2/3, ±3/2
//! and infinity. The usual points 0, ±1, ±2 need no factors, but their powers spread further
//! and the errors with them. As 2/3 · 3/2 = 1, the outer coefficients are ones.
#![allow(unsafe_code)] // Vectors of one instruction set; callers vouch for it.

use crate::tile::Vector;

/// The inner point and the outer one.
const INNER: f64 = 2.0 / 3.0;
const OUTER: f64 = 3.0 / 2.0;
const INNER_SQUARE: f64 = INNER * INNER;
const OUTER_SQUARE: f64 = OUTER * OUTER;
/// `Π (p - q)` over the other finite points q, for a point p (equal for p and -p).
const INNER_NORM: f64 = 2.0 * INNER_SQUARE * (INNER_SQUARE - OUTER_SQUARE);
const OUTER_NORM: f64 = 2.0 * OUTER_SQUARE * (OUTER_SQUARE - INNER_SQUARE);

/// Side of a source tile, and of a transformed one.
pub(super) const TILE: usize = 6;
/// Side of a destination tile.
pub(super) const STEP: usize = 4;
/// Side of the kernel.
pub(super) const KERNEL: usize = 3;
/// Products of a tile.
pub(super) const PRODUCTS: usize = TILE * TILE;

/// `value + factor * other`.
///
/// # Safety
///
/// As [`Vector::splat`].
#[inline(always)]
unsafe fn plus<V: Vector>(value: V, factor: f64, other: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { value.add_product(V::splat(factor as f32), other) }
}

/// `factor * value`.
///
/// # Safety
///
/// As [`Vector::splat`].
#[inline(always)]
unsafe fn times<V: Vector>(factor: f64, value: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { V::splat(0.0).add_product(V::splat(factor as f32), value) }
}

/// A transform of one axis.
pub(super) trait Axis<const N: usize, const M: usize> {
    /// From `N` values to `M`.
    ///
    /// # Safety
    ///
    /// As [`Vector::splat`].
    unsafe fn apply<V: Vector>(values: [V; N]) -> [V; M];
}

/// `Bᵀ d`.
pub(super) struct Source;

impl Axis<TILE, TILE> for Source {
    #[inline(always)]
    unsafe fn apply<V: Vector>(d: [V; TILE]) -> [V; TILE] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let squares = INNER_SQUARE + OUTER_SQUARE;
            let inner_even = plus(d[4], -OUTER_SQUARE, d[2]);
            let inner_odd = plus(d[3], -OUTER_SQUARE, d[1]);
            let outer_even = plus(d[4], -INNER_SQUARE, d[2]);
            let outer_odd = plus(d[3], -INNER_SQUARE, d[1]);
            [
                plus(plus(d[4], -squares, d[2]), 1.0, d[0]),
                plus(inner_even, INNER, inner_odd),
                plus(inner_even, -INNER, inner_odd),
                plus(outer_even, OUTER, outer_odd),
                plus(outer_even, -OUTER, outer_odd),
                plus(plus(d[5], -squares, d[3]), 1.0, d[1]),
            ]
        }
    }
}

/// `Aᵀ m`.
pub(super) struct Destination;

impl Axis<TILE, STEP> for Destination {
    #[inline(always)]
    unsafe fn apply<V: Vector>(m: [V; TILE]) -> [V; STEP] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let inner_sum = plus(m[1], 1.0, m[2]);
            let inner_difference = plus(m[1], -1.0, m[2]);
            let outer_sum = plus(m[3], 1.0, m[4]);
            let outer_difference = plus(m[3], -1.0, m[4]);
            [
                plus(plus(m[0], 1.0, inner_sum), 1.0, outer_sum),
                plus(times(INNER, inner_difference), OUTER, outer_difference),
                plus(times(INNER_SQUARE, inner_sum), OUTER_SQUARE, outer_sum),
                plus(
                    plus(m[5], INNER * INNER_SQUARE, inner_difference),
                    OUTER * OUTER_SQUARE,
                    outer_difference,
                ),
            ]
        }
    }
}

/// `G g`.
pub(super) struct Weight;

impl Axis<KERNEL, TILE> for Weight {
    #[inline(always)]
    unsafe fn apply<V: Vector>(g: [V; KERNEL]) -> [V; TILE] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let inner_even = plus(
                times(1.0 / INNER_NORM, g[0]),
                INNER_SQUARE / INNER_NORM,
                g[2],
            );
            let outer_even = plus(
                times(1.0 / OUTER_NORM, g[0]),
                OUTER_SQUARE / OUTER_NORM,
                g[2],
            );
            [
                g[0],
                plus(inner_even, INNER / INNER_NORM, g[1]),
                plus(inner_even, -INNER / INNER_NORM, g[1]),
                plus(outer_even, OUTER / OUTER_NORM, g[1]),
                plus(outer_even, -OUTER / OUTER_NORM, g[1]),
                g[2],
            ]
        }
    }
}

/// `A y`, the transform of a tile of the output gradient.
pub(super) struct Upstream;

impl Axis<STEP, TILE> for Upstream {
    #[inline(always)]
    unsafe fn apply<V: Vector>(y: [V; STEP]) -> [V; TILE] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let inner_even = plus(y[0], INNER_SQUARE, y[2]);
            let inner_odd = plus(y[1], INNER_SQUARE, y[3]);
            let outer_even = plus(y[0], OUTER_SQUARE, y[2]);
            let outer_odd = plus(y[1], OUTER_SQUARE, y[3]);
            [
                y[0],
                plus(inner_even, INNER, inner_odd),
                plus(inner_even, -INNER, inner_odd),
                plus(outer_even, OUTER, outer_odd),
                plus(outer_even, -OUTER, outer_odd),
                y[3],
            ]
        }
    }
}

/// `Gᵀ m`, from sums of products to the gradient of the kernel.
pub(super) struct WeightGradient;

impl Axis<TILE, KERNEL> for WeightGradient {
    #[inline(always)]
    unsafe fn apply<V: Vector>(m: [V; TILE]) -> [V; KERNEL] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let inner_sum = plus(m[1], 1.0, m[2]);
            let inner_difference = plus(m[1], -1.0, m[2]);
            let outer_sum = plus(m[3], 1.0, m[4]);
            let outer_difference = plus(m[3], -1.0, m[4]);
            [
                plus(
                    plus(m[0], 1.0 / INNER_NORM, inner_sum),
                    1.0 / OUTER_NORM,
                    outer_sum,
                ),
                plus(
                    times(INNER / INNER_NORM, inner_difference),
                    OUTER / OUTER_NORM,
                    outer_difference,
                ),
                plus(
                    plus(m[5], INNER_SQUARE / INNER_NORM, inner_sum),
                    OUTER_SQUARE / OUTER_NORM,
                    outer_sum,
                ),
            ]
        }
    }
}

/// Applies a transform of one axis to both axes of `N x N` vectors: the one in row `i` and column
/// `j` lies at `from + i * from_strides[0] + j * from_strides[1]`, and result `i, j` goes to
/// `to + (i * M + j) * to_stride`.
///
/// # Safety
///
/// As [`Axis::apply`], and the vectors must be readable and writable.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Indices keep rows and columns legible, and unrolled.
pub(super) unsafe fn both_axes<A: Axis<N, M>, V: Vector, const N: usize, const M: usize>(
    from: *const f32,
    from_strides: [usize; 2],
    to: *mut f32,
    to_stride: usize,
) {
    // SAFETY: the caller vouches for the instruction set and the vectors.
    unsafe {
        let mut half = [[V::splat(0.0); N]; M];
        for j in 0..N {
            let mut column = [V::splat(0.0); N];
            for i in 0..N {
                column[i] = V::load(from.add(i * from_strides[0] + j * from_strides[1]));
            }
            let column = A::apply(column);
            for i in 0..M {
                half[i][j] = column[i];
            }
        }
        for i in 0..M {
            let row = A::apply(half[i]);
            for j in 0..M {
                row[j].store(to.add((i * M + j) * to_stride));
            }
        }
    }
}
