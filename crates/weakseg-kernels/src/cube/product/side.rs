//! An operand on its way from global memory to shared memory.

use cubecl::prelude::*;

use super::plan::Plan;

/// An operand: a unit's share of the next step, whether there are such values, and the workgroup's steps before it.
#[derive(CubeType)]
pub struct Side<N: Size> {
    pub values: Array<Vector<f32, N>>,
    pub exists: Array<bool>,
    /// Buffers, and of each its parts.
    pub shared: Shared<[Vector<u32, N>]>,
}

#[cube]
pub fn side<N: Size>(#[comptime] loads: usize, #[comptime] length: usize) -> Side<N> {
    Side::<N> {
        values: Array::new(comptime!(2 * loads)),
        exists: Array::new(loads),
        shared: Shared::new_slice(length),
    }
}

/// The upper halves of two numbers, side by side.
#[cube]
fn pair(first: u32, second: u32) -> u32 {
    (first >> 16u32) | (second & 0xFFFF_0000u32)
}

/// The bits of a number rounded to bf16, to even, in its upper half. What is not a number stays so, whichever of its
/// bits say it.
#[cube]
fn rounded(bits: u32) -> u32 {
    let number = (bits & 0x7FFF_FFFFu32) <= 0x7F80_0000u32;
    let nearest = bits + 0x7FFFu32 + ((bits >> 16u32) & 1u32);
    select(number, nearest, bits | 0x0040_0000u32)
}

/// The bits of a number such that their upper half is the nearest bf16, or one as near.
#[cube]
fn nearest(value: f32) -> u32 {
    u32::reinterpret(value) + 0x8000u32
}

/// The bits of what [`nearest()`] leaves of a number, rounded in the same way; of infinity and what is not a number,
/// not a number.
#[cube]
fn remainder(value: f32) -> u32 {
    let high = f32::reinterpret(nearest(value) & 0xFFFF_0000u32);
    let rest = u32::reinterpret(value - high);
    let finite = (rest & 0x7F80_0000u32) != 0x7F80_0000u32;
    select(finite, rest + 0x8000u32, rest)
}

/// Puts a unit's share into shared memory as bf16: rounded, or in two parts whose sum is the value but for its last 7
/// bits.
#[cube]
pub fn keep<N: Size>(
    side: &mut Side<N>,
    buffer: usize,
    #[comptime] length: usize,
    #[comptime] line: usize,
    #[comptime] plan: Plan,
) {
    let stride = comptime!(plan.stride(line));
    let piece = UNIT_POS as usize % line;
    let first = UNIT_POS as usize / line;
    let zero = Vector::<f32, N>::zeroed();
    #[unroll]
    for load in 0..comptime!(plan.loads(length, line)) {
        let at = buffer + (first + comptime!(load * plan.units() / line)) * stride + piece;
        let mut upper = Vector::<u32, N>::zeroed();
        let mut lower = Vector::<u32, N>::zeroed();
        #[unroll]
        for half in 0..2usize {
            let four = select(
                side.exists[load],
                side.values[comptime!(2 * load + half)],
                zero,
            );
            #[unroll]
            for couple in 0..2usize {
                let one = four.extract(comptime!(2 * couple));
                let other = four.extract(comptime!(2 * couple + 1));
                let to = comptime!(2 * half + couple);
                if comptime!(plan.split) {
                    upper.insert(to, pair(nearest(one), nearest(other)));
                    lower.insert(to, pair(remainder(one), remainder(other)));
                } else {
                    let one = rounded(u32::reinterpret(one));
                    let other = rounded(u32::reinterpret(other));
                    upper.insert(to, pair(one, other));
                }
            }
        }
        side.shared[at] = upper;
        if comptime!(plan.split) {
            side.shared[at + length] = lower;
        }
    }
}
