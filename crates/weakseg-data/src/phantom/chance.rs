//! Chance: every draw of a phantom comes from a named ChaCha8 stream of (seed, index).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of draws is for.
///
/// Each part of a case draws from a stream of its own, so that the presence of a pneumothorax
/// shifts no other draw: with and without it, a case keeps its body, exposure and look-alikes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Order = 0,
    Build = 1,
    Pose = 2,
    Bones = 3,
    Vessels = 4,
    Lookalikes = 5,
    Exposure = 6,
    Lesion = 7,
    Noise = 8,
    Marks = 9,
}

/// A stream of draws.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream `stream` of case `index` of the set `seed`.
    pub(super) fn new(seed: u64, index: u64, stream: Stream) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..24].copy_from_slice(b"phantom1");
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream as u64);
        Self(rng)
    }

    /// 32 even bits.
    pub(super) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// An even draw from `[0, 1)`.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 16_777_216.0
    }

    /// An even draw from `[low, high)`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A bell-shaped draw (the sum of four even ones, so bounded by 3.46 deviations).
    pub(super) fn normal(&mut self, mean: f32, deviation: f32) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        mean + deviation * (sum - 2.0) * 1.732_050_8
    }

    /// True with probability `p`; always one draw.
    pub(super) fn happens(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// An even draw from `0..n`; `n` must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }
}
