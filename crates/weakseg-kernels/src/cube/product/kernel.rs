//! The product itself: one kernel for the three passes of a convolution.

use cubecl::prelude::*;

use super::cursor::{cursor_by_pixels, cursor_by_taps, fetch};
use super::geometry::Geometry;
use super::multiply::{multiply, multiply_values};
use super::plan::{Plan, SIDE};
use super::side::{keep, side};
use super::write::{write, write_values};

/// Writes rows × columns of each block, each split the sum of its part of the summands.
#[cube(launch_unchecked)]
pub fn product<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    out: &mut [f32],
    geometry: Geometry,
    #[comptime] plan: Plan,
) {
    let split = CUBE_POS_Z / geometry.blocks;
    let block = CUBE_POS_Z - split * geometry.blocks;
    let first_row = CUBE_POS_Y * comptime!(plan.rows as u32);
    let first_column = CUBE_POS_X * comptime!(plan.columns as u32);

    let mut left_side = side::<N>(
        comptime!(plan.left_loads()),
        comptime!(plan.left_length() * plan.parts() * plan.buffers()),
    );
    let mut right_side = side::<N>(
        comptime!(plan.right_loads()),
        comptime!(plan.right_length() * plan.parts() * plan.buffers()),
    );

    let first_step = split * geometry.steps;
    let total = geometry
        .summands
        .div_ceil(comptime!(plan.summands_of_step() as u32));
    let last_step = min(first_step + geometry.steps, total);

    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    let mut values = Array::<f32>::new(comptime!(plan.values_by_units()));
    if comptime!(plan.matrix_units) {
        #[unroll]
        for _ in 0..comptime!(plan.fragments_down() * plan.fragments_across()) {
            sums.push(cmma::Matrix::<f32>::from_value(
                cmma::MatrixIdent::Accumulator,
                SIDE,
                SIDE,
                SIDE,
                cmma::MatrixLayout::Undefined,
                0.0f32,
            ));
        }
    } else {
        #[unroll]
        for value in 0..comptime!(plan.values_of_unit()) {
            values[value] = 0.0f32;
        }
    }

    let mut cursor = if comptime!(plan.by_pixels) {
        cursor_by_pixels(&geometry, block, first_row, first_column, first_step, plan)
    } else {
        cursor_by_taps(&geometry, block, first_row, first_column, first_step, plan)
    };
    fetch(
        left,
        right,
        &mut left_side,
        &mut right_side,
        &mut cursor,
        &geometry,
        plan,
    );
    for step in first_step..last_step {
        let buffer = ((step - first_step) % comptime!(plan.buffers() as u32)) as usize;
        let left_at = buffer * comptime!(plan.left_length() * plan.parts());
        let right_at = buffer * comptime!(plan.right_length() * plan.parts());
        // With two buffers, that of the step before this one may still be read.
        if comptime!(plan.buffers() == 1) {
            sync_cube();
        }
        keep(
            &mut left_side,
            left_at,
            comptime!(plan.left_length()),
            comptime!(plan.left_line()),
            plan,
        );
        keep(
            &mut right_side,
            right_at,
            comptime!(plan.right_length()),
            comptime!(plan.right_line()),
            plan,
        );
        sync_cube();
        // The next step's values come while this one's are multiplied: nothing asks for them before that is done. After
        // the last step they are read in vain.
        fetch(
            left,
            right,
            &mut left_side,
            &mut right_side,
            &mut cursor,
            &geometry,
            plan,
        );
        if comptime!(plan.matrix_units) {
            multiply(
                &left_side.shared,
                &right_side.shared,
                left_at,
                right_at,
                &mut sums,
                plan,
            );
        } else {
            multiply_values(
                &left_side.shared,
                &right_side.shared,
                left_at,
                right_at,
                &mut values,
                plan,
            );
        }
    }

    let base = (split * geometry.out_split + block * geometry.out_block) as usize;
    if comptime!(plan.matrix_units) {
        write(out, &sums, &geometry, base, first_row, first_column, plan);
    } else {
        write_values(out, &values, &geometry, base, first_row, first_column, plan);
    }
}
