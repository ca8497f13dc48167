//! Gaussian blur.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bell::{bell, weigh};
use super::operation::range;
use super::whole::whole;
use crate::chance::between;
use crate::vectorized::vectorized;
use crate::{DataError, Stack};

/// A Gaussian blur. The paper names a blur for X-rays and no strength: up to 1.2 pixels softens an image of 256 and
/// leaves its findings in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianBlur {
    /// Least and greatest standard deviation, in pixels.
    pub sigma: [f64; 2],
}

impl Default for GaussianBlur {
    fn default() -> Self {
        Self { sigma: [0.3, 1.2] }
    }
}

impl GaussianBlur {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("sigma", self.sigma, 0.0, 1000.0)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        let [low, high] = self.sigma;
        between(rng, low, high)
    }
}

/// Gaussian blur with a standard deviation of `sigma` pixels, cut off at 3 sigma; the border pixels go on outside.
pub(super) fn blur(image: &Stack<u8>, sigma: f64) -> Stack<u8> {
    let radius = (3.0 * sigma).ceil() as usize;
    if radius == 0 {
        return image.clone();
    }
    let weights = bell(sigma, radius);
    let (width, mut blurred) = (image.width(), image.clone());
    let mut across = vec![0.0; image.height() * width];
    for channel in 0..image.channels() {
        let out = blurred.plane_mut(channel);
        blur_plane(image.plane(channel), width, &weights, &mut across, out);
    }
    blurred
}

vectorized! {
    /// Blurs rows of `width` pixels, into `across` along them and from there across them.
    fn blur_plane<'a>(
        plane: &'a [u8],
        width: usize,
        weights: &'a [f32],
        across: &'a mut [f32],
        out: &'a mut [u8],
    ) {
        let (height, radius) = (plane.len() / width, weights.len() / 2);
        let mut wide = vec![0.0_f32; width + 2 * radius];
        let mut down = vec![0.0_f32; width];
        let rows = plane.chunks_exact(width);
        for (row, out) in rows.zip(across.chunks_exact_mut(width)) {
            for (at, value) in wide.iter_mut().enumerate() {
                *value = f32::from(row[at.saturating_sub(radius).min(width - 1)]);
            }
            weigh(out, weights, |tap| &wide[tap..]);
        }
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            weigh(&mut down, weights, |tap| {
                let row = (y + tap).saturating_sub(radius).min(height - 1);
                &across[row * width..]
            });
            for (value, blurred) in out.iter_mut().zip(&down) {
                *value = whole((blurred + 0.5).clamp(0.0, 255.0).floor()) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_flat_images_and_spreads_a_dot_evenly() {
        assert_eq!(
            blur(&Stack::filled(3, 7, 5, 77), 1.5),
            Stack::filled(3, 7, 5, 77)
        );
        let mut dot = Stack::filled(1, 9, 9, 0_u8);
        dot.plane_mut(0)[4 * 9 + 4] = 255;
        let spread = blur(&dot, 1.0);
        let at = |y: usize, x: usize| spread.plane(0)[y * 9 + x];
        // 255 / (2 pi), and exp(-1/2) of it beside.
        assert_eq!((at(4, 4), at(4, 5), at(3, 4), at(4, 3)), (41, 25, 25, 25));
        assert_eq!(at(0, 0), 0);
        let same = blur(&dot, 0.0);
        assert_eq!(same, dot);
    }
}
