//! The product itself: one kernel for the three passes of a convolution.

use cubecl::prelude::*;
use half::bf16;

use super::plan::{DEPTH, Pass, Plan, SIDE};

/// Values of a piece: what a unit carries from global to shared memory at a time.
const PIECE: usize = 8;

/// What the tensors of a product are like. Channels are counted in pieces.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub struct Geometry {
    /// Rows and columns of the product, as they are written.
    pub rows: u32,
    pub columns: u32,
    /// Summands, in pieces for outputs and input gradients, in pixels for weight gradients.
    pub summands: u32,
    /// How many of them, in steps, a workgroup takes.
    pub steps: u32,
    /// The pixels that rows (or summands) are numbered by.
    pub grid_height: u32,
    pub grid_width: u32,
    /// The tensor that is read by taps, `[B, height, width, channels]`.
    pub height: u32,
    pub width: u32,
    pub channels: u32,
    /// Channels of the gradient that a weight gradient reads beside it.
    pub left_channels: u32,
    pub kernel_width: u32,
    pub stride_y: u32,
    pub stride_x: u32,
    pub dilation_y: u32,
    pub dilation_x: u32,
    pub padding_y: u32,
    pub padding_x: u32,
}

/// Writes rows × columns: `[splits, rows, columns]`, each split the sum of its part of the summands.
#[cube(launch_unchecked)]
pub fn product<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    out: &mut [f32],
    geometry: Geometry,
    #[comptime] plan: Plan,
) {
    let column_tile = CUBE_POS_X;
    let row_tile = CUBE_POS_Y;
    let split = CUBE_POS_Z;
    let first_row = row_tile * comptime!(plan.rows as u32);
    let first_column = column_tile * comptime!(plan.columns as u32);

    let left_length = comptime!(plan.left_length());
    let right_length = comptime!(plan.right_length());
    let mut left_high = Shared::<[Vector<u32, N>]>::new_slice(left_length);
    let mut right_high = Shared::<[Vector<u32, N>]>::new_slice(right_length);
    let mut left_low = Shared::<[Vector<u32, N>]>::new_slice(comptime!(plan.low(left_length)));
    let mut right_low = Shared::<[Vector<u32, N>]>::new_slice(comptime!(plan.low(right_length)));

    let left_loads = comptime!(plan.left_loads());
    let right_loads = comptime!(plan.right_loads());
    let mut left_values = Array::<Vector<f32, N>>::new(comptime!(2 * left_loads));
    let mut right_values = Array::<Vector<f32, N>>::new(comptime!(2 * right_loads));

    // What of a unit's share stays the same in all steps.
    let mut places = Sequence::<Place>::new();
    #[unroll]
    for load in 0..comptime!(plan.fixed_loads()) {
        places.push(fixed_place(&geometry, first_row, first_column, plan, load));
    }

    let first_step = split * geometry.steps;
    let total = geometry
        .summands
        .div_ceil(comptime!(plan.summands_of_step() as u32));
    let last_step = min(first_step + geometry.steps, total);

    let frames = comptime!(plan.fragments_down() * plan.fragments_across());
    let mut sums = Sequence::<cmma::Matrix<f32>>::new();
    let mut values = Array::<f32>::new(comptime!(plan.values_by_units()));
    if comptime!(plan.matrix_units) {
        #[unroll]
        for _ in 0..frames {
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

    fetch(
        left, right, &mut left_values, &mut right_values, &places, &geometry, first_row,
        first_column, first_step, plan,
    );
    for step in first_step..last_step {
        sync_cube();
        keep(&left_values, &mut left_high, &mut left_low, comptime!(plan.left_line()), comptime!(plan.left_stride()), left_loads, plan);
        keep(&right_values, &mut right_high, &mut right_low, comptime!(plan.right_line()), comptime!(plan.right_stride()), right_loads, plan);
        sync_cube();
        // The next step's values come while this one's are multiplied.
        if step + 1 < last_step {
            fetch(
                left, right, &mut left_values, &mut right_values, &places, &geometry, first_row,
                first_column, step + 1, plan,
            );
        }
        if comptime!(plan.matrix_units) {
            multiply(&left_high, &left_low, &right_high, &right_low, &mut sums, plan);
        } else {
            multiply_values(&left_high, &left_low, &right_high, &right_low, &mut values, plan);
        }
    }

    let base = split as usize * (geometry.rows as usize * geometry.columns as usize);
    if comptime!(plan.matrix_units) {
        write(out, &sums, &geometry, base, first_row, first_column, plan);
    } else {
        write_values(out, &values, &geometry, base, first_row, first_column, plan);
    }
}

/// A line of an operand that a unit reads: where its pixel begins, or that there is none.
#[derive(CubeType, Clone, Copy)]
struct Place {
    /// Pixels before the image's first, in the tensor that is read by taps.
    image: u32,
    y: i32,
    x: i32,
}

/// The pixel of the grid with this number, in the coordinates of the tensor that is read by taps, for tap 0.
#[cube]
fn place(geometry: &Geometry, pixel: u32, exists: bool, #[comptime] plan: Plan) -> Place {
    let of_image = geometry.grid_height * geometry.grid_width;
    let image = pixel / of_image;
    let rest = pixel - image * of_image;
    let y = rest / geometry.grid_width;
    let x = rest - y * geometry.grid_width;
    let image = image * (geometry.height * geometry.width);
    if comptime!(plan.pass == Pass::InputGradient) {
        let y = (y + geometry.padding_y) as i32;
        let x = (x + geometry.padding_x) as i32;
        Place { image, y: select(exists, y, -1i32), x }
    } else {
        let y = (y * geometry.stride_y) as i32 - geometry.padding_y as i32;
        let x = (x * geometry.stride_x) as i32 - geometry.padding_x as i32;
        // Below any reach of a kernel.
        Place { image, y: select(exists, y, -1_000_000i32), x }
    }
}

/// For outputs and input gradients the row of the unit's `load`th line; for weight gradients the tap and channels of its
/// columns.
#[cube]
fn fixed_place(
    geometry: &Geometry,
    first_row: u32,
    first_column: u32,
    #[comptime] plan: Plan,
    #[comptime] load: usize,
) -> Place {
    if comptime!(plan.pass == Pass::WeightGradient) {
        let across = comptime!(plan.right_line() as u32);
        let piece = first_column / comptime!(PIECE as u32) + UNIT_POS % across;
        let tap = piece / geometry.channels;
        let channel = piece - tap * geometry.channels;
        let tap_y = tap / geometry.kernel_width;
        let tap_x = tap - tap_y * geometry.kernel_width;
        Place {
            image: channel,
            y: (tap_y * geometry.dilation_y) as i32,
            x: (tap_x * geometry.dilation_x) as i32,
        }
    } else {
        let line = comptime!(plan.left_line() as u32);
        let lines = comptime!((load * plan.units() / plan.left_line()) as u32);
        let row = first_row + UNIT_POS / line + lines;
        place(geometry, row, row < geometry.rows, plan)
    }
}

/// The piece at a pixel, moved by a tap, of the tensor that is read by taps: where it is, in vectors, and whether it is.
#[cube]
fn tapped(
    geometry: &Geometry,
    place: &Place,
    down: i32,
    right: i32,
    channel: u32,
    #[comptime] plan: Plan,
) -> (usize, bool) {
    if comptime!(plan.pass == Pass::InputGradient) {
        let y = place.y - down;
        let x = place.x - right;
        let mut inside = y >= 0 && x >= 0;
        // Negative ones are no pixels whatever they are divided by.
        let mut y = y as u32;
        let mut x = x as u32;
        if comptime!(plan.strided) {
            let whole_y = y / geometry.stride_y;
            let whole_x = x / geometry.stride_x;
            inside = inside
                && whole_y * geometry.stride_y == y
                && whole_x * geometry.stride_x == x;
            y = whole_y;
            x = whole_x;
        }
        inside = inside && y < geometry.height && x < geometry.width;
        let at = ((place.image + y * geometry.width + x) * geometry.channels + channel) * 2;
        (select(inside, at, 0u32) as usize, inside)
    } else {
        let y = place.y + down;
        let x = place.x + right;
        let inside = y >= 0 && x >= 0 && (y as u32) < geometry.height && (x as u32) < geometry.width;
        let pixel = place.image + y as u32 * geometry.width + x as u32;
        let at = (pixel * geometry.channels + channel) * 2;
        (select(inside, at, 0u32) as usize, inside)
    }
}

/// Two vectors of a tensor, or zeros.
#[cube]
fn read<N: Size>(
    from: &[Vector<f32, N>],
    at: usize,
    exists: bool,
    into: &mut Array<Vector<f32, N>>,
    #[comptime] load: usize,
) {
    let zero = Vector::<f32, N>::zeroed();
    into[comptime!(2 * load)] = select(exists, from[at], zero);
    into[comptime!(2 * load + 1)] = select(exists, from[at + 1], zero);
}

/// Reads a unit's share of a step of both operands.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    left_values: &mut Array<Vector<f32, N>>,
    right_values: &mut Array<Vector<f32, N>>,
    places: &Sequence<Place>,
    geometry: &Geometry,
    first_row: u32,
    first_column: u32,
    step: u32,
    #[comptime] plan: Plan,
) {
    if comptime!(plan.pass == Pass::WeightGradient) {
        let across = comptime!(plan.left_line() as u32);
        let piece = first_row / comptime!(PIECE as u32) + UNIT_POS % across;
        let here = piece < geometry.left_channels;
        #[unroll]
        for load in 0..comptime!(plan.left_loads()) {
            let lines = comptime!((load * plan.units() / plan.left_line()) as u32);
            let pixel = step * comptime!(DEPTH as u32) + UNIT_POS / across + lines;
            let exists = here && pixel < geometry.summands;
            let at = (pixel * geometry.left_channels + piece) * 2;
            read(left, select(exists, at, 0u32) as usize, exists, left_values, load);
        }
        let across = comptime!(plan.right_line() as u32);
        let tap = &places[0];
        let piece = first_column / comptime!(PIECE as u32) + UNIT_POS % across;
        let here = piece * comptime!(PIECE as u32) < geometry.columns;
        #[unroll]
        for load in 0..comptime!(plan.right_loads()) {
            let lines = comptime!((load * plan.units() / plan.right_line()) as u32);
            let pixel = step * comptime!(DEPTH as u32) + UNIT_POS / across + lines;
            let exists = here && pixel < geometry.summands;
            let from = place(geometry, pixel, exists, plan);
            let (at, inside) = tapped(geometry, &from, tap.y, tap.x, tap.image, plan);
            read(right, at, inside, right_values, load);
        }
    } else {
        let line = comptime!(plan.left_line() as u32);
        let piece = step * line + UNIT_POS % line;
        let here = piece < geometry.summands;
        let tap = piece / geometry.channels;
        let channel = piece - tap * geometry.channels;
        let tap_y = tap / geometry.kernel_width;
        let tap_x = tap - tap_y * geometry.kernel_width;
        let down = (tap_y * geometry.dilation_y) as i32;
        let across = (tap_x * geometry.dilation_x) as i32;
        #[unroll]
        for load in 0..comptime!(plan.left_loads()) {
            let (at, inside) = tapped(geometry, &places[load], down, across, channel, plan);
            let exists = here && inside;
            read(left, select(exists, at, 0usize), exists, left_values, load);
        }
        #[unroll]
        for load in 0..comptime!(plan.right_loads()) {
            let lines = comptime!((load * plan.units() / plan.right_line()) as u32);
            let column = first_column + UNIT_POS / line + lines;
            let exists = here && column < geometry.columns;
            let at = (column * geometry.summands + piece) * 2;
            read(right, select(exists, at, 0u32) as usize, exists, right_values, load);
        }
    }
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

/// The bits of each number, or of what its upper half leaves of it.
#[cube]
fn remainder(value: f32) -> u32 {
    let high = f32::reinterpret(u32::reinterpret(value) & 0xFFFF_0000u32);
    u32::reinterpret(value - high)
}

/// Puts a unit's share into shared memory as bf16: rounded, or in two parts whose sum is the value but for its last 8 bits.
#[cube]
fn keep<N: Size>(
    values: &Array<Vector<f32, N>>,
    high: &mut Shared<[Vector<u32, N>]>,
    low: &mut Shared<[Vector<u32, N>]>,
    #[comptime] line: usize,
    #[comptime] stride: usize,
    #[comptime] loads: usize,
    #[comptime] plan: Plan,
) {
    let piece = UNIT_POS as usize % line;
    let first = UNIT_POS as usize / line;
    #[unroll]
    for load in 0..loads {
        let at = (first + comptime!(load * plan.units() / line)) * stride + piece;
        let mut upper = Vector::<u32, N>::zeroed();
        let mut lower = Vector::<u32, N>::zeroed();
        #[unroll]
        for half in 0..2usize {
            let four = values[comptime!(2 * load + half)];
            #[unroll]
            for couple in 0..2usize {
                let one = four.extract(comptime!(2 * couple));
                let other = four.extract(comptime!(2 * couple + 1));
                let to = comptime!(2 * half + couple);
                if comptime!(plan.split) {
                    upper.insert(to, pair(u32::reinterpret(one), u32::reinterpret(other)));
                    lower.insert(to, pair(remainder(one), remainder(other)));
                } else {
                    let one = rounded(u32::reinterpret(one));
                    let other = rounded(u32::reinterpret(other));
                    upper.insert(to, pair(one, other));
                }
            }
        }
        high[at] = upper;
        if comptime!(plan.split) {
            low[at] = lower;
        }
    }
}

/// A fragment of an operand, from shared memory. `across`: its row or column, `deep`: its first summand.
#[cube]
fn fragment<N: Size>(
    shared: &Shared<[Vector<u32, N>]>,
    across: usize,
    deep: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] stride: usize,
    #[comptime] plan: Plan,
) -> cmma::Matrix<bf16> {
    let by_depth = comptime!(plan.pass == Pass::WeightGradient);
    let at = if by_depth {
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
    cmma::load(&mut matrix, &shared[at..shared.len()], comptime!((stride * 4) as u32));
    matrix
}

/// Adds the products of a step to a plane's sums.
#[cube]
fn multiply<N: Size>(
    left_high: &Shared<[Vector<u32, N>]>,
    left_low: &Shared<[Vector<u32, N>]>,
    right_high: &Shared<[Vector<u32, N>]>,
    right_low: &Shared<[Vector<u32, N>]>,
    sums: &mut Sequence<cmma::Matrix<f32>>,
    #[comptime] plan: Plan,
) {
    let down = comptime!(plan.fragments_down());
    let across = comptime!(plan.fragments_across());
    let plane = UNIT_POS_Y as usize;
    let row = plane / comptime!(plan.planes_across) * comptime!(down * SIDE);
    let column = plane % comptime!(plan.planes_across) * comptime!(across * SIDE);
    let left_stride = comptime!(plan.left_stride());
    let right_stride = comptime!(plan.right_stride());
    #[unroll]
    for part in 0..comptime!(DEPTH / SIDE) {
        let deep = comptime!(part * SIDE).runtime();
        let mut high = Sequence::<cmma::Matrix<bf16>>::new();
        let mut low = Sequence::<cmma::Matrix<bf16>>::new();
        #[unroll]
        for i in 0..down {
            let at = row + comptime!(i * SIDE);
            high.push(fragment(left_high, at, deep, cmma::MatrixIdent::A, left_stride, plan));
            if comptime!(plan.split) {
                low.push(fragment(left_low, at, deep, cmma::MatrixIdent::A, left_stride, plan));
            }
        }
        #[unroll]
        for j in 0..across {
            let at = column + comptime!(j * SIDE);
            let other = fragment(right_high, at, deep, cmma::MatrixIdent::B, right_stride, plan);
            #[unroll]
            for i in 0..down {
                let sum = &sums[comptime!(i * across + j)];
                cmma::execute(&high[i], &other, sum, sum);
                if comptime!(plan.split) {
                    cmma::execute(&low[i], &other, sum, sum);
                }
            }
            if comptime!(plan.split) {
                let other = fragment(right_low, at, deep, cmma::MatrixIdent::B, right_stride, plan);
                #[unroll]
                for i in 0..down {
                    let sum = &sums[comptime!(i * across + j)];
                    cmma::execute(&high[i], &other, sum, sum);
                }
            }
        }
    }
}

/// Writes a plane's sums, each fragment by way of shared memory: what lies outside the product is not written.
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
    let rows = geometry.rows as usize;
    let columns = geometry.columns as usize;
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
                let r = row + comptime!(i * SIDE) + of_fragment / SIDE;
                let c = column + comptime!(j * SIDE) + of_fragment % SIDE;
                if r < rows && c < columns {
                    out[base + r * columns + c] = stage[start + of_fragment];
                }
            }
            sync_cube();
        }
    }
}

/// A value in shared memory.
#[cube]
fn value<N: Size>(
    shared: &Shared<[Vector<u32, N>]>,
    across: usize,
    deep: usize,
    #[comptime] stride: usize,
    #[comptime] plan: Plan,
) -> f32 {
    let by_depth = comptime!(plan.pass == Pass::WeightGradient);
    let at = if by_depth {
        deep * stride + across / PIECE
    } else {
        across * stride + deep / PIECE
    };
    let of_piece = if by_depth { across % PIECE } else { deep % PIECE };
    let both = shared[at].extract_dynamic(of_piece / 2);
    let bits = select(of_piece % 2 == 0, both << 16u32, both & 0xFFFF_0000u32);
    f32::reinterpret(bits)
}

/// [`multiply`] without matrix units, for devices that have none: what it is tested on.
#[cube]
fn multiply_values<N: Size>(
    left_high: &Shared<[Vector<u32, N>]>,
    left_low: &Shared<[Vector<u32, N>]>,
    right_high: &Shared<[Vector<u32, N>]>,
    right_low: &Shared<[Vector<u32, N>]>,
    values: &mut Array<f32>,
    #[comptime] plan: Plan,
) {
    let left_stride = comptime!(plan.left_stride());
    let right_stride = comptime!(plan.right_stride());
    for deep in 0..DEPTH {
        #[unroll]
        for index in 0..comptime!(plan.values_of_unit()) {
            let at = UNIT_POS as usize + comptime!(index * plan.units());
            let row = at / comptime!(plan.columns);
            let column = at % comptime!(plan.columns);
            let one = value(left_high, row, deep, left_stride, plan);
            let other = value(right_high, column, deep, right_stride, plan);
            values[index] += one * other;
            if comptime!(plan.split) {
                values[index] += value(left_low, row, deep, left_stride, plan) * other;
                values[index] += one * value(right_low, column, deep, right_stride, plan);
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
        let row = first_row as usize + at / comptime!(plan.columns);
        let column = first_column as usize + at % comptime!(plan.columns);
        if row < geometry.rows as usize && column < geometry.columns as usize {
            out[base + row * geometry.columns as usize + column] = values[index];
        }
    }
}
