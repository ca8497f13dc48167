//! Where sums are written.

use cubecl::prelude::*;

use super::geometry::{Geometry, pixel_of};
use super::plan::{Plan, SIDE};

/// Where a row is written, in columns.
#[cube]
fn place_of(geometry: &Geometry, row: u32, #[comptime] plan: Plan) -> usize {
    if comptime!(plan.scattered) {
        let pixel = pixel_of(geometry, row);
        let to = geometry.out_first
            + pixel.image * geometry.out_image
            + pixel.y * geometry.out_step_y
            + pixel.x * geometry.out_step_x;
        (to * geometry.out_row) as usize
    } else {
        (row * geometry.out_row) as usize
    }
}

/// Writes a plane's sums: where its workgroup's are all inside the product, and rows lie so that they can be, as they
/// are; else each fragment by way of shared memory, and of that what is inside.
#[cube]
pub fn write(
    out: &mut [f32],
    sums: &Sequence<cmma::Matrix<f32>>,
    geometry: &Geometry,
    base: usize,
    first_row: u32,
    first_column: u32,
    #[comptime] plan: Plan,
) {
    let down = comptime!(plan.fragments_down());
    let across = comptime!(plan.fragments_across());
    let area = comptime!(SIDE * SIDE);
    let mut stage = Shared::<[f32]>::new_slice(comptime!(area * plan.planes()));
    let plane = UNIT_POS_Y as usize;
    let lane = UNIT_POS_X as usize;
    let row = first_row as usize + plane / comptime!(plan.planes_across) * comptime!(down * SIDE);
    let column =
        first_column as usize + plane % comptime!(plan.planes_across) * comptime!(across * SIDE);
    let columns = geometry.columns;
    let inside = first_row + comptime!(plan.rows as u32) <= geometry.rows
        && first_column + comptime!(plan.columns as u32) <= columns;
    // A fragment is stored in rows that begin at multiples of 16 bytes, or not at all.
    let whole = geometry.out_row & 3u32 == 0;
    if comptime!(!plan.scattered) && inside && whole {
        #[unroll]
        for i in 0..down {
            #[unroll]
            for j in 0..across {
                let r = row + comptime!(i * SIDE);
                let c = column + comptime!(j * SIDE);
                let at = base + r * geometry.out_row as usize + c;
                let end = out.len();
                let sum = &sums[comptime!(i * across + j)];
                cmma::store(
                    &mut out[at..end],
                    sum,
                    geometry.out_row,
                    cmma::MatrixLayout::RowMajor,
                );
            }
        }
    } else {
        #[unroll]
        for i in 0..down {
            #[unroll]
            for j in 0..across {
                let start = plane * area;
                cmma::store(
                    &mut stage[start..start + area],
                    &sums[comptime!(i * across + j)],
                    comptime!(SIDE as u32),
                    cmma::MatrixLayout::RowMajor,
                );
                sync_cube();
                #[unroll]
                for turn in 0..comptime!(area / plan.lanes) {
                    let of_fragment = lane + comptime!(turn * plan.lanes);
                    let r = (row + comptime!(i * SIDE) + of_fragment / SIDE) as u32;
                    let c = (column + comptime!(j * SIDE) + of_fragment % SIDE) as u32;
                    if r < geometry.rows && c < columns {
                        out[base + place_of(geometry, r, plan) + c as usize] =
                            stage[start + of_fragment];
                    }
                }
                sync_cube();
            }
        }
    }
}

#[cube]
pub fn write_values(
    out: &mut [f32],
    values: &Array<f32>,
    geometry: &Geometry,
    base: usize,
    first_row: u32,
    first_column: u32,
    #[comptime] plan: Plan,
) {
    #[unroll]
    for index in 0..comptime!(plan.values_of_unit()) {
        let at = UNIT_POS as usize + comptime!(index * plan.units());
        let row = first_row + (at / comptime!(plan.columns)) as u32;
        let column = first_column + (at % comptime!(plan.columns)) as u32;
        if row < geometry.rows && column < geometry.columns {
            out[base + place_of(geometry, row, plan) + column as usize] = values[index];
        }
    }
}
