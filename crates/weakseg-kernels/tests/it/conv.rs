//! Convolution against Burn's own.

use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::ops::ConvOptions as BurnOptions;
use burn::tensor::{Device, Distribution, Tensor};
use weakseg_kernels::{ConvOptions, conv2d};

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec::<f32>().expect("f32 tensor")
}

/// Largest difference over the largest magnitude.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-20f32, |m, v| m.max(v.abs()));
    found
        .iter()
        .zip(expected)
        .fold(0f32, |m, (a, b)| m.max((a - b).abs()))
        / scale
}

#[test]
fn equals_burn_forward_and_gradients() {
    let device = Device::flex().autodiff();
    device.seed(7);
    for (x_shape, weight_shape, options) in [
        ([2, 3, 9, 11], [5, 3, 3, 3], ConvOptions::same(3, 1)),
        ([2, 4, 13, 10], [6, 4, 1, 1], ConvOptions::default()),
    ] {
        let random =
            |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let x = random(x_shape).require_grad();
        let weight = random(weight_shape).require_grad();
        let bias =
            Tensor::<1>::random([weight_shape[0]], Distribution::Default, &device).require_grad();
        let ours = conv2d(x.clone(), weight.clone(), Some(bias.clone()), &options);
        let theirs = burn_conv2d(
            x.clone(),
            weight.clone(),
            Some(bias.clone()),
            BurnOptions::new(
                options.stride,
                options.padding,
                options.dilation,
                options.groups,
            ),
        );
        let upstream = random(ours.dims());
        let ours_grads = (ours.clone() * upstream.clone()).sum().backward();
        let theirs_grads = (theirs.clone() * upstream).sum().backward();
        assert!(relative_error(&values(&ours), &values(&theirs)) <= 1e-5);
        macro_rules! check {
            ($tensor:expr) => {
                let a = $tensor.grad(&ours_grads).expect("gradient");
                let b = $tensor.grad(&theirs_grads).expect("gradient");
                assert!(relative_error(&values(&a), &values(&b)) <= 1e-5);
            };
        }
        check!(x);
        check!(weight);
        check!(bias);
    }
}
