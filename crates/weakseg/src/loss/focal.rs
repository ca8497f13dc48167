//! Focal loss.

use burn::tensor::Tensor;

use super::SoftTargets;
use super::targets::{counted_mean, log_probabilities};

/// Far below every log-probability, and finite.
const NEVER: f32 = -1e30;

/// Focal loss, −αₜ·(1 − pₜ)^γ·log pₜ with pₜ the probability of the label (Lin et al. 2017, "Focal Loss for Dense
/// Object Detection", eq. 5): the mean over the counted pixels, of all findings together. Pixels that the network is
/// sure of weigh little.
///
/// αₜ is `alpha` for pixels with a finding or class, 1 − `alpha` for those without a finding or of the background.
///
/// Departs from the paper: because there is no assignment of anchors here, the mean is over pixels instead of over
/// positives; and exclusive classes go through a softmax, which for one class beside the background is the paper's
/// sigmoid.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]`; `targets` are not smoothed; `gamma` is 0 or more, `alpha` in 0..=1.
/// Returns `[1]`.
pub fn focal(logits: Tensor<4>, targets: &SoftTargets, gamma: f64, alpha: f64) -> Tensor<1> {
    let (share, counted) = targets.decisions();
    let log_p = log_probabilities(logits, targets.space);
    let log_label = (log_p.clone() * share.clone()).sum_dim(1);
    // 1 − pₜ is summed from the other labels, where a subtraction would lose all its digits near pₜ = 1.
    let others = log_p.mask_fill(share.clone().greater_scalar(0.0), NEVER);
    let largest = others.clone().max_dim(1).detach();
    let log_missed = (others - largest.clone()).exp().sum_dim(1).log() + largest;
    let background = share.narrow(1, 0, 1);
    let weight = background * (1.0 - 2.0 * alpha) + alpha;
    let each = -(log_missed * gamma).exp() * log_label * weight;
    counted_mean(each, counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::oracle::{check, index_case, labels, pixel_case, tensor, value_and_gradient};
    use crate::loss::{PixelTargets, cross_entropy};

    #[test]
    fn equals_pytorch() {
        let (o, z, labels) = index_case();
        let soft = PixelTargets::Exclusive(labels).soft(5);
        check(z.clone(), &o["focal"], |z| focal(z, &soft, 2.0, 0.25));
        check(z, &o["focal_half"], |z| focal(z, &soft, 0.5, 0.6));
        let (o, z, planes) = pixel_case();
        let soft = PixelTargets::Findings(planes).soft(2);
        check(z.clone(), &o["focal"], |z| focal(z, &soft, 2.0, 0.25));
        check(z, &o["focal_half"], |z| focal(z, &soft, 0.5, 0.6));
    }

    #[test]
    fn by_hand() {
        // p = 1/2: ¼·ln 2, weighed ¼ where positive and ¾ where not.
        let soft = PixelTargets::Findings(tensor(vec![1.0, 0.0, 255.0], [1, 1, 1, 3])).soft(1);
        let (value, gradient) =
            value_and_gradient(tensor(vec![0.0, 0.0, 3.0], [1, 1, 1, 3]), |z| {
                focal(z, &soft, 2.0, 0.25)
            });
        assert!((value - 0.125 * std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(gradient[2], 0.0);
    }

    #[test]
    fn without_focus_it_is_half_the_cross_entropy() {
        let (_, z, labels) = index_case();
        let soft = PixelTargets::Exclusive(labels.clone()).soft(5);
        let (a, of_focal) = value_and_gradient(z.clone(), |z| focal(z, &soft, 0.0, 0.5));
        let (b, of_entropy) = value_and_gradient(z, |z| cross_entropy(z, labels.clone()));
        assert!((2.0 * a - b).abs() < 1e-5);
        for (x, y) in of_focal.iter().zip(&of_entropy) {
            assert!((2.0 * x - y).abs() < 1e-6);
        }
    }

    #[test]
    fn nothing_counted_is_zero_and_extremes_are_finite() {
        let z = || tensor(vec![1e4, -1e4, 0.0, -1e4, 1e4, 0.0], [1, 3, 1, 2]);
        let void = PixelTargets::Exclusive(labels(vec![255, 255], [1, 1, 2])).soft(3);
        let (value, gradient) = value_and_gradient(z(), |z| focal(z, &void, 2.0, 0.25));
        assert_eq!((value, gradient), (0.0, vec![0.0; 6]));
        for gamma in [0.0, 0.5, 2.0] {
            for label in 0..3 {
                let soft =
                    PixelTargets::Exclusive(labels(vec![label, 2 - label], [1, 1, 2])).soft(3);
                let (value, gradient) = value_and_gradient(z(), |z| focal(z, &soft, gamma, 0.25));
                assert!(value.is_finite(), "{gamma} {label}");
                assert!(gradient.iter().all(|g| g.is_finite()), "{gamma} {label}");
            }
        }
    }
}
