//! Unary energies: what each pixel alone says about its label.

use crate::{CrfError, MAX_ENERGY, MAX_LABELS};

/// Unary energies ψᵤ, one per label and pixel: `[K, N]` row-major, N = H·W pixels in row-major
/// order. Energies are negative log probabilities: lower is likelier.
///
/// Adding a constant to all energies of a pixel changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    labels: usize,
    pixels: usize,
    energies: Vec<f32>,
}

/// How [`Unary::from_softmax`] turns probabilities to energies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftmaxOptions {
    /// Trust in the probabilities, in (0, 1]: they are mixed with the uniform distribution,
    /// `scale · p + (1 − scale) / K`. `None` leaves them as they are.
    pub scale: Option<f32>,
    /// Probabilities are clipped to `[clip, 1]` before the logarithm; in (0, 1].
    pub clip: f32,
}

impl Default for SoftmaxOptions {
    /// No scaling, clip at 1e-5, as `unary_from_softmax` of pydensecrf.
    fn default() -> Self {
        Self {
            scale: None,
            clip: 1e-5,
        }
    }
}

impl Unary {
    /// Takes energies as they are.
    ///
    /// # Shapes
    /// - `energies`: `[K, N]` row-major with K = `labels`
    ///
    /// # Errors
    /// [`CrfError::LabelCount`]; [`CrfError::SizeMismatch`] if the length is no multiple of K;
    /// [`CrfError::UnaryEnergy`] for a NaN, an infinity or a magnitude above [`MAX_ENERGY`].
    pub fn from_energies(energies: Vec<f32>, labels: usize) -> Result<Self, CrfError> {
        let pixels = pixel_count(energies.len(), labels)?;
        if let Some(at) = energies
            .iter()
            .position(|e| e.is_nan() || e.abs() > MAX_ENERGY)
        {
            return Err(CrfError::UnaryEnergy {
                label: at / pixels,
                pixel: at % pixels,
                value: energies[at],
            });
        }
        Ok(Self {
            labels,
            pixels,
            energies,
        })
    }

    /// Energies of a hard label map that is right with probability `gt_prob`: −ln `gt_prob` for
    /// the given label, −ln((1 − `gt_prob`) / (K − 1)) for each other one.
    ///
    /// With `zero_unsure` the map's values are 1..=K for the labels 0..K, and 0 says nothing: all
    /// labels get −ln(1 / K). Without it 0 is a label like any other.
    ///
    /// Source: `unary_from_labels` of pydensecrf. With K = 1 there is no other label.
    ///
    /// # Shapes
    /// - `map`: `[N]` row-major
    ///
    /// # Errors
    /// [`CrfError::LabelCount`]; [`CrfError::Parameter`] unless 0 < `gt_prob` < 1;
    /// [`CrfError::LabelValue`] for a value that is no label.
    pub fn from_labels(
        map: &[u8],
        labels: usize,
        gt_prob: f64,
        zero_unsure: bool,
    ) -> Result<Self, CrfError> {
        check_label_count(labels)?;
        if !(gt_prob > 0.0 && gt_prob < 1.0) {
            return Err(CrfError::Parameter {
                name: "gt_prob",
                interval: "(0, 1)",
                value: gt_prob,
            });
        }
        let largest = if zero_unsure { labels } else { labels - 1 };
        if let Some(pixel) = map.iter().position(|&value| usize::from(value) > largest) {
            return Err(CrfError::LabelValue {
                pixel,
                value: map[pixel],
                largest,
            });
        }
        let given = -gt_prob.ln() as f32;
        let other = -((1.0 - gt_prob) / labels.saturating_sub(1).max(1) as f64).ln() as f32;
        let unsure = (labels as f64).ln() as f32;
        let first = usize::from(zero_unsure);
        let mut energies = Vec::with_capacity(labels * map.len());
        for label in 0..labels {
            // What each value of the map says of this label.
            let of_value: [f32; 256] =
                std::array::from_fn(|value| match value.checked_sub(first) {
                    None => unsure,
                    Some(value) if value == label => given,
                    Some(_) => other,
                });
            energies.extend(map.iter().map(|&value| of_value[usize::from(value)]));
        }
        Ok(Self {
            labels,
            pixels: map.len(),
            energies,
        })
    }

    /// Energies −ln p of class probabilities, mixed and clipped as [`SoftmaxOptions`] says.
    ///
    /// Source: `unary_from_softmax` of pydensecrf. The probabilities of a pixel need not sum to 1.
    ///
    /// # Shapes
    /// - `probabilities`: `[K, N]` row-major with K = `labels`
    ///
    /// # Errors
    /// [`CrfError::LabelCount`]; [`CrfError::SizeMismatch`]; [`CrfError::Parameter`] for `scale`
    /// or `clip` outside (0, 1]; [`CrfError::Probability`] for a NaN or an infinity.
    pub fn from_softmax(
        probabilities: &[f32],
        labels: usize,
        options: SoftmaxOptions,
    ) -> Result<Self, CrfError> {
        let pixels = pixel_count(probabilities.len(), labels)?;
        for (name, value) in [
            ("scale", options.scale.unwrap_or(1.0)),
            ("clip", options.clip),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(CrfError::Parameter {
                    name,
                    interval: "(0, 1]",
                    value: value.into(),
                });
            }
        }
        if let Some(at) = probabilities.iter().position(|p| !p.is_finite()) {
            return Err(CrfError::Probability {
                label: at / pixels,
                pixel: at % pixels,
                value: probabilities[at],
            });
        }
        let (scale, floor) = match options.scale {
            Some(scale) => (scale, (1.0 - scale) / labels as f32),
            None => (1.0, 0.0),
        };
        let energies = probabilities
            .iter()
            .map(|p| -(scale * p + floor).clamp(options.clip, 1.0).ln())
            .collect();
        Ok(Self {
            labels,
            pixels,
            energies,
        })
    }

    /// Number of labels K.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Number of pixels N.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// The energies, `[K, N]` row-major.
    pub fn energies(&self) -> &[f32] {
        &self.energies
    }
}

/// Checks 1 ≤ K ≤ [`MAX_LABELS`].
pub(crate) fn check_label_count(labels: usize) -> Result<(), CrfError> {
    if labels == 0 || labels > MAX_LABELS {
        return Err(CrfError::LabelCount { labels });
    }
    Ok(())
}

fn pixel_count(len: usize, labels: usize) -> Result<usize, CrfError> {
    check_label_count(labels)?;
    let pixels = len / labels;
    if pixels * labels != len {
        return Err(CrfError::SizeMismatch {
            what: "length of a [labels, pixels] array (a multiple of the number of labels)",
            expected: pixels * labels,
            found: len,
        });
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energies_of_two_and_three_labels() {
        let two = Unary::from_labels(&[0, 1], 2, 0.7, false).unwrap();
        assert_close(two.energies(), &[0.3567, 1.2040, 1.2040, 0.3567]);
        let three = Unary::from_labels(&[2], 3, 0.7, false).unwrap();
        assert_close(three.energies(), &[1.8971, 1.8971, 0.3567]);
    }

    #[test]
    fn zero_is_unsure_only_when_asked() {
        let unsure = Unary::from_labels(&[0, 1, 2], 2, 0.7, true).unwrap();
        let half = std::f32::consts::LN_2;
        assert_close(
            unsure.energies(),
            &[half, 0.3567, 1.2040, half, 1.2040, 0.3567],
        );
        let error = Unary::from_labels(&[0, 1, 2], 2, 0.7, false).unwrap_err();
        assert_eq!(
            error,
            CrfError::LabelValue {
                pixel: 2,
                value: 2,
                largest: 1
            }
        );
    }

    #[test]
    fn one_label_is_finite() {
        let one = Unary::from_labels(&[0, 0], 1, 0.7, false).unwrap();
        assert!(one.energies().iter().all(|e| e.is_finite()));
    }

    #[test]
    fn softmax_is_clipped_and_scaled() {
        let plain = Unary::from_softmax(&[0.25, 0.0, 0.75, 1.0], 2, SoftmaxOptions::default());
        assert_close(
            plain.unwrap().energies(),
            &[1.386_294, 11.512_925, 0.287_682, 0.0],
        );
        let options = SoftmaxOptions {
            scale: Some(0.5),
            clip: 1e-5,
        };
        let scaled = Unary::from_softmax(&[0.0, 1.0], 2, options).unwrap();
        assert_close(scaled.energies(), &[1.386_294, 0.287_682]);
    }

    #[test]
    fn bad_numbers_are_named() {
        let error = Unary::from_energies(vec![0.0, 0.0, 0.0, f32::NAN], 2).unwrap_err();
        assert!(matches!(
            error,
            CrfError::UnaryEnergy {
                label: 1,
                pixel: 1,
                ..
            }
        ));
        for energy in [f32::INFINITY, f32::NEG_INFINITY, 2.0 * MAX_ENERGY] {
            assert!(Unary::from_energies(vec![energy], 1).is_err());
        }
        let error = Unary::from_softmax(&[f32::NAN], 1, SoftmaxOptions::default()).unwrap_err();
        assert!(matches!(error, CrfError::Probability { .. }));
        for gt_prob in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(matches!(
                Unary::from_labels(&[0], 2, gt_prob, false),
                Err(CrfError::Parameter { .. })
            ));
        }
        assert!(matches!(
            Unary::from_energies(vec![0.0; 5], 2),
            Err(CrfError::SizeMismatch { .. })
        ));
        for labels in [0, 257] {
            assert!(matches!(
                Unary::from_energies(vec![], labels),
                Err(CrfError::LabelCount { .. })
            ));
        }
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-4, "{found:?} against {expected:?}");
        }
    }
}
