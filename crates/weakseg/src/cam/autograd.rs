//! Activation maps at any named layer of a classifier, by gradients.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use weakseg_models::{Classifier, ModelError};

use super::CamMethod;
use super::closed_form::guarded;

/// The epsilon of the paper's Grad-CAM++ code.
pub(super) const WSMIS_EPSILON: f64 = 1e-8;
/// The epsilon of pytorch-grad-cam's Grad-CAM++.
pub(super) const PYTORCH_EPSILON: f64 = 1e-6;

/// Maps of some classes at a layer of `network`, batched, one backward pass a class.
///
/// `images` is `[B, 3, H, W]`, normalised as the network was trained; `layer` is one of [`Classifier::layers`]. Returns
/// `[B, classes, h, w]` at the layer's size. The part of the network before the layer runs without a graph. Batch norm
/// uses its running statistics.
///
/// # Errors
/// [`ModelError::UnknownLayer`].
///
/// # Panics
/// If a class is not below the network's number of logits.
pub fn cams(
    method: &CamMethod,
    network: &Classifier,
    images: Tensor<4>,
    layer: &str,
    classes: &[usize],
) -> Result<Tensor<4>, ModelError> {
    let activation = network.valid().activation(images.inner(), layer)?;
    from_activation(method, network, activation, layer, classes)
}

/// As [`cams`], from the activation `[B, K, h, w]` of the layer. The part of the network behind it runs anew for each
/// class, so memory does not grow with the number of classes.
///
/// [`CamMethod::Cam`] is defined at the last layer alone, where its weights are; elsewhere it is given as Grad-CAM
/// times the number of pixels, which agrees with it at the last layer.
///
/// # Errors
/// [`ModelError::UnknownLayer`].
///
/// # Panics
/// If a class is not below the network's number of logits.
pub fn from_activation(
    method: &CamMethod,
    network: &Classifier,
    activation: Tensor<4>,
    layer: &str,
    classes: &[usize],
) -> Result<Tensor<4>, ModelError> {
    let network = network.valid();
    let [batch, _, height, width] = activation.dims();
    if classes.is_empty() {
        return Ok(Tensor::empty(
            [batch, 0, height, width],
            &activation.device(),
        ));
    }
    let mut maps = Vec::with_capacity(classes.len());
    for &class in classes {
        maps.push(class_map(method, activation.clone(), |a| {
            Ok(network.from_activation(a, layer)?.narrow(1, class, 1))
        })?);
    }
    Ok(Tensor::cat(maps, 1))
}

/// The map `[B, 1, h, w]` of one class from its activation `[B, K, h, w]`; `logit` carries an activation on to the
/// class's logit, `[B, 1]`.
pub(crate) fn class_map<E>(
    method: &CamMethod,
    activation: Tensor<4>,
    logit: impl FnOnce(Tensor<4>) -> Result<Tensor<2>, E>,
) -> Result<Tensor<4>, E> {
    let leaf = Tensor::from_inner(activation.clone()).require_grad();
    let logits = logit(leaf.clone())?;
    // Images do not mix behind the layer, so the gradient of the sum is each image's own.
    let gradients = logits.clone().sum().backward();
    let gradient = leaf
        .grad(&gradients)
        .map_or_else(|| activation.zeros_like(), Tensor::inner);
    Ok(combine(method, activation, gradient, logits.inner()))
}

/// Activation A and gradient s, both `[B, K, h, w]`, and logits S, `[B, 1]`, to the map `[B, 1, h, w]`.
fn combine(method: &CamMethod, a: Tensor<4>, s: Tensor<4>, logits: Tensor<2>) -> Tensor<4> {
    let [batch, _, height, width] = a.dims();
    let over_pixels = |t: Tensor<4>| t.sum_dim(3).sum_dim(2);
    let map = match method {
        CamMethod::Cam => over_pixels(s) * a,
        CamMethod::GradCam => over_pixels(s) / (height * width) as f64 * a,
        CamMethod::GradCamPlusPlus => {
            // s²/(2s² + s³ΣA)·relu(s) without s², which underflows; only s > 0 counts.
            let positive = relu(s);
            let denominator = positive.clone() * over_pixels(a.clone()) + 2.0;
            over_pixels(guarded(positive, denominator)) * a
        }
        CamMethod::GradCamPlusPlusWsmis => {
            // g = e^S·s; alpha·relu(g) = g³/(2g² + Σg³A + ε) for g > 0. With m = max |s| of the channel and r = s/m
            // this is r³/(2r²e^−L + Σr³A + εe^−3L), L = S + ln m: no exponential of a large logit.
            let most = s.clone().abs().max_dim(3).max_dim(2);
            let log = most.clone().log() + logits.reshape([batch, 1, 1, 1]);
            let r = guarded(s, most.expand(a.dims()));
            let cube = r.clone().square() * r.clone();
            // Far down the exponentials are infinite; kept finite, as infinity times an r of 0 has no value.
            let (one, three) = (finite((-log.clone()).exp()), finite((log * -3.0).exp()));
            let denominator = r.clone().square() * one * 2.0
                + over_pixels(cube.clone() * a.clone())
                + three * WSMIS_EPSILON;
            over_pixels(guarded(relu(cube), denominator)) * a
        }
        CamMethod::GradCamPlusPlusPytorch => {
            let square = s.clone().square();
            let denominator = square.clone() * 2.0
                + square.clone() * s.clone() * over_pixels(a.clone())
                + PYTORCH_EPSILON;
            over_pixels(guarded(relu(s) * square, denominator)) * a
        }
        CamMethod::LayerCam => relu(s) * a,
    }
    .sum_dim(1);
    match method.is_signed() {
        true => map,
        false => relu(map),
    }
}

/// Infinity to a large number.
fn finite(t: Tensor<4>) -> Tensor<4> {
    t.clamp_max(1e30)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use serde_json::Value;
    use std::convert::Infallible;

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn values<const D: usize>(t: Tensor<D>) -> Vec<f32> {
        t.into_data().try_to_vec().unwrap()
    }

    fn close(a: &[f32], b: &[f32], what: &str) {
        assert_eq!(a.len(), b.len());
        let top = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-5 * top, "{what}: {a} instead of {b}");
        }
    }

    /// Activations of a ReLU, and a head of pooling and a linear layer.
    fn head() -> (Tensor<4>, Tensor<2>, Tensor<1>) {
        let a: Vec<f32> = (0..2 * 3 * 4)
            .map(|i| ((i * 7 % 11) as f32 - 3.0).max(0.0) / 4.0)
            .collect();
        let w = vec![0.9, -0.4, 0.0, -1.1, 0.3, 2.0];
        (
            tensor(a, [2, 3, 2, 2]),
            tensor(w, [2, 3]),
            tensor(vec![0.3, -0.2], [2]),
        )
    }

    fn logits(a: Tensor<4>, w: &Tensor<2>, b: &Tensor<1>) -> Tensor<2> {
        let [batch, k, height, width] = a.dims();
        let pooled = a
            .reshape([batch, k, height * width])
            .mean_dim(2)
            .reshape([batch, k]);
        pooled.matmul(w.clone().transpose()) + b.clone().unsqueeze()
    }

    fn by_gradient(method: CamMethod, shift: f32) -> Vec<Tensor<4>> {
        let (a, w, b) = head();
        (0..2)
            .map(|class| {
                class_map(&method, a.clone(), |a| {
                    Ok::<_, Infallible>(logits(a, &w, &b).narrow(1, class, 1) + shift)
                })
                .unwrap()
            })
            .collect()
    }

    #[test]
    fn closed_form_equals_gradients() {
        let (a, w, b) = head();
        for shift in [0.0f32, -4.0, 9.0] {
            let s = logits(a.clone(), &w, &b) + shift;
            for method in CamMethod::ALL {
                let closed =
                    super::super::closed_form::cams(&method, a.clone(), w.clone(), s.clone());
                let gradients = Tensor::cat(by_gradient(method, shift), 1);
                close(
                    &values(gradients),
                    &values(closed),
                    &format!("{method}, logit shifted by {shift}"),
                );
            }
        }
    }

    #[test]
    fn grad_cam_is_cam_over_z() {
        for (grad, cam) in by_gradient(CamMethod::GradCam, 0.0)
            .into_iter()
            .zip(by_gradient(CamMethod::Cam, 0.0))
        {
            close(&values(grad * 4.0), &values(cam), "Z = 4");
        }
    }

    /// Only the paper's form depends on how sure the network is.
    #[test]
    fn a_bias_on_the_logit_changes_nothing() {
        for method in CamMethod::ALL {
            let (plain, sure) = (by_gradient(method, 0.0), by_gradient(method, 3.0));
            let same = plain
                .iter()
                .zip(&sure)
                .all(|(p, s)| values(p.clone()) == values(s.clone()));
            assert_eq!(same, method != CamMethod::GradCamPlusPlusWsmis, "{method}");
        }
    }

    /// A head that is not linear, so that the gradient differs from pixel to pixel: S = Σ v·A², s = 2vA.
    #[test]
    fn equation_19_pixel_by_pixel() {
        let a = [0.5f64, 2.0, 1.0, 3.0];
        let v = [1.0f64, -0.5, 0.25, 0.1];
        let s: Vec<f64> = a.iter().zip(&v).map(|(a, v)| 2.0 * a * v).collect();
        let sum: f64 = a.iter().sum();
        let weight: f64 = s
            .iter()
            .map(|&s| {
                if s == 0.0 {
                    0.0
                } else {
                    s * s / (2.0 * s * s + s.powi(3) * sum) * s.max(0.0)
                }
            })
            .sum();
        let wanted: Vec<f32> = a.iter().map(|&a| (weight * a).max(0.0) as f32).collect();
        let map = class_map(
            &CamMethod::GradCamPlusPlus,
            tensor(a.map(|a| a as f32).to_vec(), [1, 1, 2, 2]),
            |x| {
                let v = tensor(v.map(|v| v as f32).to_vec(), [1, 1, 2, 2]);
                Ok::<_, Infallible>((x.square() * v).sum().reshape([1, 1]))
            },
        )
        .unwrap();
        close(&values(map), &wanted, "eq. 19");
    }

    #[test]
    fn extreme_logits_stay_finite() {
        for shift in [-200.0, 200.0] {
            for method in CamMethod::ALL {
                for map in by_gradient(method, shift) {
                    assert!(
                        values(map).iter().all(|v| v.is_finite()),
                        "{method} at {shift}"
                    );
                }
            }
        }
    }

    /// As the package has it: (v - min) / (1e-7 + max).
    fn scaled(map: &[f32]) -> Vec<f32> {
        let low = map.iter().copied().fold(f32::INFINITY, f32::min);
        let top = map.iter().fold(0.0f32, |t, v| t.max(v - low));
        map.iter().map(|v| (v - low) / (1e-7 + top)).collect()
    }

    /// pytorch-grad-cam's own numbers on a small network with a convolution behind the layer.
    #[test]
    fn pytorch_grad_cam_agrees() {
        let o: Value =
            serde_json::from_str(include_str!("../../tests/oracle/grad_cam.json")).unwrap();
        let floats = |v: &Value| -> Vec<f32> {
            v.as_array()
                .unwrap()
                .iter()
                .map(|x| x.as_f64().unwrap() as f32)
                .collect()
        };
        let (a, kernel) = (floats(&o["activation"]), floats(&o["kernel"]));
        let (w, b) = (floats(&o["linear"]), floats(&o["bias"]));
        for (name, method) in [
            ("gradcam", CamMethod::GradCam),
            ("gradcam++", CamMethod::GradCamPlusPlusPytorch),
            ("layercam", CamMethod::LayerCam),
        ] {
            for class in 0..2 {
                let map = class_map(&method, tensor(a.clone(), [2, 3, 5, 6]), |x| {
                    let kernel = tensor(kernel.clone(), [4, 3, 3, 3]);
                    let options = burn::tensor::ops::ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
                    let x = relu(burn::tensor::module::conv2d(x, kernel, None, options));
                    let s = logits(x, &tensor(w.clone(), [2, 4]), &tensor(b.clone(), [2]));
                    Ok::<_, Infallible>(s.narrow(1, class, 1))
                })
                .unwrap();
                // The package cuts at 0 and scales each map to 0..=1, twice.
                let ours: Vec<f32> = values(relu(map))
                    .chunks(30)
                    .flat_map(|m| scaled(&scaled(m)))
                    .collect();
                close(
                    &ours,
                    &floats(&o[name][class]),
                    &format!("{name}, class {class}"),
                );
            }
        }
    }

    /// Through the real network: batch norm with running statistics, any layer, several classes of several images.
    #[test]
    fn the_classifiers_last_layer_has_the_closed_form() {
        let device = Device::flex();
        let config = weakseg_models::ClassifierConfig {
            width: 1.0 / 32.0,
            seed: 3,
            ..weakseg_models::ClassifierConfig::new(weakseg_models::ClassifierArch::Vgg16Bn, 3)
        };
        let network = config.init(&device.clone().autodiff()).unwrap();
        let images: Vec<f32> = (0..2 * 3 * 32 * 32)
            .map(|i| (i as f32 * 0.071).sin() * 2.0)
            .collect();
        let images = tensor(images, [2, 3, 32, 32]);
        let plain = network.valid();
        let maps = plain.maps(images.clone(), None);
        let logits = plain.logits(maps.clone());
        assert!(
            values(maps.clone()).iter().any(|v| *v > 0.0),
            "a network that sees something"
        );
        for method in CamMethod::ALL {
            let closed = super::super::closed_form::cams(
                &method,
                maps.clone(),
                plain.class_weights(),
                logits.clone(),
            );
            // from the network in training as from the one in use, on either device
            let ours = cams(&method, &network, images.clone(), "extra", &[2, 0]).unwrap();
            assert_eq!(ours.dims()[..2], [2, 2]);
            for (place, class) in [(0, 2), (1, 0)] {
                let (a, b) = (
                    ours.clone().narrow(1, place, 1),
                    closed.clone().narrow(1, class, 1),
                );
                close(&values(a), &values(b), &format!("{method}, class {class}"));
            }
            let early = cams(&method, &plain, images.clone(), "block3", &[1]).unwrap();
            assert!(
                early.dims()[2] > ours.dims()[2] && values(early).iter().all(|v| v.is_finite())
            );
        }
        assert!(matches!(
            cams(&CamMethod::Cam, &plain, images.clone(), "layer9", &[0]),
            Err(ModelError::UnknownLayer { .. })
        ));
        assert_eq!(
            cams(&CamMethod::Cam, &plain, images, "extra", &[])
                .unwrap()
                .dims()[1],
            0
        );
    }
}
