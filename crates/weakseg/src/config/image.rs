//! `[image]`: the grid the networks see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The grid the networks see: images are resized to `size` × `size`, masks are given back at the original size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Height and width of the network's input in pixels, a multiple of 16.
    pub size: usize,
    /// Colour statistics that the input is normalised with.
    pub normalisation: NormalisationName,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self {
            size: 256,
            normalisation: NormalisationName::Imagenet,
        }
    }
}

impl ImageConfig {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        let size = self.size;
        if size == 0 || !size.is_multiple_of(16) || size > 4096 {
            return Err(format!(
                "image.size is {size}; expected a multiple of 16 from 16 to 4096"
            ));
        }
        Ok(())
    }
}

/// Names of input conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormalisationName {
    /// Mean .485/.456/.406, standard deviation .229/.224/.225 of values in 0..=1.
    Imagenet,
    /// Caffe's: 0..=255 minus 123.68/116.779/103.939, not divided. For the original VGG16 weights.
    Caffe,
    /// Mean .490, standard deviation .230 of values in 0..=1: the reference's for chest X-rays, which none of its runs
    /// uses.
    Pneumothorax,
    /// 0..=255 divided by 255.
    Float,
    /// 0 stays 0, all above is 1: for images that are masks.
    Binary,
    /// 0..=255 as they are.
    None,
}
