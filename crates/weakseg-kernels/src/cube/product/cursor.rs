//! Which values of both operands a unit reads in a step.

use cubecl::prelude::*;

use super::geometry::{Geometry, pixel_of};
use super::plan::{DEPTH, PIECE, Plan};
use super::side::Side;

/// Where a unit is in its share of both operands: the next step's.
#[derive(CubeType)]
pub struct Cursor {
    /// By taps: of each line of the left operand the place of tap (0, 0). By pixels: the pixel of the grid of each line
    /// of the right operand.
    image: Array<u32>,
    y: Array<i32>,
    x: Array<i32>,
    /// By taps: the tap and channel of the next step. By pixels: those of the unit's columns of the right operand, and
    /// the channel of the left one's.
    tap_y: Array<u32>,
    tap_x: Array<u32>,
    channel: Array<u32>,
    /// By taps: where the right operand's lines begin. By pixels: the number of the next step's first pixel.
    other: Array<u32>,
    /// Whether the right operand's lines, or both operands' columns, exist.
    exists: Array<bool>,
    /// Pieces before the block's first, in the tensor that is read by taps and by pixels in the other one.
    block: Array<u32>,
}

#[cube]
pub fn cursor_by_taps(
    geometry: &Geometry,
    block: u32,
    first_row: u32,
    first_column: u32,
    first_step: u32,
    #[comptime] plan: Plan,
) -> Cursor {
    let line = comptime!(plan.left_line() as u32);
    let left_loads = comptime!(plan.left_loads());
    let right_loads = comptime!(plan.right_loads());
    let mut image = Array::<u32>::new(left_loads);
    let mut y = Array::<i32>::new(left_loads);
    let mut x = Array::<i32>::new(left_loads);
    #[unroll]
    for load in 0..left_loads {
        let lines = comptime!((load * plan.units() / plan.left_line()) as u32);
        let row = first_row + UNIT_POS / line + lines;
        let pixel = pixel_of(geometry, row);
        image[load] = pixel.image * (geometry.height * geometry.width);
        let of_y = (pixel.y * geometry.scale_y) as i32 + geometry.shift_y;
        // Beyond any tap's reach.
        y[load] = select(row < geometry.rows, of_y, -1_000_000i32);
        x[load] = (pixel.x * geometry.scale_x) as i32 + geometry.shift_x;
    }
    let mut other = Array::<u32>::new(right_loads);
    let mut exists = Array::<bool>::new(right_loads);
    #[unroll]
    for load in 0..right_loads {
        let lines = comptime!((load * plan.units() / plan.right_line()) as u32);
        let column = first_column + UNIT_POS / line + lines;
        other[load] = block * geometry.other_block + column * geometry.other_row;
        exists[load] = column < geometry.columns;
    }
    let piece = first_step * line + UNIT_POS % line;
    let mut tap_y = Array::<u32>::new(1usize);
    let mut tap_x = Array::<u32>::new(1usize);
    let mut channel = Array::<u32>::new(1usize);
    let tap = piece / geometry.channels;
    channel[0] = piece - tap * geometry.channels;
    tap_y[0] = tap / geometry.taps_across;
    tap_x[0] = tap - tap_y[0] * geometry.taps_across;
    let mut offset = Array::<u32>::new(1usize);
    offset[0] = block * geometry.channels;
    Cursor {
        image,
        y,
        x,
        tap_y,
        tap_x,
        channel,
        other,
        exists,
        block: offset,
    }
}

#[cube]
pub fn cursor_by_pixels(
    geometry: &Geometry,
    block: u32,
    first_row: u32,
    first_column: u32,
    first_step: u32,
    #[comptime] plan: Plan,
) -> Cursor {
    let right_loads = comptime!(plan.right_loads());
    let mut image = Array::<u32>::new(right_loads);
    let mut y = Array::<i32>::new(right_loads);
    let mut x = Array::<i32>::new(right_loads);
    let across = comptime!(plan.right_line() as u32);
    let first = first_step * comptime!(DEPTH as u32);
    #[unroll]
    for load in 0..right_loads {
        let lines = comptime!((load * plan.units() / plan.right_line()) as u32);
        let pixel = pixel_of(geometry, first + UNIT_POS / across + lines);
        image[load] = pixel.image;
        y[load] = pixel.y as i32;
        x[load] = pixel.x as i32;
    }
    let right_piece = first_column / comptime!(PIECE as u32) + UNIT_POS % across;
    let tap = right_piece / geometry.channels;
    let mut tap_y = Array::<u32>::new(1usize);
    let mut tap_x = Array::<u32>::new(1usize);
    let mut channel = Array::<u32>::new(2usize);
    tap_y[0] = tap / geometry.taps_across;
    tap_x[0] = tap - tap_y[0] * geometry.taps_across;
    channel[0] = right_piece - tap * geometry.channels;
    channel[1] =
        first_row / comptime!(PIECE as u32) + UNIT_POS % comptime!(plan.left_line() as u32);
    let mut exists = Array::<bool>::new(2usize);
    exists[0] = right_piece * comptime!(PIECE as u32) < geometry.columns;
    exists[1] = channel[1] < geometry.other_channels;
    let mut other = Array::<u32>::new(1usize);
    other[0] = first;
    let mut offset = Array::<u32>::new(2usize);
    offset[0] = block * geometry.channels;
    offset[1] = block * geometry.other_block;
    Cursor {
        image,
        y,
        x,
        tap_y,
        tap_x,
        channel,
        other,
        exists,
        block: offset,
    }
}

/// Two vectors of a tensor; any, if there are none.
#[cube]
fn read<N: Size>(
    from: &[Vector<f32, N>],
    first: u32,
    second: u32,
    exists: bool,
    into: &mut Side<N>,
    #[comptime] load: usize,
) {
    into.values[comptime!(2 * load)] = from[select(exists, first, 0u32) as usize];
    into.values[comptime!(2 * load + 1)] = from[select(exists, second, 0u32) as usize];
    into.exists[load] = exists;
}

/// Reads a unit's share of a step of both operands, and goes on to the next.
#[cube]
pub fn fetch<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    left_side: &mut Side<N>,
    right_side: &mut Side<N>,
    cursor: &mut Cursor,
    geometry: &Geometry,
    #[comptime] plan: Plan,
) {
    if comptime!(plan.by_pixels) {
        fetch_by_pixels(left, right, left_side, right_side, cursor, geometry, plan);
    } else {
        fetch_by_taps(left, right, left_side, right_side, cursor, geometry, plan);
    }
}

#[cube]
fn fetch_by_taps<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    left_side: &mut Side<N>,
    right_side: &mut Side<N>,
    cursor: &mut Cursor,
    geometry: &Geometry,
    #[comptime] plan: Plan,
) {
    let line = comptime!(plan.left_line() as u32);
    let of_line = UNIT_POS % line;
    let (tap_y, tap_x, channel) = (cursor.tap_y[0], cursor.tap_x[0], cursor.channel[0]);
    // Where the channels of a step lie side by side, units read them so: the first vectors of all, then the second
    // ones. In which order summands meet does not matter.
    let back = select(comptime!(plan.whole), of_line, 0u32);
    let gap = comptime!(if plan.whole {
        plan.left_line() as u32
    } else {
        1u32
    });
    let here =
        (tap_y * geometry.taps_across + tap_x) * geometry.channels + channel < geometry.summands;
    let down = tap_y as i32 * geometry.move_y;
    let across = tap_x as i32 * geometry.move_x;
    #[unroll]
    for load in 0..comptime!(plan.left_loads()) {
        let y = cursor.y[load] + down;
        let x = cursor.x[load] + across;
        let inside =
            here && y >= 0 && x >= 0 && (y as u32) < geometry.height && (x as u32) < geometry.width;
        let pixel = cursor.image[load] + y as u32 * geometry.width + x as u32;
        let at = (pixel * geometry.row + cursor.block[0] + channel) * 2 - back;
        read(left, at, at + gap, inside, left_side, load);
    }
    let tap = geometry.first_tap + tap_y * geometry.tap_step_y + tap_x * geometry.tap_step_x;
    let piece = tap * geometry.channels + channel;
    #[unroll]
    for load in 0..comptime!(plan.right_loads()) {
        let at = (cursor.other[load] + piece) * 2 - back;
        read(
            right,
            at,
            at + gap,
            here && cursor.exists[load],
            right_side,
            load,
        );
    }
    if comptime!(plan.whole) {
        let next = channel + line;
        let same = next < geometry.channels;
        cursor.channel[0] = select(same, next, next - geometry.channels);
        let next = select(same, tap_x, tap_x + 1);
        let same = next < geometry.taps_across;
        cursor.tap_x[0] = select(same, next, 0u32);
        cursor.tap_y[0] = select(same, tap_y, tap_y + 1);
    } else {
        let next = (tap_y * geometry.taps_across + tap_x) * geometry.channels + channel + line;
        let tap = next / geometry.channels;
        cursor.channel[0] = next - tap * geometry.channels;
        let tap_y = tap / geometry.taps_across;
        cursor.tap_y[0] = tap_y;
        cursor.tap_x[0] = tap - tap_y * geometry.taps_across;
    }
}

#[cube]
fn fetch_by_pixels<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    left_side: &mut Side<N>,
    right_side: &mut Side<N>,
    cursor: &mut Cursor,
    geometry: &Geometry,
    #[comptime] plan: Plan,
) {
    let first = cursor.other[0];
    let across = comptime!(plan.left_line() as u32);
    #[unroll]
    for load in 0..comptime!(plan.left_loads()) {
        let lines = comptime!((load * plan.units() / plan.left_line()) as u32);
        let pixel = first + UNIT_POS / across + lines;
        let exists = cursor.exists[1] && pixel < geometry.summands;
        let at = (pixel * geometry.other_row + cursor.block[1] + cursor.channel[1]) * 2;
        read(left, at, at + 1, exists, left_side, load);
    }
    let across = comptime!(plan.right_line() as u32);
    let down = cursor.tap_y[0] as i32 * geometry.move_y + geometry.shift_y;
    let aside = cursor.tap_x[0] as i32 * geometry.move_x + geometry.shift_x;
    #[unroll]
    for load in 0..comptime!(plan.right_loads()) {
        let lines = comptime!((load * plan.units() / plan.right_line()) as u32);
        let exists = cursor.exists[0] && first + UNIT_POS / across + lines < geometry.summands;
        let image = cursor.image[load];
        let grid_y = cursor.y[load] as u32;
        let grid_x = cursor.x[load] as u32;
        let y = (grid_y * geometry.scale_y) as i32 + down;
        let x = (grid_x * geometry.scale_x) as i32 + aside;
        let inside = exists
            && y >= 0
            && x >= 0
            && (y as u32) < geometry.height
            && (x as u32) < geometry.width;
        let pixel = (image * geometry.height + y as u32) * geometry.width + x as u32;
        let at = (pixel * geometry.row + cursor.block[0] + cursor.channel[0]) * 2;
        read(right, at, at + 1, inside, right_side, load);

        let next_x = grid_x + geometry.advance_x;
        let same_row = next_x < geometry.grid_width;
        cursor.x[load] = select(same_row, next_x, next_x - geometry.grid_width) as i32;
        let next_y = grid_y + geometry.advance_y + select(same_row, 0u32, 1u32);
        let same_image = next_y < geometry.grid_height;
        cursor.y[load] = select(same_image, next_y, next_y - geometry.grid_height) as i32;
        cursor.image[load] = image + geometry.advance_image + select(same_image, 0u32, 1u32);
    }
    cursor.other[0] = first + comptime!(DEPTH as u32);
}
