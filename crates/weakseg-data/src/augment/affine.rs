//! Mirror images, shifts, scales and turns.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::motion::Motion;
use super::operation::within;
use crate::DataError;
use crate::chance::between;

/// Left for right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HorizontalFlip {}

impl HorizontalFlip {
    pub(super) fn motion() -> Motion {
        Motion::MIRROR
    }
}

/// A change of scale and a turn about the centre, then a shift (albumentations' `ShiftScaleRotate`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShiftScaleRotate {
    /// Greatest shift along each axis, as a share of that side.
    pub shift: f64,
    /// Greatest change of scale: the factor is drawn from 1 - `scale` to 1 + `scale`.
    pub scale: f64,
    /// Greatest rotation in degrees, either way.
    pub rotate: f64,
}

impl Default for ShiftScaleRotate {
    fn default() -> Self {
        Self {
            shift: 0.0,
            scale: 0.2,
            rotate: 30.0,
        }
    }
}

impl ShiftScaleRotate {
    pub(super) fn check(&self) -> Result<(), DataError> {
        // A scale of 1 would allow images shrunk to a point.
        within("shift", self.shift, 0.0, 0.99, " of the side")?;
        within("scale", self.scale, 0.0, 0.99, "")?;
        within("rotate", self.rotate, 0.0, 180.0, " degrees")
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, height: usize, width: usize) -> Motion {
        let scale = 1.0 + between(rng, -self.scale, self.scale);
        let angle = between(rng, -self.rotate, self.rotate).to_radians();
        let shift = [height, width].map(|side| between(rng, -self.shift, self.shift) * side as f64);
        Motion::new(scale, angle, shift)
    }
}
