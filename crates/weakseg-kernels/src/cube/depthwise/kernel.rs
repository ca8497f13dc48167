//! A depthwise convolution is a sum over taps, vector by vector of channels: no products for matrix units.

use cubecl::prelude::*;

/// Units of a workgroup.
pub const UNITS: usize = 256;

/// A tensor `[B, height, width, channels]` that is read by taps, channels in vectors: for pixel (y, x) of the grid and
/// tap (i, j) at y·scale_y + shift_y + i·move_y, and so along x.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub struct Taps {
    pub channels: u32,
    pub height: u32,
    pub width: u32,
    pub grid_height: u32,
    pub grid_width: u32,
    /// Of all images.
    pub pixels: u32,
    pub scale_y: u32,
    pub scale_x: u32,
    pub shift_y: i32,
    pub shift_x: i32,
    pub move_y: i32,
    pub move_x: i32,
}

/// The vector that a tap meets from a pixel of the grid, or zeros.
#[cube]
fn met<N: Size>(
    x: &[Vector<f32, N>],
    taps: &Taps,
    pixel: u32,
    channel: u32,
    #[comptime] tap_y: usize,
    #[comptime] tap_x: usize,
) -> Vector<f32, N> {
    let of_image = taps.grid_height * taps.grid_width;
    let image = pixel / of_image;
    let rest = pixel - image * of_image;
    let grid_y = rest / taps.grid_width;
    let grid_x = rest - grid_y * taps.grid_width;
    let down = comptime!(tap_y as i32).runtime() * taps.move_y;
    let across = comptime!(tap_x as i32).runtime() * taps.move_x;
    let y = (grid_y * taps.scale_y) as i32 + taps.shift_y + down;
    let x_at = (grid_x * taps.scale_x) as i32 + taps.shift_x + across;
    let inside = y >= 0 && x_at >= 0 && (y as u32) < taps.height && (x_at as u32) < taps.width;
    let from = (image * taps.height + y as u32) * taps.width + x_at as u32;
    let at = select(inside, from * taps.channels + channel, 0u32);
    select(inside, x[at as usize], Vector::<f32, N>::zeroed())
}

/// Sums over taps: `[pixels, channels]` of x and weight `[taps, channels]`. A unit has a vector.
#[cube(launch_unchecked)]
pub fn depthwise<N: Size>(
    x: &[Vector<f32, N>],
    weight: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    taps: Taps,
    #[comptime] kernel: (usize, usize),
) {
    let (tall, wide) = kernel;
    let unit = ABSOLUTE_POS as u32;
    if unit < taps.pixels * taps.channels {
        let pixel = unit / taps.channels;
        let channel = unit - pixel * taps.channels;
        let mut sum = Vector::<f32, N>::zeroed();
        #[unroll]
        for tap_y in 0..tall {
            #[unroll]
            for tap_x in 0..wide {
                let tap = comptime!((tap_y * wide + tap_x) as u32);
                let value = met(x, &taps, pixel, channel, tap_y, tap_x);
                sum += value * weight[(tap * taps.channels + channel) as usize];
            }
        }
        out[unit as usize] = sum;
    }
}

/// Of each part of the pixels, sums of a gradient's products with what a tap meets: `[parts, taps, channels]`.
/// Workgroups: parts, vectors of channels beside each other, taps. With units of `across` channels beside each other.
#[cube(launch_unchecked)]
pub fn depthwise_weight_gradient<N: Size>(
    x: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    taps: Taps,
    of_part: u32,
    #[comptime] kernel: (usize, usize),
    #[comptime] across: usize,
) {
    let (tall, wide) = kernel;
    let channel = CUBE_POS_Y * comptime!(across as u32) + UNIT_POS % comptime!(across as u32);
    let first = CUBE_POS_X * of_part + UNIT_POS / comptime!(across as u32);
    let end = min(CUBE_POS_X * of_part + of_part, taps.pixels);
    let exists = channel < taps.channels;
    let end = select(exists, end, 0u32);
    let zero = Vector::<f32, N>::zeroed();
    let count = comptime!(tall * wide);
    let mut sums = Array::<Vector<f32, N>>::new(count);
    #[unroll]
    for tap in 0..count {
        sums[tap] = zero;
    }
    for pixel in range_stepped(first, end, comptime!((UNITS / across) as u32)) {
        let upstream = gradient[(pixel * taps.channels + channel) as usize];
        #[unroll]
        for tap_y in 0..tall {
            #[unroll]
            for tap_x in 0..wide {
                let tap = comptime!(tap_y * wide + tap_x);
                sums[tap] += met(x, &taps, pixel, channel, tap_y, tap_x) * upstream;
            }
        }
    }
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let unit = UNIT_POS as usize;
    let halvings = comptime!((UNITS / across).trailing_zeros() as usize);
    #[unroll]
    for tap in 0..count {
        shared[unit] = sums[tap];
        #[unroll]
        for halving in 0..halvings {
            let reach = comptime!(UNITS >> (halving + 1));
            sync_cube();
            if unit < reach {
                shared[unit] = shared[unit] + shared[unit + reach];
            }
        }
        if unit < across && exists {
            let line = CUBE_POS_X * comptime!(count as u32) + comptime!(tap as u32);
            out[(line * taps.channels + channel) as usize] = shared[unit];
        }
        sync_cube();
    }
}
