//! Cross-entropy of pixels.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use weakseg_data::LabelSpace;

use super::targets::{counted_mean, log_probabilities};
use super::total::total;
use super::{SoftTargets, VOID};

/// Softmax cross-entropy of pixels with one class each: the mean over the counted pixels.
///
/// `logits` is `[B, K, H, W]`; `labels` is `[B, H, W]` and holds `0..K` or 255 (void). Returns `[1]`.
pub fn cross_entropy(logits: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
    let labels = labels.unsqueeze_dim::<4>(1);
    let void = labels.clone().equal_scalar(i64::from(VOID));
    let counted = void.clone().bool_not().float();
    let picked = log_softmax(logits, 1).gather(1, labels.mask_fill(void, 0));
    let pixels = total(counted.clone()).clamp_min(1.0);
    -total(picked * counted) / pixels
}

/// Cross-entropy of pixels against shares, −Σₖ tₖ·log pₖ: the mean over the counted pixels, of all findings together.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]`. `pos_weight`, one number a finding, multiplies the share that is
/// present, as PyTorch's `binary_cross_entropy_with_logits` does; exclusive classes take none. Returns `[1]`.
///
/// # Panics
/// If `pos_weight` is given and the classes are exclusive, or has not `C` elements.
pub fn soft_cross_entropy(
    logits: Tensor<4>,
    targets: &SoftTargets,
    pos_weight: Option<&[f32]>,
) -> Tensor<1> {
    let [batch, channels, ..] = logits.dims();
    let (mut share, counted) = targets.decisions();
    if let Some(weights) = pos_weight {
        assert_eq!(targets.space, LabelSpace::Findings, "weights of findings");
        assert_eq!(weights.len(), channels, "one positive weight a finding");
        let pairs: Vec<f32> = weights.iter().flat_map(|&weight| [1.0, weight]).collect();
        let pairs = Tensor::<1>::from_floats(pairs.as_slice(), &share.device())
            .reshape([channels, 2, 1, 1])
            .repeat_dim(0, batch);
        share = share * pairs;
    }
    let each = -(log_probabilities(logits, targets.space) * share).sum_dim(1);
    counted_mean(each, counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::oracle::{
        check, floats, index_case, labels, pixel_case, tensor, value_and_gradient,
    };
    use crate::loss::{ClassReduction, PixelTargets, pixel_bce};

    #[test]
    fn equals_pytorch() {
        let (o, z, labels) = index_case();
        check(z.clone(), &o["cross_entropy"], |z| {
            cross_entropy(z, labels.clone())
        });
        let soft = PixelTargets::Exclusive(labels).soft(5);
        check(z, &o["cross_entropy"], |z| {
            soft_cross_entropy(z, &soft, None)
        });
        let (o, z, planes) = pixel_case();
        let soft = PixelTargets::Findings(planes).soft(2);
        let weight = floats(&o["pos_weight"]);
        check(z, &o["weighted"], |z| {
            soft_cross_entropy(z, &soft, Some(&weight))
        });
    }

    #[test]
    fn smoothed_equals_pytorch() {
        let (o, z, labels) = index_case();
        let soft = PixelTargets::Exclusive(labels).soft(5);
        check(z, &o["smoothed"], |z| {
            soft_cross_entropy(z, &soft.smoothed(1.0), None)
        });
        let (o, z, planes) = pixel_case();
        let soft = PixelTargets::Findings(planes).soft(2).smoothed(1.0);
        let weight = floats(&o["pos_weight"]);
        check(z.clone(), &o["smoothed"], |z| {
            soft_cross_entropy(z, &soft, Some(&weight))
        });
        check(z, &o["smoothed_plain"], |z| {
            soft_cross_entropy(z, &soft, None)
        });
    }

    #[test]
    fn by_hand() {
        // Equal logits of four classes cost ln 4.
        let (value, _) = value_and_gradient(tensor(vec![0.5; 8], [1, 4, 1, 2]), |z| {
            cross_entropy(z, labels(vec![3, 255], [1, 1, 2]))
        });
        assert!((value - 4f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_finding_is_a_softmax_of_two() {
        let z = || tensor(vec![2.0, -3.0], [1, 1, 1, 2]);
        let two = tensor(vec![0.0, 0.0, 2.0, -3.0], [1, 2, 1, 2]);
        let (a, of_finding) = value_and_gradient(z(), |z| {
            let planes = tensor(vec![0.0, 1.0], [1, 1, 1, 2]);
            pixel_bce(z, planes, None, ClassReduction::Mean)
        });
        let (b, of_classes) =
            value_and_gradient(two, |z| cross_entropy(z, labels(vec![0, 1], [1, 1, 2])));
        assert!((a - b).abs() < 1e-6);
        for (x, y) in of_finding.iter().zip(&of_classes[2..]) {
            assert!((x - y).abs() < 1e-6);
        }
    }

    #[test]
    fn nothing_counted_is_zero_with_zero_gradient() {
        let z = || tensor(vec![5.0, 1.0, 2.0, 7.0], [1, 2, 1, 2]);
        let l = || labels(vec![255, 255], [1, 1, 2]);
        let (value, gradient) = value_and_gradient(z(), |z| cross_entropy(z, l()));
        assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
        let soft = PixelTargets::Exclusive(l()).soft(2).smoothed(1.0);
        let (value, gradient) = value_and_gradient(z(), |z| soft_cross_entropy(z, &soft, None));
        assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let z = || tensor(vec![-1e4, 1e4, -1e4, 1e4], [1, 4, 1, 1]);
        let l = || labels(vec![0], [1, 1, 1]);
        let soft = PixelTargets::Exclusive(l()).soft(4);
        for (value, gradient) in [
            value_and_gradient(z(), |z| cross_entropy(z, l())),
            value_and_gradient(z(), |z| soft_cross_entropy(z, &soft, None)),
        ] {
            assert!((value - 2e4).abs() < 1.0 && gradient.iter().all(|g| g.is_finite()));
        }
    }
}
