//! A dense CRF's numbers, and the CRF that they make of an image.

use densecrf::{CrfError, DenseCrf, Guide, MAX_COMPATIBILITY};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::Stack;

use super::ranges::positive;

/// Least deviation: with less, images of thousands of pixels have places that no lattice can number.
const LEAST: f32 = 1e-3;

/// A dense CRF (Krähenbühl and Koltun 2011) over scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Crf {
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in levels of colour, and weight of the bilateral term. A grey image counts as
    /// three equal channels, as in the reference code.
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
    /// The CRF of `labels` labels on a grid of height × width, over an image of that size, 1 or 3 × H × W in 0..=255.
    /// Lengths are divided by `scale`, the factor by which the image was made smaller.
    ///
    /// Departs from the reference code, which hands a grey image over as three equal channels: because colours are then
    /// √3 times as far apart, and one channel with a deviation √3 times as small has the same kernel, on a lattice of
    /// three dimensions instead of five.
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
        let srgb = srgb / (3.0 / image.channels() as f32).sqrt();
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
                if deviation < LEAST {
                    return Err(format!(
                        "{name}.{term} has the deviation {deviation}; expected {LEAST} or more"
                    ));
                }
            }
            if !(0.0..=MAX_COMPATIBILITY).contains(&weight) {
                return Err(format!(
                    "{name}.{term} has the weight {weight}; expected 0 to {MAX_COMPATIBILITY:e}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use densecrf::Unary;
    use weakseg_data::Plane;

    /// Foreground probabilities of a noisy slope, labelled in its middle.
    fn refined(crf: &Crf, channels: usize) -> Vec<f32> {
        let side = 24;
        let grey = Plane::from_fn(side, side, |y, x| {
            (4 * y + 3 * x + (y * 7 + x * 5) % 11) as u8
        });
        let image = Stack::from_planes(&vec![grey; channels]).expect("planes of a size");
        let labels: Vec<u8> = (0..side * side)
            .map(|i| u8::from((8..16).contains(&(i / side)) && (8..16).contains(&(i % side))))
            .collect();
        let unary = Unary::from_labels(&labels, 2, 0.7, false).expect("labels");
        let field = crf.field([side, side], 2, &image, 1.0).expect("a field");
        let marginals = field.infer(&unary, crf.iterations).expect("marginals");
        marginals.into_q().split_off(side * side)
    }

    #[test]
    fn a_grey_image_is_three_equal_channels() {
        // One iteration without the other term: the kernel itself.
        let crf = Crf {
            iterations: 1,
            gaussian: [1.0, 0.0],
            bilateral: [6.0, 13.0, 2.0],
        };
        let wider = Crf {
            bilateral: [6.0, 13.0 * 3f32.sqrt(), 2.0],
            ..crf.clone()
        };
        let colour = refined(&crf, 3);
        let gap = |grey: &[f32]| {
            let gaps = grey.iter().zip(&colour).map(|(a, b)| (a - b).abs());
            gaps.sum::<f32>() / colour.len() as f32
        };
        let (grey, wider) = (gap(&refined(&crf, 1)), gap(&refined(&wider, 1)));
        // Two lattices approximate one kernel.
        assert!(grey < 0.02 && grey < wider / 3.0, "{grey} {wider}");
    }
}
