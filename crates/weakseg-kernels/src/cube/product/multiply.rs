//! Products of a step's operands in shared memory.

use cubecl::prelude::*;
use half::bf16;

use super::plan::{DEPTH, PIECE, Plan, SIDE};

/// A fragment of an operand, from shared memory. `across`: its row or column, `deep`: its first summand.
#[cube]
fn fragment<N: Size>(
    shared: &Shared<[Vector<u32, N>]>,
    buffer: usize,
    across: usize,
    deep: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] stride: usize,
    #[comptime] plan: Plan,
) -> cmma::Matrix<bf16> {
    let by_depth = comptime!(plan.by_pixels);
    let at = buffer
        + if by_depth {
            deep * stride + across / PIECE
        } else {
            across * stride + deep / PIECE
        };
    let layout = comptime!(if by_depth == (ident == cmma::MatrixIdent::B) {
        cmma::MatrixLayout::RowMajor
    } else {
        cmma::MatrixLayout::ColMajor
    });
    // SAFETY: it is loaded before it is read.
    let mut matrix =
        unsafe { cmma::Matrix::<bf16>::uninitialized(ident, SIDE, SIDE, SIDE, layout) };
    // In values of 32 bits, of which a vector has four.
    cmma::load(
        &mut matrix,
        &shared[at..shared.len()],
        comptime!((stride * 4) as u32),
    );
    matrix
}

/// Adds the products of a step to a plane's sums.
#[cube]
pub fn multiply<N: Size>(
    left: &Shared<[Vector<u32, N>]>,
    right: &Shared<[Vector<u32, N>]>,
    left_at: usize,
    right_at: usize,
    sums: &mut Sequence<cmma::Matrix<f32>>,
    #[comptime] plan: Plan,
) {
    let down = comptime!(plan.fragments_down());
    let across = comptime!(plan.fragments_across());
    let plane = UNIT_POS_Y as usize;
    let row = plane / comptime!(plan.planes_across) * comptime!(down * SIDE);
    let column = plane % comptime!(plan.planes_across) * comptime!(across * SIDE);
    let left_stride = comptime!(plan.stride(plan.left_line()));
    let right_stride = comptime!(plan.stride(plan.right_line()));
    #[unroll]
    for part in 0..comptime!(DEPTH / SIDE) {
        let deep = comptime!(part * SIDE).runtime();
        let mut high = Sequence::<cmma::Matrix<bf16>>::new();
        let mut low = Sequence::<cmma::Matrix<bf16>>::new();
        #[unroll]
        for i in 0..down {
            let at = row + comptime!(i * SIDE);
            high.push(fragment(
                left,
                left_at,
                at,
                deep,
                cmma::MatrixIdent::A,
                left_stride,
                plan,
            ));
            if comptime!(plan.split) {
                low.push(fragment(
                    left,
                    left_at + comptime!(plan.left_length()),
                    at,
                    deep,
                    cmma::MatrixIdent::A,
                    left_stride,
                    plan,
                ));
            }
        }
        #[unroll]
        for j in 0..across {
            let at = column + comptime!(j * SIDE);
            let other = fragment(
                right,
                right_at,
                at,
                deep,
                cmma::MatrixIdent::B,
                right_stride,
                plan,
            );
            // One after the other on different sums: each waits for the one before it on its own.
            #[unroll]
            for i in 0..down {
                let sum = &sums[comptime!(i * across + j)];
                cmma::execute(&high[i], &other, sum, sum);
            }
            if comptime!(plan.split) {
                #[unroll]
                for i in 0..down {
                    let sum = &sums[comptime!(i * across + j)];
                    cmma::execute(&low[i], &other, sum, sum);
                }
                let other = fragment(
                    right,
                    right_at + comptime!(plan.right_length()),
                    at,
                    deep,
                    cmma::MatrixIdent::B,
                    right_stride,
                    plan,
                );
                #[unroll]
                for i in 0..down {
                    let sum = &sums[comptime!(i * across + j)];
                    cmma::execute(&high[i], &other, sum, sum);
                }
            }
        }
    }
}

/// A value in shared memory.
#[cube]
fn value<N: Size>(
    shared: &Shared<[Vector<u32, N>]>,
    buffer: usize,
    across: usize,
    deep: usize,
    #[comptime] stride: usize,
    #[comptime] plan: Plan,
) -> f32 {
    let by_depth = comptime!(plan.by_pixels);
    let at = buffer
        + if by_depth {
            deep * stride + across / PIECE
        } else {
            across * stride + deep / PIECE
        };
    let of_piece = if by_depth {
        across % PIECE
    } else {
        deep % PIECE
    };
    let both = shared[at].extract_dynamic(of_piece / 2);
    let bits = select(of_piece % 2 == 0, both << 16u32, both & 0xFFFF_0000u32);
    f32::reinterpret(bits)
}

/// [`multiply()`] without matrix units, for devices that have none: what it is tested on.
#[cube]
pub fn multiply_values<N: Size>(
    left: &Shared<[Vector<u32, N>]>,
    right: &Shared<[Vector<u32, N>]>,
    left_at: usize,
    right_at: usize,
    values: &mut Array<f32>,
    #[comptime] plan: Plan,
) {
    let left_stride = comptime!(plan.stride(plan.left_line()));
    let right_stride = comptime!(plan.stride(plan.right_line()));
    for deep in 0..DEPTH {
        #[unroll]
        for index in 0..comptime!(plan.values_of_unit()) {
            let at = UNIT_POS as usize + comptime!(index * plan.units());
            let row = at / comptime!(plan.columns);
            let column = at % comptime!(plan.columns);
            let one = value(left, left_at, row, deep, left_stride, plan);
            let other = value(right, right_at, column, deep, right_stride, plan);
            values[index] += one * other;
            if comptime!(plan.split) {
                values[index] += value(
                    left,
                    left_at + comptime!(plan.left_length()),
                    row,
                    deep,
                    left_stride,
                    plan,
                ) * other;
                values[index] += one
                    * value(
                        right,
                        right_at + comptime!(plan.right_length()),
                        column,
                        deep,
                        right_stride,
                        plan,
                    );
            }
        }
    }
}
