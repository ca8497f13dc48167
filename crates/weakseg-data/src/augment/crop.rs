//! A part of the image at another scale.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::motion::Motion;
use super::operation::range;
use crate::DataError;
use crate::chance::{below, between};

/// The image at a random scale, and a random part of it of the size it had (IRNet's random scale and random crop).
///
/// Where the scaled image is smaller than its old size it lies at a random place in padding: the mean colour, which
/// normalisation makes 0, and void in the mask. IRNet's classifier brings the longer side to 320 to 640 pixels and cuts 512:
/// that is `scale = [0.625, 1.25]` here; its boundary network uses `[0.5, 1.5]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// Least and greatest factor on the size.
    pub scale: [f64; 2],
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { scale: [0.5, 1.5] }
    }
}

impl RandomCrop {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("scale", self.scale, 0.05, 20.0)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, height: usize, width: usize) -> Motion {
        let [low, high] = self.scale;
        let scale = between(rng, low, high);
        // The motion scales about the centre; the crop's first pixel is `first` of the scaled image.
        let shift = [height, width].map(|side| {
            let scaled = (side as f64 * scale).round().max(1.0) as usize;
            let place = below(rng, scaled.abs_diff(side) + 1) as f64;
            let first = if scaled > side { place } else { -place };
            (scaled as f64 - side as f64) / 2.0 - first
        });
        Motion::new(scale, 0.0, shift)
    }
}
