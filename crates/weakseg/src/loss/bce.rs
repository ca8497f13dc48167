//! Binary cross-entropy of pixels.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

use super::ClassReduction;
use super::total::total;

/// Binary cross-entropy of pixels, one independent decision an output: the mean over all counted pixels of all outputs,
/// or the sum over the outputs of the mean over each one's counted pixels.
///
/// `logits` is `[B, C, H, W]`; `targets` likewise holds 0, 1 or 255 (void). Outputs are findings, or exclusive classes
/// each against the rest ([`PixelTargets::planes`](super::PixelTargets::planes)). `pos_weight`, one number an output,
/// multiplies the loss of positive pixels; the mean still divides by the number of counted pixels, as PyTorch's
/// `binary_cross_entropy_with_logits` does. Returns `[1]`.
///
/// # Panics
/// If `pos_weight` is given and has not `C` elements.
pub fn pixel_bce(
    logits: Tensor<4>,
    targets: Tensor<4>,
    pos_weight: Option<&[f32]>,
    over_classes: ClassReduction,
) -> Tensor<1> {
    let positive = targets.clone().equal_scalar(1.0).float();
    let negative = targets.equal_scalar(0.0).float();
    let counted = positive.clone() + negative.clone();
    // One log-sigmoid does for both: a pixel's loss is −log σ(±z), and void pixels have sign and weight 0.
    let sign = positive.clone() - negative.clone();
    let weight = match pos_weight {
        None => positive + negative,
        Some(weights) => {
            let channels = logits.dims()[1];
            assert_eq!(weights.len(), channels, "one positive weight an output");
            let weights =
                Tensor::<1>::from_floats(weights, &positive.device()).reshape([1, channels, 1, 1]);
            positive * weights + negative
        }
    };
    let each = log_sigmoid(logits * sign) * weight;
    match over_classes {
        ClassReduction::Mean => -total(each) / total(counted).clamp_min(1.0),
        ClassReduction::Sum => {
            let by_output = |values: Tensor<4>| values.sum_dims(&[0, 2, 3]);
            -(by_output(each) / by_output(counted).clamp_min(1.0)).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::LN_2;

    use super::*;
    use crate::loss::PixelTargets;
    use crate::loss::oracle::{check, floats, index_case, pixel_case, tensor, value_and_gradient};

    const MEAN: ClassReduction = ClassReduction::Mean;
    const SUM: ClassReduction = ClassReduction::Sum;

    #[test]
    fn equals_pytorch() {
        let (o, z, t) = pixel_case();
        let weight = floats(&o["pos_weight"]);
        let z = || z.clone();
        let t = || t.clone();
        let weight = Some(&weight[..]);
        check(z(), &o["weighted"], |z| pixel_bce(z, t(), weight, MEAN));
        check(z(), &o["plain"], |z| pixel_bce(z, t(), None, MEAN));
        check(z(), &o["weighted_sum"], |z| pixel_bce(z, t(), weight, SUM));
    }

    #[test]
    fn classes_against_the_rest_equal_pytorch() {
        let (o, z, labels) = index_case();
        let planes = PixelTargets::Exclusive(labels).planes(5);
        let weight = floats(&o["pos_weight"]);
        check(z, &o["bce"], |z| {
            pixel_bce(z, planes.clone(), Some(&weight), MEAN)
        });
    }

    #[test]
    fn by_hand() {
        // Two counted pixels at z = 0: (3·ln 2 + ln 2) / 2.
        let t = || tensor(vec![1.0, 0.0, 255.0], [1, 1, 1, 3]);
        let z = || tensor(vec![0.0; 3], [1, 1, 1, 3]);
        let (value, gradient) = value_and_gradient(z(), |z| pixel_bce(z, t(), Some(&[3.0]), MEAN));
        assert!((value - 2.0 * LN_2).abs() < 1e-6);
        assert_eq!(gradient, vec![-0.75, 0.25, 0.0]);
        // Two findings with two and one counted pixels: a mean of 3 pixels, a sum of two means.
        let t = || tensor(vec![1.0, 0.0, 255.0, 0.0], [1, 2, 1, 2]);
        let z = || tensor(vec![0.0; 4], [1, 2, 1, 2]);
        let (value, gradient) = value_and_gradient(z(), |z| pixel_bce(z, t(), None, SUM));
        assert!((value - 2.0 * LN_2).abs() < 1e-6);
        assert_eq!(gradient, vec![-0.25, 0.25, 0.0, 0.5]);
    }

    #[test]
    fn nothing_counted_is_zero_with_zero_gradient() {
        for over_classes in [MEAN, SUM] {
            let (value, gradient) = value_and_gradient(tensor(vec![5.0; 4], [1, 2, 1, 2]), |z| {
                let t = tensor(vec![255.0; 4], [1, 2, 1, 2]);
                pixel_bce(z, t, Some(&[2.0, 9.0]), over_classes)
            });
            assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
        }
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let (value, gradient) =
            value_and_gradient(tensor(vec![-1e4, 1e4, -1e4, 1e4], [1, 1, 1, 4]), |z| {
                let t = tensor(vec![1.0, 0.0, 0.0, 1.0], [1, 1, 1, 4]);
                pixel_bce(z, t, None, MEAN)
            });
        assert_eq!(value, 5e3);
        assert_eq!(gradient, vec![-0.25, 0.25, 0.0, 0.0]);
    }
}
