//! Losses of overlap: soft IoU and Dice.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softmax};
use weakseg_data::LabelSpace;

use super::SoftTargets;

/// Soft intersection over union (`mean_iou` of the reference, §1.3): 1 − the mean over (image, class) of
/// (I + ε)/(U + ε), with I = Σ p·t and U = Σ (p² + t²) − I over the counted pixels, ε = `smooth` (reference: 1e-6).
///
/// Exclusive classes count with the background among them. A class that an image does not have costs 1 unless its
/// probabilities are about 0 there (Σ p² against ε). A pair of image and class without a counted pixel is left out of
/// the mean.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]`. Returns `[1]`.
pub fn soft_iou(logits: Tensor<4>, targets: &SoftTargets, smooth: f64) -> Tensor<1> {
    let Planes { p, t, counted } = Planes::new(logits, targets);
    let over_pixels = |values: Tensor<4>| values.sum_dims(&[2, 3]);
    let both = over_pixels(p.clone() * t.clone());
    let either = over_pixels(p.clone() * p + t.clone() * t) - both.clone();
    let missed = -((both + smooth) / (either + smooth)) + 1.0;
    mean_of_counted(missed, over_pixels(counted))
}

/// Dice loss: 1 − the mean over classes of (2·Σ p·t + s)/(Σ p + Σ t + s) over the counted pixels of the whole batch,
/// s = `smooth` (reference: 1).
///
/// Departs from the reference code: because its `binary_dice` thresholds p at 0.5 and so has no gradient (§12.7), p is
/// the probability itself here. Sums run over the batch, so that an image without a finding does not count as a whole
/// miss or a whole hit. A class without a counted pixel is left out of the mean.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]`. Returns `[1]`.
pub fn dice(logits: Tensor<4>, targets: &SoftTargets, smooth: f64) -> Tensor<1> {
    let Planes { p, t, counted } = Planes::new(logits, targets);
    let over_batch = |values: Tensor<4>| values.sum_dims(&[0, 2, 3]);
    let both = over_batch(p.clone() * t.clone()) * 2.0 + smooth;
    let each = over_batch(p + t) + smooth;
    mean_of_counted(-(both / each) + 1.0, over_batch(counted))
}

/// The mean of the losses whose number of counted pixels is not 0; 0 if there are none.
fn mean_of_counted(losses: Tensor<4>, pixels: Tensor<4>) -> Tensor<1> {
    let counts = pixels.greater_scalar(0.0).float();
    let total = counts.clone().sum().clamp_min(1.0);
    (losses * counts).sum() / total
}

/// Probabilities and labels, both 0 where void, and what is counted, all `[B, K, H, W]` or `[B, C, H, W]`.
struct Planes {
    p: Tensor<4>,
    t: Tensor<4>,
    counted: Tensor<4>,
}

impl Planes {
    fn new(logits: Tensor<4>, targets: &SoftTargets) -> Self {
        let shape = logits.dims();
        let p = match targets.space {
            LabelSpace::Exclusive => softmax(logits, 1),
            LabelSpace::Findings => sigmoid(logits),
        };
        let counted = targets.counted.clone().expand(shape);
        Self {
            p: p * counted.clone(),
            t: targets.share.clone(),
            counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::PixelTargets;
    use crate::loss::oracle::{check, index_case, labels, pixel_case, tensor, value_and_gradient};

    #[test]
    fn equal_pytorch() {
        let (o, z, labels) = index_case();
        let soft = PixelTargets::Exclusive(labels).soft(5);
        check(z.clone(), &o["soft_iou"], |z| soft_iou(z, &soft, 1e-6));
        check(z, &o["dice"], |z| dice(z, &soft, 1.0));
        let (o, z, planes) = pixel_case();
        let soft = PixelTargets::Findings(planes).soft(2);
        check(z.clone(), &o["soft_iou"], |z| soft_iou(z, &soft, 1e-6));
        check(z, &o["dice"], |z| dice(z, &soft, 1.0));
    }

    #[test]
    fn by_hand() {
        // Two counted pixels at p = 1/2, one of them positive: I = 1/2, U = 1/2 + 1 − 1/2; Dice (1 + 1)/(1 + 1 + 1).
        let soft = PixelTargets::Findings(tensor(vec![1.0, 0.0, 255.0], [1, 1, 1, 3])).soft(1);
        let z = || tensor(vec![0.0, 0.0, 9.0], [1, 1, 1, 3]);
        let (value, gradient) = value_and_gradient(z(), |z| soft_iou(z, &soft, 1e-6));
        assert!((value - 0.5).abs() < 1e-5);
        assert_eq!(gradient[2], 0.0);
        let (value, gradient) = value_and_gradient(z(), |z| dice(z, &soft, 1.0));
        assert!((value - 1.0 / 3.0).abs() < 1e-6);
        // d/dp of (2p₁ + 1)/(p₁ + p₂ + 2) is (2·3 − 2)/9 and −2/9; dp/dz is 1/4.
        for (g, w) in gradient.iter().zip([-1.0 / 9.0, 1.0 / 18.0, 0.0]) {
            assert!((g - w).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn images_without_a_counted_pixel_leave_the_mean() {
        let seen = || PixelTargets::Exclusive(labels(vec![1, 0], [1, 1, 2])).soft(2);
        let half = PixelTargets::Exclusive(labels(vec![1, 0, 255, 255], [2, 1, 2])).soft(2);
        let z = vec![0.3, -0.2, 0.9, 0.1];
        let (alone, _) = value_and_gradient(tensor(z.clone(), [1, 2, 1, 2]), |z| {
            soft_iou(z, &seen(), 1e-6)
        });
        let both = [z.clone(), z].concat();
        let (value, gradient) =
            value_and_gradient(tensor(both, [2, 2, 1, 2]), |z| soft_iou(z, &half, 1e-6));
        assert!((value - alone).abs() < 1e-6);
        assert_eq!(gradient[4..], [0.0; 4]);
    }

    #[test]
    fn nothing_counted_is_zero_with_zero_gradient() {
        let void = PixelTargets::Findings(tensor(vec![255.0; 4], [1, 2, 1, 2])).soft(2);
        let z = || tensor(vec![5.0, -1.0, 0.0, 2.0], [1, 2, 1, 2]);
        for (value, gradient) in [
            value_and_gradient(z(), |z| soft_iou(z, &void, 1e-6)),
            value_and_gradient(z(), |z| dice(z, &void, 1.0)),
        ] {
            assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
        }
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let wrong = PixelTargets::Findings(tensor(vec![1.0, 0.0], [1, 2, 1, 1])).soft(2);
        let z = || tensor(vec![-1e4, 1e4], [1, 2, 1, 1]);
        for (value, gradient) in [
            value_and_gradient(z(), |z| soft_iou(z, &wrong, 1e-6)),
            value_and_gradient(z(), |z| dice(z, &wrong, 1.0)),
        ] {
            assert!(value > 0.4 && value <= 1.0);
            assert!(gradient.iter().all(|g| g.is_finite()));
        }
    }
}
