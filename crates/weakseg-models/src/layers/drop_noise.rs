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
    /// Stream `step` of `seed`; `probability` is clamped into [0, 1), not-a-number counts as 0.
    pub fn new(seed: u64, step: u64, probability: f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        let probability = match probability.is_nan() {
            true => 0.0,
            false => probability.clamp(0.0, 1.0 - f64::EPSILON),
        };
        Self { rng, probability }
    }

    /// The share of a map DropBlock is to drop now.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// True with probability `p`.
    pub(super) fn flip(&mut self, p: f64) -> bool {
        unit(&mut self.rng) < p
    }
}
