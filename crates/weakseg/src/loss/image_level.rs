//! Losses of image-level labels (reference §1.3).

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};

use super::ClassReduction;

/// Added to σ(z) inside the logarithm of [`integral_attention`].
const EPSILON: f64 = 1e-8;

/// Binary cross-entropy of image-level labels, averaged over the images; over the classes as `over_classes` says. The
/// reference sums over them; their mean is the multi-label soft margin loss of IRNet's classifier.
///
/// `logits` and `targets` are `[B, C]`, targets in `0.0..=1.0`. `pos_weight`, one number a class, multiplies the loss
/// of positive labels, as in PyTorch's `binary_cross_entropy_with_logits`. Returns `[1]`.
///
/// # Panics
/// If `pos_weight` is given and has not `C` elements.
pub fn bce_with_logits(
    logits: Tensor<2>,
    targets: Tensor<2>,
    pos_weight: Option<&[f32]>,
    over_classes: ClassReduction,
) -> Tensor<1> {
    let [images, classes] = logits.dims();
    // Written with `log_sigmoid`, whose gradient is right at z = 0 as well: the usual max(z, 0) − z·t + log(1 + e^−|z|)
    // has the gradient −t there if ReLU and |·| are given a derivative of 0.
    let negative = log_sigmoid(-logits.clone()) * (-targets.clone() + 1.0);
    let mut positive = log_sigmoid(logits) * targets;
    if let Some(weights) = pos_weight {
        assert_eq!(weights.len(), classes, "one positive weight a class");
        let weights = Tensor::<1>::from_floats(weights, &positive.device());
        positive = positive * weights.reshape([1, classes]);
    }
    let divisor = match over_classes {
        ClassReduction::Sum => images,
        ClassReduction::Mean => images * classes,
    };
    -(positive + negative).sum() / divisor.max(1) as f64
}

/// Integral attention learning (Jiang et al. 2019, "Integral Object Mining via Online Attention Accumulation";
/// reference §1.3): the mean of −t·log(σ(z) + 1e-8) where t > 0, plus the mean of log(1 + eᶻ) where t = 0. A kind that
/// does not occur costs 0.
///
/// The two means make present and absent labels weigh the same however many there are. Far below z = −18 a present
/// label has next to no gradient: the 1e-8 bounds its loss.
///
/// `logits` and `targets` are `[B, C]`, targets in `0.0..=1.0`. Returns `[1]`.
pub fn integral_attention(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let present = targets.clone().greater_scalar(0.0).float();
    let absent = targets.clone().equal_scalar(0.0).float();
    // Targets are 0 where a label is absent, so they are their own mask.
    let attention = (sigmoid(logits.clone()) + EPSILON).log() * targets;
    let other = log_sigmoid(-logits) * absent.clone();
    let mean = |sum: Tensor<1>, kind: Tensor<2>| sum / kind.sum().clamp_min(1.0);
    -(mean(attention.sum(), present) + mean(other.sum(), absent))
}

#[cfg(test)]
mod tests {
    use std::f32::consts::LN_2;

    use super::*;
    use crate::loss::oracle::{check, floats, record, tensor, value_and_gradient};

    #[test]
    fn equal_pytorch() {
        let o = &record()["labels"];
        let z = || tensor(floats(&o["logits"]), [3, 4]);
        let t = || tensor(floats(&o["targets"]), [3, 4]);
        let soft = || tensor(floats(&o["soft_targets"]), [3, 4]);
        let weight = floats(&o["pos_weight"]);
        let (sum, mean) = (ClassReduction::Sum, ClassReduction::Mean);
        check(z(), &o["bce"], |z| bce_with_logits(z, t(), None, sum));
        check(z(), &o["soft_margin"], |z| {
            bce_with_logits(z, t(), None, mean)
        });
        check(z(), &o["weighted_sum"], |z| {
            bce_with_logits(z, t(), Some(&weight), sum)
        });
        check(z(), &o["weighted_mean"], |z| {
            bce_with_logits(z, soft(), Some(&weight), mean)
        });
        check(z(), &o["integral_attention"], |z| {
            integral_attention(z, soft())
        });
    }

    #[test]
    fn by_hand() {
        // z = 0 costs ln 2 whatever the target, with the gradient 1/2 − t: two classes summed, two images averaged.
        let t = || tensor(vec![1.0, 0.0, 0.0, 1.0], [2, 2]);
        let z = || tensor(vec![0.0; 4], [2, 2]);
        let (value, gradient) =
            value_and_gradient(z(), |z| bce_with_logits(z, t(), None, ClassReduction::Sum));
        assert!((value - 2.0 * LN_2).abs() < 1e-6);
        assert_eq!(gradient, vec![-0.25, 0.25, 0.25, -0.25]);
        let (value, _) = value_and_gradient(z(), |z| {
            bce_with_logits(z, t(), Some(&[3.0, 1.0]), ClassReduction::Mean)
        });
        assert!((value - 1.5 * LN_2).abs() < 1e-6);
        // One label present, three absent: ln 2 each, as means of their kinds.
        let (value, gradient) = value_and_gradient(z(), |z| {
            integral_attention(z, tensor(vec![0.0, 0.0, 0.5, 0.0], [2, 2]))
        });
        assert!((value - 1.5 * LN_2).abs() < 1e-6);
        let sixth = 1.0 / 6.0;
        for (g, w) in gradient.iter().zip([sixth, sixth, -0.25, sixth]) {
            assert!((g - w).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn a_kind_of_label_that_does_not_occur_costs_nothing() {
        for t in [0.0, 1.0] {
            let (value, _) = value_and_gradient(tensor(vec![0.0; 4], [2, 2]), |z| {
                integral_attention(z, tensor(vec![t; 4], [2, 2]))
            });
            assert!((value - LN_2).abs() < 1e-6, "{t}: {value}");
        }
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let z = || tensor(vec![-1e4, 1e4, -1e4, 1e4], [1, 4]);
        let t = || tensor(vec![1.0, 0.0, 0.0, 1.0], [1, 4]);
        let (value, gradient) =
            value_and_gradient(z(), |z| bce_with_logits(z, t(), None, ClassReduction::Sum));
        assert_eq!(value, 2e4);
        assert_eq!(gradient, vec![-1.0, 1.0, 0.0, 0.0]);
        let (value, gradient) = value_and_gradient(z(), |z| integral_attention(z, t()));
        // −ln 1e-8 for the missed label, 1e4 for the false one, both halved by their means.
        assert!(
            (value - (8.0 * 10f32.ln() + 1e4) / 2.0).abs() < 1e-2,
            "{value}"
        );
        assert_eq!(gradient, vec![0.0, 0.5, 0.0, 0.0]);
    }
}
