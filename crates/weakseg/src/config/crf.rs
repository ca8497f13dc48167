//! A dense CRF's numbers, and the CRF that they make of an image.

use densecrf::{CrfError, DenseCrf, Guide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::Stack;

use super::ranges::positive;

/// A dense CRF (Krähenbühl and Koltun 2011) over scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Crf {
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in grey levels, and weight of the bilateral term.
    pub bilateral: [f32; 3],
}

impl Default for Crf {
    fn default() -> Self {
        Self {
            iterations: 10,
            gaussian: [3.0, 3.0],
            bilateral: [50.0, 5.0, 10.0],
        }
    }
}

impl Crf {
    /// The CRF of `labels` labels on a grid of height × width, over an image of that size, 1 or 3 × H × W in 0..=255. Lengths are
    /// divided by `scale`, the factor by which the image was made smaller.
    ///
    /// # Errors
    /// If the image has another size or a number is out of range.
    pub fn field(
        &self,
        [height, width]: [usize; 2],
        labels: usize,
        image: &Stack<u8>,
        scale: f32,
    ) -> Result<DenseCrf, CrfError> {
        let (rows, columns) = (image.height(), image.width());
        let guide = Guide::planar(rows, columns, image.channels(), image.as_slice())?;
        let [sxy, compat] = self.gaussian;
        let [bilateral_sxy, srgb, bilateral_compat] = self.bilateral;
        DenseCrf::new(height, width, labels)?
            .gaussian(sxy / scale, compat)?
            .bilateral(bilateral_sxy / scale, srgb, &guide, bilateral_compat)
    }

    /// The first value out of range, in words that name the key, the value and the range; `name` is the section's.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        for (term, deviations, weight) in [
            ("gaussian", &self.gaussian[..1], self.gaussian[1]),
            ("bilateral", &self.bilateral[..2], self.bilateral[2]),
        ] {
            for &deviation in deviations {
                positive(&format!("{name}.{term}"), deviation.into())?;
            }
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(format!(
                    "{name}.{term} has the weight {weight}; expected 0 or more"
                ));
            }
        }
        Ok(())
    }
}
