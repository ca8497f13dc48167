//! What becomes of the values of a channel.

use crate::channels::Channels;
use crate::instructions::{Instructions, per_instruction_set};
use crate::relu::{gated, rectified};
use crate::sums::PairSums;

/// What happens to the values of one channel: (x − center)·scale + shift, at least `floor`.
///
/// The centre comes off first: x·scale + (shift − center·scale) would lose what the deviations
/// say where they are small beside the mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelMap {
    pub center: f32,
    pub scale: f32,
    shift: f32,
    floor: f32,
}

impl ChannelMap {
    /// Every value as it is.
    pub const SAME: Self = Self {
        center: 0.0,
        scale: 1.0,
        shift: 0.0,
        floor: f32::NEG_INFINITY,
    };

    /// ReLU alone.
    pub const RELU: Self = Self {
        floor: 0.0,
        ..Self::SAME
    };

    /// With a floor of 0 for ReLU, and else none.
    pub fn new(center: f32, scale: f32, shift: f32, relu: bool) -> Self {
        Self {
            center,
            scale,
            shift,
            floor: if relu { 0.0 } else { f32::NEG_INFINITY },
        }
    }

    /// y of a value of the channel.
    #[inline(always)]
    pub fn output(&self, x: f32) -> f32 {
        rectified(self.linear(x), self.floor)
    }

    /// y of a value of the channel and what a shortcut adds to it.
    #[inline(always)]
    pub fn output_with(&self, x: f32, shortcut: f32) -> f32 {
        rectified(self.linear(x) + shortcut, self.floor)
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

    /// The gradient of y that ReLU lets through at a value of the channel.
    #[inline(always)]
    pub fn gated(&self, x: f32, upstream: f32) -> f32 {
        gated(self.linear(x), self.floor, upstream)
    }
}

/// The channels of y = x·scale + shift.
pub(crate) fn affine(scale: &[f32], shift: &[f32], relu: bool) -> Vec<ChannelMap> {
    let pairs = scale.iter().zip(shift);
    pairs
        .map(|(&scale, &shift)| ChannelMap::new(0.0, scale, shift, relu))
        .collect()
}

/// For each channel Σ g and Σ g·(x − center), where g is `upstream` that ReLU let through.
pub(crate) fn gradient_sums(
    set: Instructions,
    x: &[f32],
    upstream: &[f32],
    maps: &[ChannelMap],
    sizes: Channels,
) -> Vec<[f64; 2]> {
    sizes.map(|channel| gradient_sums_of(set, maps[channel], x, upstream, sizes, channel))
}

per_instruction_set! {
    fn gradient_sums_of[](
        map: ChannelMap,
        x: &[f32],
        upstream: &[f32],
        sizes: Channels,
        channel: usize,
    ) -> [f64; 2] {
        let mut sums = PairSums::new();
        for (x, upstream) in sizes.planes(x, channel).zip(sizes.planes(upstream, channel)) {
            sums.add(x, upstream, |x, upstream| [map.gated(x, upstream), x - map.center]);
        }
        sums.totals()
    }
}
