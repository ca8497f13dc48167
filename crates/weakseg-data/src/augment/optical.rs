//! The distortion of a lens.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::within;
use crate::DataError;
use crate::chance::between;

/// A radial distortion, barrel or cushion (albumentations' `OpticalDistortion`, OpenCV's camera model with k1 = k2).
///
/// Departs from the reference's library, which also shifts the centre by up to half a pixel, rounded to whole ones:
/// that is always 0 (reference §7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpticalDistortion {
    /// Greatest k, either way; 0.05 can just be seen, at -2 the corners fold over.
    pub distort: f64,
}

impl Default for OpticalDistortion {
    fn default() -> Self {
        Self { distort: 2.0 }
    }
}

impl OpticalDistortion {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("distort", self.distort, 0.0, 10.0, "")
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, width: usize) -> Lens {
        Lens::new(between(rng, -self.distort, self.distort), width)
    }
}

/// `source = centre + d * (1 + k r² + k r⁴)` for `d = output - centre` and `r = |d| / width`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lens {
    k: f32,
    /// 1 / width².
    shrink: f32,
}

impl Lens {
    pub(super) fn new(k: f64, width: usize) -> Self {
        let width = width as f64;
        Self {
            k: k as f32,
            shrink: (1.0 / (width * width)) as f32,
        }
    }

    /// Replaces a row of places by where they come from.
    #[inline(always)]
    pub(super) fn trace(&self, centre: [f64; 2], ys: &mut [f32], xs: &mut [f32]) {
        let [cy, cx] = centre.map(|c| c as f32);
        for (y, x) in ys.iter_mut().zip(xs) {
            let (dy, dx) = (*y - cy, *x - cx);
            let square = (dy * dy + dx * dx) * self.shrink;
            let factor = 1.0 + self.k * square * (1.0 + square);
            *y = cy + dy * factor;
            *x = cx + dx * factor;
        }
    }
}
