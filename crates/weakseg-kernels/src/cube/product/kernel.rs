//! The product itself: one kernel for the three passes of a convolution.

use cubecl::prelude::*;
use half::bf16;

use super::plan::{DEPTH, PIECE, Plan, SIDE};

/// What the tensors of a product are like. Channels are counted in pieces.
///
/// One of them, `[B, height, width, channels]`, is read by taps: for pixel (y, x) of the grid and tap (i, j) at y·scale_y +
/// shift_y + i·move_y, and so along x.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub struct Geometry {
    /// Blocks of channels beside each other that have nothing to do with one another; all that follows is of one.
    pub blocks: u32,
    /// Rows and columns of the product, as they are written.
    pub rows: u32,
    pub columns: u32,
    /// Summands, in pieces of taps and channels, or in pixels of the grid for weight gradients.
    pub summands: u32,
    /// How many of them, in steps, a workgroup takes.
    pub steps: u32,
    /// The pixels that rows, or summands of weight gradients, are numbered by.
    pub grid_height: u32,
    pub grid_width: u32,
    /// How far a step of pixels goes on, less whole images and rows.
    pub advance_image: u32,
    pub advance_y: u32,
    pub advance_x: u32,
    pub height: u32,
    pub width: u32,
    pub channels: u32,
    /// Pieces from pixel to pixel there.
    pub row: u32,
    pub scale_y: u32,
    pub scale_x: u32,
    pub shift_y: i32,
    pub shift_x: i32,
    pub move_y: i32,
    pub move_x: i32,
    /// Taps that are met, side by side.
    pub taps_across: u32,
    /// Of the other tensor: pieces from line to line, from block to block, and of a block's line; the first tap that is met there,
    /// and how far apart they are.
    pub other_row: u32,
    pub other_block: u32,
    pub other_channels: u32,
    pub first_tap: u32,
    pub tap_step_y: u32,
    pub tap_step_x: u32,
    /// Values from row to row, block to block and split to split where the product is written.
    pub out_row: u32,
    pub out_block: u32,
    pub out_split: u32,
    /// Where rows are written, if not in their order: the pixel of the grid's first, and how far apart they are.
    pub out_first: u32,
    pub out_image: u32,
    pub out_step_y: u32,
    pub out_step_x: u32,
}

/// A pixel of the grid, and the pixels before its image in the tensor that is read by taps.
#[derive(CubeType, Clone, Copy)]
struct Pixel {
    image: u32,
    y: u32,
    x: u32,
}

#[cube]
fn pixel_of(geometry: &Geometry, number: u32) -> Pixel {
    let of_image = geometry.grid_height * geometry.grid_width;
    let image = number / of_image;
    let rest = number - image * of_image;
    let y = rest / geometry.grid_width;
    Pixel {
        image,
        y,
        x: rest - y * geometry.grid_width,
    }
}

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
        // The next step's values come while this one's are multiplied: nothing asks for them before that is done. After the last
        // step they are read in vain.
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

/// An operand: a unit's share of the next step, whether there are such values, and the workgroup's steps before it.
#[derive(CubeType)]
struct Side<N: Size> {
    values: Array<Vector<f32, N>>,
    exists: Array<bool>,
    /// Buffers, and of each its parts.
    shared: Shared<[Vector<u32, N>]>,
}

#[cube]
fn side<N: Size>(#[comptime] loads: usize, #[comptime] length: usize) -> Side<N> {
    Side::<N> {
        values: Array::new(comptime!(2 * loads)),
        exists: Array::new(loads),
        shared: Shared::new_slice(length),
    }
}

/// Where a unit is in its share of both operands: the next step's.
#[derive(CubeType)]
struct Cursor {
    /// By taps: of each line of the left operand the place of tap (0, 0). By pixels: the pixel
    /// of each line of the right operand.
    image: Array<u32>,
    y: Array<i32>,
    x: Array<i32>,
    /// By taps: the tap and its channel. By pixels: channel, and the distance of the unit's tap.
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
fn cursor_by_taps(
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
fn cursor_by_pixels(
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
fn fetch<N: Size>(
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
    // Where the channels of a step lie side by side, units read them so: the first vectors of all, then the second ones. In
    // which order summands meet does not matter.
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

/// The upper halves of two numbers, side by side.
#[cube]
fn pair(first: u32, second: u32) -> u32 {
    (first >> 16u32) | (second & 0xFFFF_0000u32)
}

/// The bits of a number rounded to bf16, to even, in its upper half. What is not a number stays so.
#[cube]
fn rounded(bits: u32) -> u32 {
    let number = (bits & 0x7FFF_FFFFu32) <= 0x7F80_0000u32;
    select(number, bits + 0x7FFFu32 + ((bits >> 16u32) & 1u32), bits)
}

/// The bits of a number such that their upper half is the nearest bf16, or one as near.
#[cube]
fn nearest(value: f32) -> u32 {
    u32::reinterpret(value) + 0x8000u32
}

/// The bits of what [`nearest`] leaves of a number, rounded in the same way; of what is not a number, not a number.
#[cube]
fn remainder(value: f32) -> u32 {
    let high = f32::reinterpret(nearest(value) & 0xFFFF_0000u32);
    let rest = u32::reinterpret(value - high);
    let finite = (rest & 0x7F80_0000u32) != 0x7F80_0000u32;
    select(finite, rest + 0x8000u32, rest)
}

/// Puts a unit's share into shared memory as bf16: rounded, or in two parts whose sum is the value but for its last 7 bits.
#[cube]
fn keep<N: Size>(
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
fn multiply<N: Size>(
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

/// Writes a plane's sums: where its workgroup's are all inside the product as they are, else each fragment by way of shared
/// memory, and of that what is inside.
#[cube]
fn write(
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
    if comptime!(!plan.scattered) && inside {
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

/// [`multiply`] without matrix units, for devices that have none: what it is tested on.
#[cube]
fn multiply_values<N: Size>(
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

#[cube]
fn write_values(
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
