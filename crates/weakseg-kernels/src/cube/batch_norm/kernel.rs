//! Sums over the pixels of each channel, in two passes (a workgroup sums a part of the pixels, then one the parts), and
//! what is done to every pixel with them.

use cubecl::prelude::*;

/// Units of a workgroup.
pub const UNITS: usize = 256;

/// Which pixels and channels a workgroup has. Channels are counted in vectors.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub struct Part {
    pub pixels: u32,
    pub channels: u32,
    /// Pixels of a part; the last may have fewer.
    pub of_part: u32,
}

/// Mean and sum of squared differences from it, of so many values.
#[derive(CubeType, Clone, Copy)]
struct Moments<N: Size> {
    count: f32,
    mean: Vector<f32, N>,
    squares: Vector<f32, N>,
}

/// Of two sets together (Chan, Golub, LeVeque 1979).
#[cube]
fn together<N: Size>(one: Moments<N>, other: Moments<N>) -> Moments<N> {
    let count = one.count + other.count;
    let share = Vector::<f32, N>::new(other.count / max(count, 1.0f32));
    let step = other.mean - one.mean;
    Moments::<N> {
        count,
        mean: one.mean + step * share,
        squares: one.squares + other.squares + step * step * share * Vector::new(one.count),
    }
}

/// Joins the moments of all units of a column of `down` units, `across` columns beside each other; unit 0 of a column
/// has the result.
#[cube]
fn join<N: Size>(moments: Moments<N>, #[comptime] across: usize) -> Moments<N> {
    let mut counts = Shared::<[f32]>::new_slice(UNITS);
    let mut means = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut squares = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let unit = UNIT_POS as usize;
    counts[unit] = moments.count;
    means[unit] = moments.mean;
    squares[unit] = moments.squares;
    let halvings = comptime!((UNITS / across).trailing_zeros() as usize);
    #[unroll]
    for halving in 0..halvings {
        let reach = comptime!(UNITS >> (halving + 1));
        sync_cube();
        if unit < reach {
            let one = Moments::<N> {
                count: counts[unit],
                mean: means[unit],
                squares: squares[unit],
            };
            let other = Moments::<N> {
                count: counts[unit + reach],
                mean: means[unit + reach],
                squares: squares[unit + reach],
            };
            let both = together(one, other);
            counts[unit] = both.count;
            means[unit] = both.mean;
            squares[unit] = both.squares;
        }
    }
    sync_cube();
    Moments::<N> {
        count: counts[unit],
        mean: means[unit],
        squares: squares[unit],
    }
}

/// Moments of each part: `[parts, 2, channels]`, means before squares.
#[cube(launch_unchecked)]
pub fn moments_of_parts<N: Size>(
    x: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    part: Part,
    #[comptime] across: usize,
) {
    let channel = CUBE_POS_Y * comptime!(across as u32) + UNIT_POS % comptime!(across as u32);
    let first = CUBE_POS_X * part.of_part + UNIT_POS / comptime!(across as u32);
    let end = min(CUBE_POS_X * part.of_part + part.of_part, part.pixels);
    let exists = channel < part.channels;
    let end = select(exists, end, 0u32);
    let zero = Vector::<f32, N>::zeroed();
    // Differences from a value among them: their squares do not drown in that of the mean.
    let at = select(first < end, first * part.channels + channel, 0u32);
    let origin = x[at as usize];
    let mut count = 0.0f32;
    let mut sum = zero;
    let mut squares = zero;
    for pixel in range_stepped(first, end, comptime!((UNITS / across) as u32)) {
        let difference = x[(pixel * part.channels + channel) as usize] - origin;
        sum += difference;
        squares += difference * difference;
        count += 1.0f32;
    }
    let share = Vector::<f32, N>::new(1.0f32 / max(count, 1.0f32));
    let own = Moments::<N> {
        count,
        mean: origin + sum * share,
        squares: squares - sum * sum * share,
    };
    let all = join(own, across);
    if UNIT_POS < comptime!(across as u32) && exists {
        let to = (CUBE_POS_X * 2 * part.channels + channel) as usize;
        out[to] = all.mean;
        out[to + part.channels as usize] = all.squares;
    }
}

/// Mean and biased variance of all parts.
#[cube(launch_unchecked)]
pub fn moments_of_all<N: Size>(
    parts: &[Vector<f32, N>],
    mean_out: &mut [Vector<f32, N>],
    variance_out: &mut [Vector<f32, N>],
    part: Part,
    parts_count: u32,
) {
    let channel = CUBE_POS_X;
    let zero = Vector::<f32, N>::zeroed();
    let mut count = 0.0f32;
    let mut mean = zero;
    let mut squares = zero;
    for index in range_stepped(UNIT_POS, parts_count, comptime!(UNITS as u32)) {
        let pixels = min(part.of_part, part.pixels - index * part.of_part);
        let from = (index * 2 * part.channels + channel) as usize;
        let own = Moments::<N> {
            count,
            mean,
            squares,
        };
        let other = Moments::<N> {
            count: f32::cast_from(pixels),
            mean: parts[from],
            squares: parts[from + part.channels as usize],
        };
        let both = together(own, other);
        count = both.count;
        mean = both.mean;
        squares = both.squares;
    }
    let own = Moments::<N> {
        count,
        mean,
        squares,
    };
    let all = join(own, 1usize);
    if UNIT_POS == 0 {
        let pixels = Vector::<f32, N>::new(f32::cast_from(part.pixels));
        mean_out[channel as usize] = all.mean;
        variance_out[channel as usize] = all.squares / pixels;
    }
}

/// Adds up the two sums of all units of a column.
#[cube]
fn add<N: Size>(
    one: Vector<f32, N>,
    other: Vector<f32, N>,
    #[comptime] across: usize,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let mut ones = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let mut others = Shared::<[Vector<f32, N>]>::new_slice(UNITS);
    let unit = UNIT_POS as usize;
    ones[unit] = one;
    others[unit] = other;
    let halvings = comptime!((UNITS / across).trailing_zeros() as usize);
    #[unroll]
    for halving in 0..halvings {
        let reach = comptime!(UNITS >> (halving + 1));
        sync_cube();
        if unit < reach {
            ones[unit] = ones[unit] + ones[unit + reach];
            others[unit] = others[unit] + others[unit + reach];
        }
    }
    sync_cube();
    (ones[unit], others[unit])
}

/// A batch norm's vectors of a channel: (x − mean)·scale + shift.
#[derive(CubeType, Clone, Copy)]
struct Line<N: Size> {
    mean: Vector<f32, N>,
    /// 1 / √(variance + ε).
    inverse: Vector<f32, N>,
    scale: Vector<f32, N>,
    shift: Vector<f32, N>,
}

#[cube]
fn line<N: Size>(
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    epsilon: f32,
    channel: usize,
) -> Line<N> {
    let one = Vector::<f32, N>::new(1.0f32);
    let inverse = one / Vector::<f32, N>::sqrt(variance[channel] + Vector::new(epsilon));
    Line::<N> {
        mean: mean[channel],
        inverse,
        scale: gamma[channel] * inverse,
        shift: beta[channel],
    }
}

/// (x − mean)·scale + shift, plus a shortcut if there is one, then ReLU if asked for.
#[cube(launch_unchecked)]
pub fn normalize<N: Size>(
    x: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    shortcut: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    part: Part,
    epsilon: f32,
    #[comptime] add: bool,
    #[comptime] relu: bool,
) {
    let unit = CUBE_POS_Y * CUBE_COUNT_X * CUBE_DIM_X + ABSOLUTE_POS_X;
    if unit < part.pixels * part.channels {
        let channel = (unit % part.channels) as usize;
        let at = unit as usize;
        let line = line(gamma, beta, mean, variance, epsilon, channel);
        let mut value = (x[at] - line.mean) * line.scale + line.shift;
        if comptime!(add) {
            value += shortcut[at];
        }
        if comptime!(relu) {
            // Not `max`, which may take the zero where the value is NaN: a network that diverged must not look well.
            let zero = Vector::<f32, N>::zeroed();
            value = select_many(value.less_equal(&zero), zero, value);
        }
        out[at] = value;
    }
}

/// The gradient that reaches (x − mean)·scale + shift: with ReLU after it, where that is positive.
#[cube]
fn reached<N: Size>(
    gradient: Vector<f32, N>,
    x: Vector<f32, N>,
    line: &Line<N>,
    #[comptime] relu: bool,
) -> Vector<f32, N> {
    let zero = Vector::<f32, N>::zeroed();
    if comptime!(relu) {
        let before = (x - line.mean) * line.scale + line.shift;
        // So that a NaN stays one.
        select_many(before.less_equal(&zero), zero, gradient)
    } else {
        gradient
    }
}

/// Of each part, sums of the gradient and of its products with x − mean: `[parts, 2, channels]`.
#[cube(launch_unchecked)]
pub fn gradient_sums_of_parts<N: Size>(
    x: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    part: Part,
    epsilon: f32,
    #[comptime] across: usize,
    #[comptime] relu: bool,
) {
    let channel = CUBE_POS_Y * comptime!(across as u32) + UNIT_POS % comptime!(across as u32);
    let first = CUBE_POS_X * part.of_part + UNIT_POS / comptime!(across as u32);
    let end = min(CUBE_POS_X * part.of_part + part.of_part, part.pixels);
    let exists = channel < part.channels;
    let end = select(exists, end, 0u32);
    let of_channel = select(exists, channel, 0u32) as usize;
    let line = line(gamma, beta, mean, variance, epsilon, of_channel);
    let mut sum = Vector::<f32, N>::zeroed();
    let mut products = Vector::<f32, N>::zeroed();
    for pixel in range_stepped(first, end, comptime!((UNITS / across) as u32)) {
        let at = (pixel * part.channels + channel) as usize;
        let value = x[at];
        let upstream = reached(gradient[at], value, &line, relu);
        sum += upstream;
        products += upstream * (value - line.mean);
    }
    let (sum, products) = add(sum, products, across);
    if UNIT_POS < comptime!(across as u32) && exists {
        let to = (CUBE_POS_X * 2 * part.channels + channel) as usize;
        out[to] = sum;
        out[to + part.channels as usize] = products;
    }
}

/// The gradients of gamma and beta, of the sums of all parts.
#[cube(launch_unchecked)]
pub fn gradient_sums_of_all<N: Size>(
    parts: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    of_gamma: &mut [Vector<f32, N>],
    of_beta: &mut [Vector<f32, N>],
    channels: u32,
    count: u32,
    epsilon: f32,
) {
    let channel = CUBE_POS_X;
    let zero = Vector::<f32, N>::zeroed();
    let mut one = zero;
    let mut other = zero;
    for index in range_stepped(UNIT_POS, count, comptime!(UNITS as u32)) {
        let from = (index * 2 * channels + channel) as usize;
        one += parts[from];
        other += parts[from + channels as usize];
    }
    let (one, other) = add(one, other, 1usize);
    if UNIT_POS == 0 {
        let at = channel as usize;
        let deviation = Vector::<f32, N>::sqrt(variance[at] + Vector::new(epsilon));
        of_beta[at] = one;
        of_gamma[at] = other / deviation;
    }
}

/// x's gradient: scale·(g − mean of g − x̂ · mean of g·x̂), with x̂ = (x − mean) / √(variance + ε).
#[cube(launch_unchecked)]
pub fn gradient_of_x<N: Size>(
    x: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    of_gamma: &[Vector<f32, N>],
    of_beta: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    part: Part,
    epsilon: f32,
    #[comptime] relu: bool,
) {
    let unit = CUBE_POS_Y * CUBE_COUNT_X * CUBE_DIM_X + ABSOLUTE_POS_X;
    if unit < part.pixels * part.channels {
        let channel = (unit % part.channels) as usize;
        let at = unit as usize;
        let line = line(gamma, beta, mean, variance, epsilon, channel);
        let value = x[at];
        let upstream = reached(gradient[at], value, &line, relu);
        let normal = (value - line.mean) * line.inverse;
        let share = Vector::<f32, N>::new(1.0f32 / f32::cast_from(part.pixels));
        let explained = (of_beta[channel] + normal * of_gamma[channel]) * share;
        out[at] = line.scale * (upstream - explained);
    }
}
