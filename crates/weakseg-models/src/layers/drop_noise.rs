//! The randomness of dropping, kept apart from the networks so that a step can be repeated.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::init::unit;

/// A stream of coin flips on the CPU, and the probability of dropping that holds now.
///
/// A training loop makes one for every step from `(seed, step)`: the masks of a step are then the
/// same on any device, with any number of threads, and after any resume. The ramp of DropBlock's
/// probability over the epochs is the caller's: it is simply the `probability` given here.
#[derive(Debug, Clone)]
pub struct DropNoise {
    rng: ChaCha8Rng,
    probability: f64,
}

impl DropNoise {
    /// Stream `step` of `seed`; `probability` in [0, 1) is clamped into that range.
    pub fn new(seed: u64, step: u64, probability: f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        let mut noise = Self {
            rng,
            probability: 0.0,
        };
        noise.set_probability(probability);
        noise
    }

    /// The share of a map DropBlock is to drop now.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// Changes the share; clamped into [0, 1), not-a-number counts as 0.
    pub fn set_probability(&mut self, probability: f64) {
        self.probability = if probability.is_nan() {
            0.0
        } else {
            probability.clamp(0.0, 1.0 - f64::EPSILON)
        };
    }

    /// True with probability `p`.
    pub(super) fn flip(&mut self, p: f64) -> bool {
        unit(&mut self.rng) < p
    }
}
