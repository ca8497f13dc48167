//! Losses of the classifier and of the segmentation network.
//!
//! Void pixels ([`VOID`]) add neither value nor gradient, and a batch without a single counted pixel has the loss 0, not
//! NaN. All losses are finite, with finite gradients, for any finite logits.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};

/// Target value of a pixel that is not learned from.
pub const VOID: u8 = 255;

/// Binary cross-entropy of image-level labels: summed over the classes, averaged over the images (reference §1.3).
///
/// `logits` and `targets` are `[B, C]`, targets in `0.0..=1.0`. Returns `[1]`.
pub fn bce_with_logits(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let images = logits.dims()[0].max(1);
    bce_each(logits, targets).sum() / images as f64
}

/// Multi-label soft margin loss, the classifier loss of IRNet: [`bce_with_logits`] averaged over classes and images.
///
/// `logits` and `targets` are `[B, C]`. Returns `[1]`.
pub fn soft_margin(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let elements = logits.dims().iter().product::<usize>().max(1);
    bce_each(logits, targets).sum() / elements as f64
}

/// −t·log σ(z) − (1−t)·log σ(−z). Written with `log_sigmoid`, whose gradient is right at z = 0 as well: the usual
/// max(z, 0) − z·t + log(1 + e^−|z|) has the gradient −t there if ReLU and |·| are given a derivative of 0.
fn bce_each<const D: usize>(logits: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
    let negative = log_sigmoid(-logits.clone()) * (-targets.clone() + 1.0);
    -(log_sigmoid(logits) * targets + negative)
}

/// Binary cross-entropy of pixels, one independent decision a finding: the mean over all counted pixels of all findings.
///
/// `logits` is `[B, C, H, W]`; `targets` likewise holds 0, 1 or 255 (void). `pos_weight`, one number a finding,
/// multiplies the loss of positive pixels; the mean still divides by the number of counted pixels, as PyTorch's
/// `binary_cross_entropy_with_logits` does. Returns `[1]`.
///
/// # Panics
/// If `pos_weight` is given and has not `C` elements.
pub fn pixel_bce(logits: Tensor<4>, targets: Tensor<4>, pos_weight: Option<&[f32]>) -> Tensor<1> {
    let positive = targets.clone().equal_scalar(1.0).float();
    let negative = targets.equal_scalar(0.0).float();
    let counted = (positive.clone() + negative.clone()).sum();
    // One log-sigmoid does for both: a pixel's loss is −log σ(±z), and void pixels have sign and weight 0.
    let sign = positive.clone() - negative.clone();
    let weight = match pos_weight {
        None => positive + negative,
        Some(weights) => {
            let channels = logits.dims()[1];
            assert_eq!(weights.len(), channels, "one positive weight a finding");
            let weights =
                Tensor::<1>::from_floats(weights, &positive.device()).reshape([1, channels, 1, 1]);
            positive * weights + negative
        }
    };
    -(log_sigmoid(logits * sign) * weight).sum() / counted.clamp_min(1.0)
}

/// Softmax cross-entropy of pixels with one class each: the mean over the counted pixels.
///
/// `logits` is `[B, K, H, W]`; `labels` is `[B, H, W]` and holds `0..K` or 255 (void). Returns `[1]`.
pub fn cross_entropy(logits: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
    let labels = labels.unsqueeze_dim::<4>(1);
    let void = labels.clone().equal_scalar(i64::from(VOID));
    let counted = void.clone().bool_not().float();
    let picked = log_softmax(logits, 1).gather(1, labels.mask_fill(void, 0));
    let total = counted.clone().sum().clamp_min(1.0);
    -(picked * counted).sum() / total
}

/// Weight of positive pixels: the square root of negative over positive pixels.
///
/// The full ratio makes both kinds weigh the same and trades many false alarms for overlap; the paper weighs positives
/// and does not say by how much. 1 where a kind does not occur, as there is nothing to balance.
pub fn pos_weight(positive: u64, negative: u64) -> f32 {
    if positive == 0 || negative == 0 {
        1.0
    } else {
        (negative as f64 / positive as f64).sqrt() as f32
    }
}

/// `(positive, negative)` pixels of a mask of 0, 1 and 255.
pub fn pixel_counts(mask: &[u8]) -> (u64, u64) {
    mask.iter().fold((0, 0), |(p, n), &v| {
        (p + u64::from(v == 1), n + u64::from(v == 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use serde_json::Value;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn oracle() -> Value {
        serde_json::from_str(include_str!("../tests/oracle/losses.json")).unwrap()
    }

    fn floats(v: &Value) -> Vec<f32> {
        v.as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap() as f32)
            .collect()
    }

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &device())
    }

    fn labels(values: Vec<i64>, shape: [usize; 3]) -> Tensor<3, Int> {
        Tensor::from_data(TensorData::new(values, shape), &device())
    }

    fn value_and_gradient<const D: usize>(
        logits: Tensor<D>,
        loss: impl Fn(Tensor<D>) -> Tensor<1>,
    ) -> (f32, Vec<f32>) {
        let logits = logits.require_grad();
        let value = loss(logits.clone());
        let gradient = logits.grad(&value.backward()).unwrap();
        (
            value.into_scalar(),
            gradient.into_data().try_to_vec().unwrap(),
        )
    }

    fn check<const D: usize>(
        logits: Tensor<D>,
        expected: &Value,
        loss: impl Fn(Tensor<D>) -> Tensor<1>,
    ) {
        let (value, gradient) = value_and_gradient(logits, loss);
        let wanted = expected["loss"].as_f64().unwrap() as f32;
        assert!(
            (value - wanted).abs() <= 1e-6 * wanted.abs().max(1.0),
            "{value} instead of {wanted}"
        );
        for (i, (g, w)) in gradient
            .iter()
            .zip(floats(&expected["gradient"]))
            .enumerate()
        {
            assert!((g - w).abs() < 1e-6, "gradient {i}: {g} instead of {w}");
        }
    }

    #[test]
    fn image_level_losses_equal_pytorch() {
        let o = &oracle()["labels"];
        let z = || tensor(floats(&o["logits"]), [3, 4]);
        let t = || tensor(floats(&o["targets"]), [3, 4]);
        check(z(), &o["bce"], |z| bce_with_logits(z, t()));
        check(z(), &o["soft_margin"], |z| soft_margin(z, t()));
    }

    #[test]
    fn pixel_losses_equal_pytorch() {
        let o = &oracle()["pixels"];
        let t = || tensor(floats(&o["targets"]), [2, 2, 3, 4]);
        let z = || tensor(floats(&o["logits"]), [2, 2, 3, 4]);
        let weight = floats(&o["pos_weight"]);
        check(z(), &o["weighted"], |z| pixel_bce(z, t(), Some(&weight)));
        check(z(), &o["plain"], |z| pixel_bce(z, t(), None));
        let o = &oracle()["index"];
        let l: Vec<i64> = o["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_i64().unwrap())
            .collect();
        check(
            tensor(floats(&o["logits"]), [2, 5, 3, 4]),
            &o["cross_entropy"],
            |z| cross_entropy(z, labels(l.clone(), [2, 3, 4])),
        );
    }

    #[test]
    fn by_hand() {
        // z = 0 costs ln 2 whatever the target, with the gradient 1/2 − t: two classes summed, two images averaged.
        let (value, gradient) = value_and_gradient(tensor(vec![0.0; 4], [2, 2]), |z| {
            bce_with_logits(z, tensor(vec![1.0, 0.0, 0.0, 1.0], [2, 2]))
        });
        assert!((value - 2.0 * std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(gradient, vec![-0.25, 0.25, 0.25, -0.25]);
        // Two counted pixels at z = 0: (3·ln 2 + ln 2) / 2.
        let (value, gradient) = value_and_gradient(tensor(vec![0.0; 3], [1, 1, 1, 3]), |z| {
            pixel_bce(z, tensor(vec![1.0, 0.0, 255.0], [1, 1, 1, 3]), Some(&[3.0]))
        });
        assert!((value - 2.0 * std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(gradient, vec![-0.75, 0.25, 0.0]);
        // Equal logits of four classes cost ln 4.
        let (value, _) = value_and_gradient(tensor(vec![0.5; 8], [1, 4, 1, 2]), |z| {
            cross_entropy(z, labels(vec![3, 255], [1, 1, 2]))
        });
        assert!((value - 4f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn nothing_counted_is_zero_with_zero_gradient() {
        let (value, gradient) = value_and_gradient(tensor(vec![5.0; 4], [1, 2, 1, 2]), |z| {
            pixel_bce(z, tensor(vec![255.0; 4], [1, 2, 1, 2]), Some(&[2.0, 9.0]))
        });
        assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
        let (value, gradient) =
            value_and_gradient(tensor(vec![5.0, 1.0, 2.0, 7.0], [1, 2, 1, 2]), |z| {
                cross_entropy(z, labels(vec![255, 255], [1, 1, 2]))
            });
        assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let z = vec![-1e4, 1e4, -1e4, 1e4];
        let t = vec![1.0, 0.0, 0.0, 1.0];
        let (value, gradient) = value_and_gradient(tensor(z.clone(), [1, 4]), |z| {
            bce_with_logits(z, tensor(t.clone(), [1, 4]))
        });
        assert_eq!(value, 2e4);
        assert_eq!(gradient, vec![-1.0, 1.0, 0.0, 0.0]);
        let (value, gradient) = value_and_gradient(tensor(z.clone(), [1, 1, 1, 4]), |z| {
            pixel_bce(z, tensor(t.clone(), [1, 1, 1, 4]), None)
        });
        assert_eq!(value, 5e3);
        assert!(gradient.iter().all(|g| g.is_finite()));
        let (value, gradient) = value_and_gradient(tensor(z, [1, 4, 1, 1]), |z| {
            cross_entropy(z, labels(vec![0], [1, 1, 1]))
        });
        assert!((value - 2e4).abs() < 1.0 && gradient.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn positive_weight_from_pixels() {
        assert_eq!(pixel_counts(&[0, 1, 255, 0, 0, 0]), (1, 4));
        assert_eq!(pos_weight(1, 4), 2.0);
        assert_eq!(pos_weight(0, 9), 1.0);
        assert_eq!(pos_weight(9, 0), 1.0);
    }
}
