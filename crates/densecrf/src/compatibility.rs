//! Label compatibility: what it costs neighbours to carry given labels.

use crate::part;
use crate::vectorized::{LANES, each};
use crate::{CrfError, MAX_COMPATIBILITY};

/// The label compatibility μ(l, l′) of a pairwise term; pydensecrf's `compat`.
///
/// The term adds Σ_l′ μ(l, l′) · m(l′) to the energy of label l, where m is the filtered marginal:
/// a negative entry attracts. The Potts weight has the opposite sign, so that `Potts(w)` equals
/// `Diagonal` of −w and `Matrix` of −w times the identity. These are pydensecrf's own conventions.
#[derive(Debug, Clone, PartialEq)]
pub enum Compatibility {
    /// One weight w ≥ 0 that rewards equal labels: μ(l, l′) = −w·[l = l′].
    Potts(f32),
    /// One cost per label, `[K]`: μ(l, l′) = c_l·[l = l′].
    Diagonal(Vec<f32>),
    /// All costs, `[K, K]` row-major. The symmetric part ½(μ + μᵀ) is used.
    Matrix(Vec<f32>),
}

impl From<f32> for Compatibility {
    fn from(weight: f32) -> Self {
        Self::Potts(weight)
    }
}

impl Compatibility {
    /// Checks the sizes against K labels and the values, and makes a matrix symmetric.
    pub(crate) fn checked(self, labels: usize) -> Result<Self, CrfError> {
        let (weights, what, expected) = match &self {
            Self::Potts(weight) => (std::slice::from_ref(weight), "", 1),
            Self::Diagonal(costs) => (&costs[..], "costs of a diagonal compatibility", labels),
            Self::Matrix(costs) => (
                &costs[..],
                "costs of a matrix compatibility",
                labels * labels,
            ),
        };
        if weights.len() != expected {
            return Err(CrfError::SizeMismatch {
                what,
                expected,
                found: weights.len(),
            });
        }
        if let Some(index) = weights
            .iter()
            .position(|w| w.is_nan() || w.abs() > MAX_COMPATIBILITY)
        {
            return Err(CrfError::CompatibilityValue {
                index,
                value: weights[index],
            });
        }
        Ok(match self {
            Self::Matrix(costs) => {
                let symmetric = |at: usize| {
                    let (row, column) = (at / labels, at % labels);
                    0.5 * (costs[at] + costs[column * labels + row])
                };
                Self::Matrix((0..costs.len()).map(symmetric).collect())
            }
            other => other,
        })
    }

    /// Subtracts the term's energy from the `logits` of some pixels, given their messages m (both
    /// `[K]`, a pixel a lane).
    #[inline(always)]
    pub(crate) fn apply(&self, message: &[[f32; LANES]], logits: &mut [[f32; LANES]]) {
        match self {
            Self::Potts(weight) => {
                for (logits, m) in logits.iter_mut().zip(message) {
                    add_product(logits, *weight, m);
                }
            }
            Self::Diagonal(costs) => {
                for ((logits, m), cost) in logits.iter_mut().zip(message).zip(costs) {
                    add_product(logits, -cost, m);
                }
            }
            Self::Matrix(costs) => {
                for (logits, row) in logits.iter_mut().zip(costs.chunks_exact(message.len())) {
                    let mut sum = [0.0; LANES];
                    for (cost, m) in row.iter().zip(message) {
                        add_product(&mut sum, *cost, m);
                    }
                    add_product(logits, -1.0, &sum);
                }
            }
        }
    }

    /// [`apply`](Self::apply) for one pixel and its messages of `C` labels from `first`, which are still
    /// to be multiplied by `after`.
    ///
    /// # Shapes
    /// - `logits`: all labels side by side, padded at least as far as the messages reach
    #[inline(always)]
    pub(crate) fn apply_row<const C: usize>(
        &self,
        after: f32,
        message: &[f32; C],
        first: usize,
        logits: &mut [f32],
        labels: usize,
    ) {
        match self {
            Self::Potts(weight) => {
                let logits = &mut logits[first..first + C];
                let sums = each!(C, at => logits[at] + weight * (after * message[at]));
                logits.copy_from_slice(&sums);
            }
            Self::Diagonal(costs) => {
                let own = logits[first..].iter_mut().zip(&costs[first..]);
                for ((logit, cost), m) in own.zip(message) {
                    *logit -= cost * (after * m);
                }
            }
            Self::Matrix(costs) => {
                // Symmetric: its rows are its columns.
                for (column, m) in costs.chunks_exact(labels).skip(first).zip(message) {
                    part::add_product(&mut logits[..labels], -(after * m), column);
                }
            }
        }
    }
}

#[inline(always)]
fn add_product(to: &mut [f32; LANES], factor: f32, from: &[f32; LANES]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ways_to_say_potts() {
        let message = [[0.25; LANES], [0.75; LANES]];
        let forms = [
            Compatibility::from(3.0),
            Compatibility::Diagonal(vec![-3.0; 2]),
            Compatibility::Matrix(vec![-3.0, 0.0, 0.0, -3.0]),
        ];
        for form in forms {
            let mut logits = [[1.0; LANES]; 2];
            form.checked(2).unwrap().apply(&message, &mut logits);
            assert_eq!(logits, [[1.75; LANES], [3.25; LANES]]);
        }
    }

    #[test]
    fn a_matrix_is_made_symmetric() {
        let form = Compatibility::Matrix(vec![0.0, 2.0, 0.0, 0.0]).checked(2);
        assert_eq!(
            form.unwrap(),
            Compatibility::Matrix(vec![0.0, 1.0, 1.0, 0.0])
        );
    }

    #[test]
    fn sizes_and_values_are_checked() {
        assert!(matches!(
            Compatibility::Diagonal(vec![1.0]).checked(2),
            Err(CrfError::SizeMismatch { expected: 2, .. })
        ));
        assert!(matches!(
            Compatibility::Matrix(vec![1.0; 3]).checked(2),
            Err(CrfError::SizeMismatch { expected: 4, .. })
        ));
        for weight in [f32::NAN, f32::INFINITY, 1e10] {
            assert!(matches!(
                Compatibility::Potts(weight).checked(2),
                Err(CrfError::CompatibilityValue { index: 0, .. })
            ));
        }
    }
}
