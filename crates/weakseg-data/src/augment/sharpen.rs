//! Stronger edges.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::operation::range;
use crate::chance::between;
use crate::{DataError, Stack};

/// The image mixed with nine times itself less its neighbours (albumentations' `Sharpen`): a share `alpha` of `(8 +
/// lightness) * value - sum of the eight around it`, and the rest the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sharpen {
    /// Least and greatest share of the sharpened image.
    pub alpha: [f64; 2],
    /// Least and greatest lightness of the sharpened image; 1 keeps that of flat parts.
    pub lightness: [f64; 2],
}

impl Default for Sharpen {
    fn default() -> Self {
        Self {
            alpha: [0.2, 0.5],
            lightness: [0.5, 1.0],
        }
    }
}

impl Sharpen {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("alpha", self.alpha, 0.0, 1.0)?;
        range("lightness", self.lightness, 0.0, 10.0)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Change {
        let alpha = between(rng, self.alpha[0], self.alpha[1]);
        let lightness = between(rng, self.lightness[0], self.lightness[1]);
        Change::Sharpen(alpha, lightness)
    }
}

/// The border is mirrored without repeating it.
pub(super) fn sharpen(image: &Stack<u8>, alpha: f64, lightness: f64) -> Stack<u8> {
    let (height, width) = (image.height(), image.width());
    // Of the value itself, and of the sum of all nine.
    let own = (1.0 - alpha + alpha * (9.0 + lightness)) as f32;
    let all = -alpha as f32;
    let mut out = image.clone();
    let mut sums = vec![0.0_f32; width + 2];
    for channel in 0..image.channels() {
        let plane = image.plane(channel);
        let row = |y: usize| &plane[y * width..][..width];
        for (y, out) in out.plane_mut(channel).chunks_exact_mut(width).enumerate() {
            let above = row(y.checked_sub(1).unwrap_or(1.min(height - 1)));
            let below = row(if y + 1 < height {
                y + 1
            } else {
                height.saturating_sub(2)
            });
            for (x, sum) in sums[1..=width].iter_mut().enumerate() {
                *sum = f32::from(above[x]) + f32::from(row(y)[x]) + f32::from(below[x]);
            }
            sums[0] = sums[1 + 1.min(width - 1)];
            sums[width + 1] = sums[1 + width.saturating_sub(2)];
            for (x, out) in out.iter_mut().enumerate() {
                let nine = sums[x] + sums[x + 1] + sums[x + 2];
                *out = (own * f32::from(*out) + all * nine + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_images_take_the_lightness() {
        let flat = Stack::filled(3, 4, 5, 100_u8);
        assert_eq!(sharpen(&flat, 0.5, 1.0), flat);
        // 100 * (1 - 0.4 + 0.4 * 0.5)
        assert_eq!(sharpen(&flat, 0.4, 0.5), Stack::filled(3, 4, 5, 80));
        for (h, w) in [(1, 1), (1, 4), (4, 1), (2, 2)] {
            let flat = Stack::filled(1, h, w, 9_u8);
            assert_eq!(sharpen(&flat, 0.3, 1.0), flat);
        }
    }
}
