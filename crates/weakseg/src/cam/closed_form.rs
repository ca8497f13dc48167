//! Activation maps of a network that ends in global average pooling and a linear layer, without a backward pass.
//!
//! There the gradient of class c's logit with respect to map k is w_kc / Z at every one of the Z pixels, so every
//! method reduces to weights of the maps, for all classes of all images in one matrix product (reference §2.4).

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::CamMethod;

/// Activation maps of all classes at once.
///
/// `maps` is `[B, K, h, w]`, what the pooling averages (ReLU'd, so not below 0); `class_weights` is `[C, K]`, `logits`
/// is `[B, C]` and matters to `grad-cam++-wsmis` alone. Returns `[B, C, h, w]`; finite for any finite input, logits of
/// ±200 included. `cam`, `grad-cam` and `grad-cam++-wsmis` are signed.
pub fn cams(
    method: &CamMethod,
    maps: Tensor<4>,
    class_weights: Tensor<2>,
    logits: Tensor<2>,
) -> Tensor<4> {
    let [batch, channels, height, width] = maps.dims();
    let classes = class_weights.dims()[0];
    let pixels = (height * width).max(1) as f64;
    let flat = maps.reshape([batch, channels, height * width]);
    let weights = class_weights.reshape([1, classes, channels]);
    let gradient = weights.clone() / pixels;
    let sums = || flat.clone().sum_dim(2).reshape([batch, 1, channels]);
    let channel_weights = match method {
        CamMethod::Cam => weights.expand([batch, classes, channels]),
        CamMethod::GradCam => gradient.expand([batch, classes, channels]),
        // Z·relu(s)/(2 + s·ΣA): the exponentials of eq. 19 cancel, but for a factor e^S on the whole map, which is left
        // out: it would overflow and make one scale of the image drown the others.
        CamMethod::GradCamPlusPlus => {
            let positive = relu(gradient);
            positive.clone() * pixels / (positive * sums() + 2.0)
        }
        CamMethod::GradCamPlusPlusWsmis => {
            // Z·s³/(2s²e^−S + s³ΣA + εe^−3S), here divided by s³: with L = S + ln s = ln g every exponent is rescaled.
            // Where it overflows the weight is 0, as it is in exact arithmetic.
            let positive = relu(gradient);
            let log = positive.clone().log() + logits.reshape([batch, classes, 1]);
            let denominator = (-log.clone()).exp() * 2.0
                + sums()
                + (log * -3.0).exp() * super::autograd::WSMIS_EPSILON;
            guarded(Tensor::ones_like(&denominator) * pixels, denominator)
        }
        CamMethod::GradCamPlusPlusPytorch => {
            let square = gradient.clone().square();
            let denominator = square.clone() * 2.0
                + square.clone() * gradient.clone() * sums()
                + super::autograd::PYTORCH_EPSILON;
            guarded(
                (relu(gradient) * square * pixels).expand([batch, classes, channels]),
                denominator,
            )
        }
        CamMethod::LayerCam => relu(gradient).expand([batch, classes, channels]),
    };
    let cams = channel_weights
        .matmul(flat)
        .reshape([batch, classes, height, width]);
    match method.is_signed() {
        true => cams,
        false => relu(cams),
    }
}

/// A quotient that is 0 where its denominator is 0.
pub(super) fn guarded<const D: usize>(numerator: Tensor<D>, denominator: Tensor<D>) -> Tensor<D> {
    let nothing = denominator.clone().equal_scalar(0.0);
    numerator.mask_fill(nothing.clone(), 0.0) / denominator.mask_fill(nothing, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn of(method: CamMethod, maps: &[f32], weights: &[f32], logit: f32) -> Vec<f32> {
        let channels = weights.len();
        let maps = tensor(maps, [1, channels, 1, maps.len() / channels]);
        cams(
            &method,
            maps,
            tensor(weights, [1, channels]),
            tensor(&[logit], [1, 1]),
        )
        .into_data()
        .try_to_vec()
        .unwrap()
    }

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).for_each(|(a, b)| {
            assert!(
                (a - b).abs() <= 1e-6 * b.abs().max(1e-3),
                "{a} instead of {b}"
            )
        });
    }

    /// Two channels of two pixels; weights 2 and −1; Z = 2, s = (1, −1/2), ΣA = (4, 2).
    const MAPS: [f32; 4] = [1.0, 3.0, 2.0, 0.0];
    const WEIGHTS: [f32; 2] = [2.0, -1.0];

    #[test]
    fn by_hand() {
        close(&of(CamMethod::Cam, &MAPS, &WEIGHTS, 0.0), &[0.0, 6.0]);
        close(&of(CamMethod::GradCam, &MAPS, &WEIGHTS, 0.0), &[0.0, 3.0]);
        // channel 0: Z·s/(2 + s·ΣA) = 2/(2 + 4) = 1/3; channel 1 has a negative gradient
        close(
            &of(CamMethod::GradCamPlusPlus, &MAPS, &WEIGHTS, 0.0),
            &[1.0 / 3.0, 1.0],
        );
        close(&of(CamMethod::LayerCam, &MAPS, &WEIGHTS, 0.0), &[1.0, 3.0]);
        let w = 2.0 / (2.0 + 4.0 + 1e-6);
        close(
            &of(CamMethod::GradCamPlusPlusPytorch, &MAPS, &WEIGHTS, 0.0),
            &[w, 3.0 * w],
        );
    }

    #[test]
    fn the_wsmis_form_depends_on_the_logit() {
        // g = e^S; alpha = g²/(2g² + 4g³ + 1e-8), weight 2·alpha·g
        for logit in [-2.0f32, 0.0, 3.0] {
            let g = f64::from(logit).exp();
            let w = (2.0 * g.powi(3) / (2.0 * g * g + 4.0 * g.powi(3) + 1e-8)) as f32;
            close(
                &of(CamMethod::GradCamPlusPlusWsmis, &MAPS, &WEIGHTS, logit),
                &[w, 3.0 * w],
            );
        }
    }

    #[test]
    fn epsilon_dominates_the_wsmis_form_of_weak_gradients() {
        // s = 0.05/1936, S = 0: 2s² = 1.3e-9 is well below 1e-8.
        let maps = vec![1.0f32; 1936];
        let s = 0.05f64 / 1936.0;
        let w = 1936.0 * s.powi(3) / (2.0 * s * s + s.powi(3) * 1936.0 + 1e-8);
        let ours = of(CamMethod::GradCamPlusPlusWsmis, &maps, &[0.05], 0.0);
        assert!(
            (f64::from(ours[0]) - w).abs() < 1e-4 * w,
            "{} instead of {w}",
            ours[0]
        );
    }

    #[test]
    fn mirrored_maps_have_mirrored_activations() {
        // Two channels of 2x3 pixels; sums of these are exact in whatever order they are taken.
        let maps: [f32; 12] = [1.0, 3.0, 0.5, 2.0, 0.0, 4.0, 0.25, 0.0, 1.5, 0.0, 2.0, 8.0];
        let mirrored: Vec<f32> = maps
            .chunks(3)
            .flat_map(|row| row.iter().rev().copied())
            .collect();
        for method in CamMethod::ALL {
            let plain = of(method, &maps, &[2.0, -0.5], 1.0);
            let other = of(method, &mirrored, &[2.0, -0.5], 1.0);
            let back: Vec<f32> = other
                .chunks(3)
                .flat_map(|row| row.iter().rev().copied())
                .collect();
            assert_eq!(plain, back, "{method}");
            assert!(plain.iter().any(|v| *v != 0.0), "{method}");
        }
    }

    #[test]
    fn extreme_logits_stay_finite() {
        for logit in [-200.0, -88.0, 88.0, 200.0] {
            for method in CamMethod::ALL {
                for maps in [MAPS, [0.0; 4]] {
                    let map = of(method, &maps, &[2.0, 0.0], logit);
                    assert!(
                        map.iter().all(|v| v.is_finite()),
                        "{method} at {logit}: {map:?}"
                    );
                }
            }
        }
        // far up the weight is Z/ΣA, far down 0
        close(
            &of(CamMethod::GradCamPlusPlusWsmis, &MAPS, &WEIGHTS, 200.0),
            &[0.5, 1.5],
        );
        assert_eq!(
            of(CamMethod::GradCamPlusPlusWsmis, &MAPS, &WEIGHTS, -200.0),
            [0.0, 0.0]
        );
    }

    #[test]
    fn all_classes_of_all_images_at_once() {
        let maps = tensor(&[1.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 4.0], [2, 2, 1, 2]);
        let all = cams(
            &CamMethod::Cam,
            maps,
            tensor(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2]),
            tensor(&[0.0; 6], [2, 3]),
        );
        assert_eq!(all.dims(), [2, 3, 1, 2]);
        close(
            &all.into_data().try_to_vec::<f32>().unwrap(),
            &[1.0, 0.0, 0.0, 2.0, 1.0, 2.0, 3.0, 0.0, 0.0, 4.0, 3.0, 4.0],
        );
    }
}
