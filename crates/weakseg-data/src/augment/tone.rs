//! Grey value to grey value: brightness, contrast, gamma.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{range, within};
use crate::DataError;
use crate::chance::between;

/// Contrast, then brightness (albumentations' `RandomBrightnessContrast`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BrightnessContrast {
    /// Greatest change of brightness, as a share of the full range.
    pub brightness: f64,
    /// Greatest change of contrast: values are multiplied by 1 - `contrast` to 1 + `contrast`.
    pub contrast: f64,
}

impl Default for BrightnessContrast {
    fn default() -> Self {
        Self {
            brightness: 0.2,
            contrast: 0.2,
        }
    }
}

impl BrightnessContrast {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("brightness", self.brightness, 0.0, 0.99, "")?;
        within("contrast", self.contrast, 0.0, 0.99, "")
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> [u8; 256] {
        let brightness = between(rng, -self.brightness, self.brightness);
        let contrast = 1.0 + between(rng, -self.contrast, self.contrast);
        table(brightness, contrast, 1.0)
    }
}

/// A power of the grey values, taken as shares of the full range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gamma {
    /// Least and greatest exponent; above 1 is darker.
    pub gamma: [f64; 2],
}

impl Default for Gamma {
    fn default() -> Self {
        Self { gamma: [0.8, 1.2] }
    }
}

impl Gamma {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("gamma", self.gamma, 0.01, 100.0)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> [u8; 256] {
        let [low, high] = self.gamma;
        table(0.0, 1.0, between(rng, low, high))
    }
}

/// `255 * clamp(contrast * (v / 255)^gamma + brightness)`, rounded.
pub(super) fn table(brightness: f64, contrast: f64, gamma: f64) -> [u8; 256] {
    std::array::from_fn(|value| {
        let value = (value as f64 / 255.0).powf(gamma) * contrast + brightness;
        (value.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn tone_follows_its_formula() {
        let brighter = table(0.2, 1.0, 1.0);
        assert_eq!((brighter[0], brighter[100], brighter[255]), (51, 151, 255));
        let duller = table(0.0, 0.8, 1.0);
        assert_eq!((duller[0], duller[100], duller[255]), (0, 80, 204));
        let darker = table(0.0, 1.0, 1.2);
        assert_eq!((darker[0], darker[255]), (0, 255));
        assert_eq!(
            f64::from(darker[128]),
            (255.0 * (128.0_f64 / 255.0).powf(1.2)).round()
        );
    }
}
