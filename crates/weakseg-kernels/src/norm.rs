//! Batch norm and affine maps of channels, for f32 in `[B, C, H, W]` order.
//!
//! All sums are f64, in an order that the shape alone decides: 8 lanes along a plane, then plane
//! after plane. ReLU's mask is not stored but found again from x by the same arithmetic.

use rayon::prelude::*;

use crate::elementwise::grain;
use crate::relu::{gated, rectified};

/// What a batch norm does besides its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// ε, added to the variance before its square root.
    pub epsilon: f64,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// What happens to the values of one channel: (x − center)·scale + shift, at least `floor`.
///
/// The centre comes off first: x·scale + (shift − center·scale) would lose what the deviations
/// say where they are small beside the mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelMap {
    center: f32,
    scale: f32,
    shift: f32,
    floor: f32,
}

impl ChannelMap {
    /// y of a value of the channel.
    #[inline(always)]
    pub fn output(&self, x: f32) -> f32 {
        rectified(self.linear(x), self.floor)
    }

    /// The gradient of a value of the channel, from that of y, with centre and scale constant.
    #[inline(always)]
    pub fn input_gradient(&self, x: f32, upstream: f32) -> f32 {
        self.scale * self.gated(x, upstream)
    }

    #[inline(always)]
    fn linear(&self, x: f32) -> f32 {
        (x - self.center) * self.scale + self.shift
    }

    #[inline(always)]
    fn gated(&self, x: f32, upstream: f32) -> f32 {
        gated(self.linear(x), self.floor, upstream)
    }
}

fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}

/// The channels of y = x·scale + shift.
pub(crate) fn affine(scale: &[f32], shift: &[f32], relu: bool) -> Vec<ChannelMap> {
    let pairs = scale.iter().zip(shift);
    let channel = |(&scale, &shift)| ChannelMap {
        center: 0.0,
        scale,
        shift,
        floor: floor(relu),
    };
    pairs.map(channel).collect()
}

/// The channels of a batch, each with its statistics and the reciprocal of its deviation.
pub(crate) struct BatchNorm<'a> {
    /// Scale γ.
    pub gamma: &'a [f32],
    /// Shift β.
    pub beta: &'a [f32],
    /// Mean of the batch.
    pub mean: &'a [f32],
    /// Biased variance of the batch.
    pub variance: &'a [f32],
    pub options: NormOptions,
}

impl BatchNorm<'_> {
    /// 1 / √(variance + ε).
    fn inverse_deviation(&self, channel: usize) -> f64 {
        (f64::from(self.variance[channel]) + self.options.epsilon)
            .sqrt()
            .recip()
    }

    /// From x to y, the statistics given.
    pub fn maps(&self) -> Vec<ChannelMap> {
        let channel = |channel| ChannelMap {
            center: self.mean[channel],
            scale: (f64::from(self.gamma[channel]) * self.inverse_deviation(channel)) as f32,
            shift: self.beta[channel],
            floor: floor(self.options.relu),
        };
        (0..self.gamma.len()).map(channel).collect()
    }

    /// Gradients of γ and β, from [`gradient_sums`].
    pub fn parameter_gradients(&self, sums: &[[f64; 2]]) -> [Vec<f32>; 2] {
        let gamma = |(channel, sums): (usize, &[f64; 2])| {
            (sums[1] * self.inverse_deviation(channel)) as f32
        };
        [
            sums.iter().enumerate().map(gamma).collect(),
            sums.iter().map(|sums| sums[0] as f32).collect(),
        ]
    }

    /// Gradients of x, through y, mean and variance, from [`gradient_sums`] over `count` values
    /// a channel (Ioffe and Szegedy 2015, section 3).
    pub fn input_gradients(&self, sums: &[[f64; 2]], count: usize) -> Vec<InputGradient> {
        let maps = self.maps().into_iter();
        let channel = |(channel, map): (usize, ChannelMap)| {
            let [upstream, projected] = sums[channel].map(|sum| sum / count as f64);
            let inverse = self.inverse_deviation(channel);
            InputGradient {
                map,
                mean: upstream as f32,
                slope: (projected * inverse * inverse) as f32,
            }
        };
        maps.enumerate().map(channel).collect()
    }
}

/// The gradient of one channel of a batch norm's input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputGradient {
    map: ChannelMap,
    /// What the batch's mean takes back, and its variance for each unit from the centre.
    mean: f32,
    slope: f32,
}

impl InputGradient {
    /// The gradient of a value of the channel, from that of y.
    #[inline(always)]
    pub fn of(&self, x: f32, upstream: f32) -> f32 {
        let own = self.map.gated(x, upstream);
        self.map.scale * (own - self.mean - (x - self.map.center) * self.slope)
    }
}

/// Mean and biased variance of each channel of x: planes of `plane` values, `channels` an image.
pub(crate) fn statistics(x: &[f32], channels: usize, plane: usize) -> [Vec<f32>; 2] {
    // Deviations from the channel's first value: nothing cancels in the variance, and that of
    // equal values is exactly zero.
    let origin = |channel: usize| x[channel * plane];
    let sums = channel_sums(x, x, channels, plane, |channel| {
        let origin = origin(channel);
        move |x, _| [x - origin; 2]
    });
    let count = (x.len() / channels) as f64;
    let moments = |sums: &[f64; 2]| sums.map(|sum| sum / count);
    let mean = |(channel, sums): (usize, &[f64; 2])| {
        (f64::from(origin(channel)) + moments(sums)[0]) as f32
    };
    let variance = |sums: &[f64; 2]| {
        let [first, second] = moments(sums);
        let variance = second - first * first;
        // Not `max`, which would hide a NaN.
        (if variance < 0.0 { 0.0 } else { variance }) as f32
    };
    [
        sums.iter().enumerate().map(mean).collect(),
        sums.iter().map(variance).collect(),
    ]
}

/// For each channel Σ g and Σ g·(x − center), where g is `upstream` that ReLU let through.
pub(crate) fn gradient_sums(
    x: &[f32],
    upstream: &[f32],
    maps: &[ChannelMap],
    plane: usize,
) -> Vec<[f64; 2]> {
    channel_sums(x, upstream, maps.len(), plane, |channel| {
        let map = maps[channel];
        move |x, upstream| [map.gated(x, upstream), x - map.center]
    })
}

/// For each channel Σ p and Σ p·q over the p and q of each pair of values of `a` and `b`.
fn channel_sums<F: Fn(f32, f32) -> [f32; 2]>(
    a: &[f32],
    b: &[f32],
    channels: usize,
    plane: usize,
    of_channel: impl Fn(usize) -> F + Sync,
) -> Vec<[f64; 2]> {
    assert_eq!(a.len(), b.len(), "sizes of the inputs");
    let planes: Vec<[f64; 2]> = a
        .par_chunks(plane)
        .zip(b.par_chunks(plane))
        .enumerate()
        .with_min_len(grain(plane))
        .map(|(at, (a, b))| plane_sums(a, b, of_channel(at % channels)))
        .collect();
    let mut sums = vec![[0.0; 2]; channels];
    for image in planes.chunks_exact(channels) {
        for (sums, plane) in sums.iter_mut().zip(image) {
            sums[0] += plane[0];
            sums[1] += plane[1];
        }
    }
    sums
}

/// Block by block: the terms first, then their sums, each loop simple enough to become vector code.
/// (In one loop ReLU's mask becomes a branch for each value, mispredicted half the time.)
fn plane_sums(a: &[f32], b: &[f32], terms: impl Fn(f32, f32) -> [f32; 2]) -> [f64; 2] {
    const BLOCK: usize = 256;
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    let (mut own, mut product) = ([0.0; BLOCK], [0.0; BLOCK]);
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let (own, product) = (&mut own[..a.len()], &mut product[..a.len()]);
        let inputs = a.iter().zip(b);
        for ((own, product), (a, b)) in own.iter_mut().zip(product.iter_mut()).zip(inputs) {
            let [p, q] = terms(*a, *b);
            *own = p;
            *product = p * q;
        }
        add_to_lanes(&mut first, own);
        add_to_lanes(&mut second, product);
    }
    [first.iter().sum(), second.iter().sum()]
}

/// Interleaved parts of a sum.
const LANES: usize = 8;

fn add_to_lanes(lanes: &mut [f64; LANES], values: &[f32]) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(*value);
    }
}
