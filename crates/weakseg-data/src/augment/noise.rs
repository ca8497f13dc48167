//! Normal noise.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::range;
use crate::DataError;
use crate::chance::between;

/// Independent normal noise on every value of every channel (albumentations' `GaussNoise`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussNoise {
    /// Least and greatest variance, in grey values squared.
    pub variance: [f64; 2],
}

impl Default for GaussNoise {
    fn default() -> Self {
        Self {
            variance: [10.0, 50.0],
        }
    }
}

impl GaussNoise {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("variance", self.variance, 0.0, 10_000.0)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Noise {
        let [low, high] = self.variance;
        let deviation = between(rng, low, high).sqrt();
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Noise { deviation, key }
    }
}

/// Noise of one image.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    deviation: f64,
    key: [u8; 32],
}

/// Bits of a draw.
const BITS: u32 = 16;

/// Adds independent normal noise to every value, rounded and clamped.
///
/// A whole grey value plus normal noise, rounded, is that grey value plus rounded noise; so whole numbers are drawn
/// with the chances of rounded noise, which a table of 2^16 entries has to 1 in 65,536.
pub(super) fn add_noise(noise: &Noise, values: &mut [u8]) {
    let table = rounded_normal(noise.deviation);
    let mut rng = ChaCha8Rng::from_seed(noise.key);
    for four in values.chunks_mut(4) {
        let mut bits = rng.next_u64();
        for value in four {
            let drawn = table[(bits & 0xffff) as usize];
            *value = (i16::from(*value) + drawn).clamp(0, 255) as u8;
            bits >>= BITS;
        }
    }
}

/// 2^16 whole numbers, each as often as a normal value of that deviation is rounded to it.
fn rounded_normal(deviation: f64) -> Vec<i16> {
    let size = 1_usize << BITS;
    let mut table = Vec::with_capacity(size);
    if deviation > 0.0 {
        let reach = (5.0 * deviation).ceil() as i16 + 1;
        let mut sum = 0.0;
        for number in -reach..=reach {
            sum += share(f64::from(number), deviation);
            let end = ((sum * size as f64).round() as usize).min(size);
            table.resize(end.max(table.len()), number);
        }
    }
    // What rounding left over belongs in the middle.
    table.resize(size, 0);
    table
}

/// The chance that normal noise lies within half of `middle`, by Simpson's rule.
fn share(middle: f64, deviation: f64) -> f64 {
    // Steps of at most a twentieth of the deviation: the rule's error is below 1e-7.
    let steps = 2 * (10.0 / deviation).ceil().clamp(2.0, 4000.0) as usize;
    let density = |at: f64| (-0.5 * (at / deviation).powi(2)).exp();
    let step = 1.0 / steps as f64;
    let sum: f64 = (0..=steps)
        .map(|k| {
            let weight = match k {
                0 => 1.0,
                k if k == steps => 1.0,
                k if k % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density(middle - 0.5 + k as f64 * step)
        })
        .sum();
    sum * step / 3.0 / (deviation * (2.0 * std::f64::consts::PI).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_moments_of_rounded_noise() {
        for deviation in [0.4, 1.0, 3.2, 7.1, 100.0] {
            let table = rounded_normal(deviation);
            let mean = |power: i32| {
                table.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / 65_536.0
            };
            assert!(mean(1).abs() < 0.01 * deviation, "{deviation}: {}", mean(1));
            // Rounding adds 1/12 once the values are many.
            let expected = deviation * deviation + 1.0 / 12.0;
            if deviation >= 1.0 {
                assert!(
                    (mean(2) / expected - 1.0).abs() < 0.01,
                    "{deviation}: {}",
                    mean(2)
                );
            }
        }
        // erf(0.5 / (0.4 √2)) = 0.7887 of all values stay.
        let still = rounded_normal(0.4).iter().filter(|v| **v == 0).count();
        assert!((still as f64 / 65_536.0 - 0.7887).abs() < 1e-3, "{still}");
        assert!(rounded_normal(0.0).iter().all(|&v| v == 0));
    }
}
