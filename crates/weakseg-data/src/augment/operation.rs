//! [`Operation`]: one kind of change with its ranges, as it stands in a configuration.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::{HorizontalFlip, ShiftScaleRotate};
use super::blur::GaussianBlur;
use super::change::Change;
use super::clahe::Clahe;
use super::colour::{HueSaturationValue, RgbShift};
use super::crop::{CenterCrop, RandomCrop};
use super::elastic::Elastic;
use super::median::MedianBlur;
use super::noise::GaussNoise;
use super::optical::OpticalDistortion;
use super::sharpen::Sharpen;
use super::tone::{BrightnessContrast, Gamma};
use crate::DataError;

/// One kind of change, told apart by `kind`; what is not said of it has the value that the reference's scopes use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Operation {
    /// A mirror image, left for right.
    HorizontalFlip(HorizontalFlip),
    /// A shift, a change of scale and a turn about the centre.
    ShiftScaleRotate(ShiftScaleRotate),
    /// A rubber sheet.
    Elastic(Elastic),
    /// A lens.
    OpticalDistortion(OpticalDistortion),
    /// Another scale and a part of it, padded where it is smaller.
    RandomCrop(RandomCrop),
    /// The middle of the image.
    CenterCrop(CenterCrop),
    /// Brightness and contrast.
    BrightnessContrast(BrightnessContrast),
    /// A power of the grey values.
    Gamma(Gamma),
    /// Local equalisation of the histogram.
    Clahe(Clahe),
    /// Stronger edges.
    Sharpen(Sharpen),
    /// The median of a square.
    MedianBlur(MedianBlur),
    /// The Gaussian mean of a neighbourhood.
    GaussianBlur(GaussianBlur),
    /// Independent normal noise.
    GaussNoise(GaussNoise),
    /// Another value added to each colour.
    RgbShift(RgbShift),
    /// Other hue, saturation and value.
    HueSaturationValue(HueSaturationValue),
}

impl Operation {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`] for the first value out of its range, with the operation's own key.
    pub fn check(&self) -> Result<(), DataError> {
        match self {
            Self::HorizontalFlip(_) => Ok(()),
            Self::ShiftScaleRotate(op) => op.check(),
            Self::Elastic(op) => op.check(),
            Self::OpticalDistortion(op) => op.check(),
            Self::RandomCrop(op) => op.check(),
            Self::CenterCrop(op) => op.check(),
            Self::BrightnessContrast(op) => op.check(),
            Self::Gamma(op) => op.check(),
            Self::Clahe(op) => op.check(),
            Self::Sharpen(op) => op.check(),
            Self::MedianBlur(op) => op.check(),
            Self::GaussianBlur(op) => op.check(),
            Self::GaussNoise(op) => op.check(),
            Self::RgbShift(op) => op.check(),
            Self::HueSaturationValue(op) => op.check(),
        }
    }

    /// What is to happen to an image of this size.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, height: usize, width: usize) -> Vec<Change> {
        match self {
            Self::HorizontalFlip(_) => vec![Change::Move(HorizontalFlip::motion())],
            Self::ShiftScaleRotate(op) => vec![Change::Move(op.draw(rng, height, width))],
            Self::Elastic(op) => {
                let (motion, field) = op.draw(rng, height, width);
                vec![Change::Move(motion), Change::Bend(field)]
            }
            Self::OpticalDistortion(op) => vec![Change::Look(op.draw(rng, width))],
            Self::RandomCrop(op) => vec![Change::Cut(op.draw(rng, height, width))],
            Self::CenterCrop(op) => vec![Change::Move(op.motion())],
            Self::BrightnessContrast(op) => vec![Change::Table(Box::new(op.draw(rng)))],
            Self::Gamma(op) => vec![Change::Table(Box::new(op.draw(rng)))],
            Self::Clahe(op) => vec![op.draw(rng)],
            Self::Sharpen(op) => vec![op.draw(rng)],
            Self::MedianBlur(op) => vec![Change::Median(op.draw(rng))],
            Self::GaussianBlur(op) => vec![Change::Blur(op.draw(rng))],
            Self::GaussNoise(op) => vec![Change::Noise(op.draw(rng))],
            Self::RgbShift(op) => vec![Change::Shift(op.draw(rng))],
            Self::HueSaturationValue(op) => vec![Change::Colour(op.draw(rng))],
        }
    }
}

/// An error of a setting with its key by another name, as it stands in the user's file.
pub(super) fn renamed(error: DataError, name: impl Fn(&str) -> String) -> DataError {
    match error {
        DataError::Setting {
            key,
            found,
            expected,
        } => DataError::Setting {
            key: name(&key),
            found,
            expected,
        },
        other => other,
    }
}

/// Refuses a value outside `low..=high`.
pub(super) fn within(
    key: &str,
    value: f64,
    low: f64,
    high: f64,
    unit: &str,
) -> Result<(), DataError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(DataError::Setting {
        key: key.to_owned(),
        found: value.to_string(),
        expected: format!("{low} to {high}{unit}"),
    })
}

/// Refuses two values that are no range within `low..=high`.
pub(super) fn range(
    key: &str,
    [least, greatest]: [f64; 2],
    low: f64,
    high: f64,
) -> Result<(), DataError> {
    if least >= low && least <= greatest && greatest <= high {
        return Ok(());
    }
    Err(DataError::Setting {
        key: key.to_owned(),
        found: format!("[{least}, {greatest}]"),
        expected: format!("two values from {low} to {high}, the lesser first"),
    })
}
