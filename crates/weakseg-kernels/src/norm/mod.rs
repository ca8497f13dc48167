//! Batch norm and affine maps of channels, for f32 in `[B, C, H, W]` order.
//!
//! All sums are f64, in an order that the shape alone decides: interleaved lanes along the planes of
//! a channel, image after image. ReLU's mask is not stored but found again from x by the same
//! arithmetic (or from y, where a shortcut came in between).

mod channel_map;
mod upstream;

pub(crate) use channel_map::{ChannelMap, affine, gradient_sums};
pub(crate) use upstream::Upstream;

use crate::buffers;
use crate::channels::Channels;
use crate::instructions::{Instructions, per_instruction_set};
use crate::relu::gated;
use crate::sums::PairSums;

/// What a batch norm does besides its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// ε, added to the variance before its square root.
    pub epsilon: f64,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// Batch norm of a tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchNorm<'a> {
    pub sizes: Channels,
    /// Scale γ.
    pub gamma: &'a [f32],
    /// Shift β.
    pub beta: &'a [f32],
    pub options: NormOptions,
}

/// Mean and biased variance of a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statistics {
    pub mean: f32,
    pub variance: f32,
}

impl Statistics {
    /// Of the planes of one channel.
    #[inline(always)]
    fn of<'a>(planes: impl Iterator<Item = &'a [f32]> + Clone, count: usize) -> Self {
        // Deviations from the channel's first value: that of equal values is exactly zero, and little cancels in the
        // variance. Squares are f32, so where the first value lies D from the mean of the others, whose deviation is s,
        // it is off by 1e-7·(D/s)².
        let origin = planes.clone().next().map_or(0.0, |plane| plane[0]);
        let mut sums = PairSums::new();
        for plane in planes {
            sums.add(plane, plane, |x, _| [x - origin; 2]);
        }
        let [first, second] = sums.totals().map(|sum| sum / count as f64);
        let variance = second - first * first;
        Self {
            mean: (f64::from(origin) + first) as f32,
            // Not `max`, which would hide a NaN.
            variance: (if variance < 0.0 { 0.0 } else { variance }) as f32,
        }
    }
}

impl BatchNorm<'_> {
    fn count(&self) -> usize {
        self.sizes.images * self.sizes.plane
    }

    /// 1 / √(variance + ε).
    fn inverse_deviation(&self, variance: f32) -> f64 {
        (f64::from(variance) + self.options.epsilon).sqrt().recip()
    }

    /// From x to y.
    fn map(&self, channel: usize, statistics: Statistics) -> ChannelMap {
        let inverse = self.inverse_deviation(statistics.variance);
        let scale = (f64::from(self.gamma[channel]) * inverse) as f32;
        let shift = self.beta[channel];
        ChannelMap::new(statistics.mean, scale, shift, self.options.relu)
    }

    /// The gradient of x, through y, mean and variance, from [`PairSums`] of y's gradient and x's
    /// deviations (Ioffe and Szegedy 2015, section 3).
    fn input_gradient(
        &self,
        map: ChannelMap,
        statistics: Statistics,
        sums: [f64; 2],
    ) -> InputGradient {
        let [upstream, projected] = sums.map(|sum| sum / self.count() as f64);
        let inverse = self.inverse_deviation(statistics.variance);
        InputGradient {
            map,
            mean: upstream as f32,
            slope: (projected * inverse * inverse) as f32,
        }
    }

    /// Gradients of γ and β.
    fn parameter_gradients(&self, statistics: &[Statistics], sums: &[[f64; 2]]) -> [Vec<f32>; 2] {
        let gamma = |(statistics, sums): (&Statistics, &[f64; 2])| {
            (sums[1] * self.inverse_deviation(statistics.variance)) as f32
        };
        [
            statistics.iter().zip(sums).map(gamma).collect(),
            sums.iter().map(|sums| sums[0] as f32).collect(),
        ]
    }

    /// y, and the statistics of each channel.
    pub fn forward(&self, set: Instructions, x: &[f32]) -> (Vec<f32>, Vec<Statistics>) {
        let mut output = buffers::take(x.len());
        let statistics = self.sizes.for_each(&mut output, |channel, outputs| {
            forward_channel(set, self, x, channel, outputs)
        });
        (output, statistics)
    }

    /// max(y + shortcut, 0) in the shortcut's place, and the statistics of each channel.
    pub fn forward_onto(
        &self,
        set: Instructions,
        x: &[f32],
        shortcut: &mut [f32],
    ) -> Vec<Statistics> {
        self.sizes.for_each(shortcut, |channel, shortcut| {
            forward_channel_onto(set, self, x, channel, shortcut)
        })
    }

    /// max(y + shortcut, 0), and the statistics of each channel.
    pub fn forward_with(
        &self,
        set: Instructions,
        x: &[f32],
        shortcut: &[f32],
    ) -> (Vec<f32>, Vec<Statistics>) {
        let mut output = buffers::take(x.len());
        let statistics = self.sizes.for_each(&mut output, |channel, outputs| {
            forward_channel_with(set, self, x, shortcut, channel, outputs)
        });
        (output, statistics)
    }

    /// Writes the gradient of x to the upstream's buffer; those of γ and β.
    pub fn backward(
        &self,
        set: Instructions,
        x: &[f32],
        statistics: &[Statistics],
        upstream: Upstream<'_>,
    ) -> [Vec<f32>; 2] {
        let (upstream, output) = upstream.split();
        let sums = self.sizes.for_each(output, |channel, outputs| {
            backward_channel(
                set,
                self,
                statistics[channel],
                x,
                upstream,
                channel,
                outputs,
            )
        });
        self.parameter_gradients(statistics, &sums)
    }

    /// Of max(y + shortcut, 0) = `output`: writes the shortcut's gradient to the upstream's buffer; the gradient of x,
    /// those of γ and β.
    pub fn backward_with(
        &self,
        set: Instructions,
        x: &[f32],
        statistics: &[Statistics],
        output: &[f32],
        upstream: Upstream<'_>,
    ) -> (Vec<f32>, [Vec<f32>; 2]) {
        let (upstream, gated) = upstream.split();
        let mut gradient = buffers::take(x.len());
        let outputs = [gated, &mut gradient];
        let sums = self
            .sizes
            .for_each_in(outputs, |channel, [gated, gradient]| {
                let inputs = [x, output, upstream.unwrap_or_default()];
                let places = gated.into_iter().zip(gradient);
                backward_channel_with(set, self, statistics[channel], inputs, channel, places)
            });
        (gradient, self.parameter_gradients(statistics, &sums))
    }
}

per_instruction_set! {
    fn forward_channel[](
        norm: &BatchNorm<'_>,
        x: &[f32],
        channel: usize,
        outputs: Vec<&mut [f32]>,
    ) -> Statistics {
        let planes = norm.sizes.planes(x, channel);
        let statistics = Statistics::of(planes.clone(), norm.count());
        let map = norm.map(channel, statistics);
        for (output, x) in outputs.into_iter().zip(planes) {
            for (y, x) in output.iter_mut().zip(x) {
                *y = map.output(*x);
            }
        }
        statistics
    }
}

per_instruction_set! {
    fn forward_channel_onto[](
        norm: &BatchNorm<'_>,
        x: &[f32],
        channel: usize,
        shortcut: Vec<&mut [f32]>,
    ) -> Statistics {
        let planes = norm.sizes.planes(x, channel);
        let statistics = Statistics::of(planes.clone(), norm.count());
        let map = norm.map(channel, statistics);
        for (shortcut, x) in shortcut.into_iter().zip(planes) {
            for (y, x) in shortcut.iter_mut().zip(x) {
                *y = map.output_with(*x, *y);
            }
        }
        statistics
    }
}

per_instruction_set! {
    fn forward_channel_with[](
        norm: &BatchNorm<'_>,
        x: &[f32],
        shortcut: &[f32],
        channel: usize,
        outputs: Vec<&mut [f32]>,
    ) -> Statistics {
        let planes = norm.sizes.planes(x, channel);
        let statistics = Statistics::of(planes.clone(), norm.count());
        let map = norm.map(channel, statistics);
        let inputs = planes.zip(norm.sizes.planes(shortcut, channel));
        for (output, (x, shortcut)) in outputs.into_iter().zip(inputs) {
            for (y, (x, shortcut)) in output.iter_mut().zip(x.iter().zip(shortcut)) {
                *y = map.output_with(*x, *shortcut);
            }
        }
        statistics
    }
}

per_instruction_set! {
    fn backward_channel[](
        norm: &BatchNorm<'_>,
        statistics: Statistics,
        x: &[f32],
        upstream: Option<&[f32]>,
        channel: usize,
        outputs: Vec<&mut [f32]>,
    ) -> [f64; 2] {
        let map = norm.map(channel, statistics);
        let terms = |x, upstream| [map.gated(x, upstream), x - map.center];
        let planes = norm.sizes.planes(x, channel);
        let mut sums = PairSums::new();
        match upstream {
            None => for (x, upstream) in planes.clone().zip(&outputs) {
                sums.add(x, upstream, terms);
            },
            Some(upstream) => for (x, upstream) in planes.clone().zip(norm.sizes.planes(upstream, channel)) {
                sums.add(x, upstream, terms);
            },
        }
        let sums = sums.totals();
        let gradient = norm.input_gradient(map, statistics, sums);
        match upstream {
            None => for (output, x) in outputs.into_iter().zip(planes) {
                for (gradient_of, x) in output.iter_mut().zip(x) {
                    *gradient_of = gradient.of(*x, *gradient_of);
                }
            },
            Some(upstream) => {
                let inputs = planes.zip(norm.sizes.planes(upstream, channel));
                for (output, (x, upstream)) in outputs.into_iter().zip(inputs) {
                    let inputs = x.iter().zip(upstream);
                    for (gradient_of, (x, upstream)) in output.iter_mut().zip(inputs) {
                        *gradient_of = gradient.of(*x, *upstream);
                    }
                }
            }
        }
        sums
    }
}

per_instruction_set! {
    fn backward_channel_with['a](
        norm: &BatchNorm<'_>,
        statistics: Statistics,
        inputs: [&[f32]; 3],
        channel: usize,
        places: impl Iterator<Item = (&'a mut [f32], &'a mut [f32])>,
    ) -> [f64; 2] {
        let [x, output, upstream] = inputs;
        let map = norm.map(channel, statistics);
        let mut sums = PairSums::new();
        let mut places: Vec<_> = places.collect();
        let outputs = norm.sizes.planes(output, channel);
        for (image, (output, (gated_of, _))) in outputs.zip(&mut places).enumerate() {
            if upstream.is_empty() {
                for (gradient, y) in gated_of.iter_mut().zip(output) {
                    *gradient = gated(*y, 0.0, *gradient);
                }
            } else {
                let upstream = norm.sizes.plane(upstream, image, channel);
                for (gradient, (y, upstream)) in gated_of.iter_mut().zip(output.iter().zip(upstream)) {
                    *gradient = gated(*y, 0.0, *upstream);
                }
            }
            let x = norm.sizes.plane(x, image, channel);
            sums.add(x, gated_of, |x, upstream| [upstream, x - map.center]);
        }
        let sums = sums.totals();
        let gradient = norm.input_gradient(map, statistics, sums);
        for (x, (gated_of, gradient_of)) in norm.sizes.planes(x, channel).zip(places) {
            for (gradient_of, (x, upstream)) in gradient_of.iter_mut().zip(x.iter().zip(gated_of)) {
                *gradient_of = gradient.of_gated(*x, *upstream);
            }
        }
        sums
    }
}

/// The gradient of one channel of a batch norm's input.
#[derive(Debug, Clone, Copy)]
struct InputGradient {
    map: ChannelMap,
    /// What the batch's mean takes back, and its variance for each unit from the centre.
    mean: f32,
    slope: f32,
}

impl InputGradient {
    /// The gradient of a value of the channel, from that of y.
    #[inline(always)]
    fn of(&self, x: f32, upstream: f32) -> f32 {
        self.of_gated(x, self.map.gated(x, upstream))
    }

    /// [`of`](Self::of), from what ReLU let through.
    #[inline(always)]
    fn of_gated(&self, x: f32, upstream: f32) -> f32 {
        self.map.scale * (upstream - self.mean - (x - self.map.center) * self.slope)
    }
}
