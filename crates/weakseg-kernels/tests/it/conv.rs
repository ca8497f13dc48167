//! Convolution against Burn's own and against PyTorch's recorded results.

use burn::module::Param;
use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::ops::ConvOptions as BurnOptions;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use weakseg_kernels::{ConvOptions, SgdStep, conv2d, sgd_update};

use crate::{numbers, relative_error, values};

/// f32's sums of up to some thousand products in another order.
const TOLERANCE: f32 = 1e-5;

pub(crate) fn filled<const D: usize>(shape: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed), shape);
    Tensor::from_data(data, device)
}

pub(crate) fn burn_options(options: &ConvOptions) -> BurnOptions<2> {
    BurnOptions::new(
        options.stride,
        options.padding,
        options.dilation,
        options.groups,
    )
}

#[test]
fn equals_burn_forward_and_gradients() {
    let device = crate::device().autodiff();
    for (x_shape, weight_shape, options) in [
        ([2, 3, 9, 11], [5, 3, 3, 3], ConvOptions::same(3, 1)),
        ([2, 4, 13, 10], [6, 4, 1, 1], ConvOptions::default()),
        ([1, 16, 32, 32], [24, 16, 3, 3], ConvOptions::same(3, 2)),
        (
            [2, 8, 15, 16],
            [8, 4, 3, 3],
            ConvOptions::same(3, 1).with_stride(2).with_groups(2),
        ),
        (
            [1, 6, 12, 12],
            [6, 1, 3, 3],
            ConvOptions::same(3, 1).with_groups(6),
        ),
    ] {
        let x = filled(x_shape, 1, &device).require_grad();
        let weight = filled(weight_shape, 2, &device).require_grad();
        let bias = filled([weight_shape[0]], 3, &device).require_grad();
        let ours = conv2d(x.clone(), weight.clone(), Some(bias.clone()), &options);
        let theirs = burn_conv2d(
            x.clone(),
            weight.clone(),
            Some(bias.clone()),
            burn_options(&options),
        );
        let upstream = filled(ours.dims(), 4, &device);
        let ours_grads = (ours.clone() * upstream.clone()).sum().backward();
        let theirs_grads = (theirs.clone() * upstream).sum().backward();
        assert!(relative_error(&values(&ours), &values(&theirs)) <= TOLERANCE);
        macro_rules! check {
            ($tensor:expr) => {
                let a = $tensor.grad(&ours_grads).expect("gradient");
                let b = $tensor.grad(&theirs_grads).expect("gradient");
                let error = relative_error(&values(&a), &values(&b));
                assert!(error <= TOLERANCE, "{weight_shape:?} {options:?}: {error}");
            };
        }
        check!(x);
        check!(weight);
        check!(bias);
    }
}

#[derive(serde::Deserialize)]
struct Oracle {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    x: [usize; 4],
    weight: [usize; 4],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    shape: [usize; 4],
    output: Vec<f32>,
    x_gradient: Vec<f32>,
    weight_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
}

#[test]
fn equals_pytorch() {
    let oracle: Oracle = serde_json::from_str(include_str!("../oracle/conv.json")).expect("JSON");
    assert!(oracle.cases.len() >= 9);
    let device = crate::device().autodiff();
    for case in oracle.cases {
        let options = ConvOptions {
            stride: case.stride,
            padding: case.padding,
            dilation: case.dilation,
            groups: case.groups,
        };
        let x = filled(case.x, 1, &device).require_grad();
        let weight = filled(case.weight, 2, &device).require_grad();
        let bias = filled([case.weight[0]], 3, &device).require_grad();
        let output = conv2d(x.clone(), weight.clone(), Some(bias.clone()), &options);
        assert_eq!(output.dims(), case.shape);
        let upstream = filled(case.shape, 4, &device);
        let grads = (output.clone() * upstream).sum().backward();
        for (found, expected) in [
            (values(&output), &case.output),
            (values(&x.grad(&grads).expect("gradient")), &case.x_gradient),
            (
                values(&weight.grad(&grads).expect("gradient")),
                &case.weight_gradient,
            ),
            (
                values(&bias.grad(&grads).expect("gradient")),
                &case.bias_gradient,
            ),
        ] {
            let error = relative_error(&found, expected);
            assert!(error <= TOLERANCE, "{:?} {options:?}: {error}", case.weight);
        }
    }
}

#[test]
fn reads_transposed_and_sliced_tensors() {
    let device = crate::device();
    let options = ConvOptions::same(3, 1);
    let x = filled([2, 6, 9, 10], 1, &device)
        .swap_dims(2, 3)
        .slice([0..2, 1..4, 2..9, 0..8]);
    let weight = filled([3, 4, 3, 3], 2, &device).swap_dims(0, 1);
    let ours = conv2d(x.clone(), weight.clone(), None, &options);
    let theirs = burn_conv2d(x, weight, None, burn_options(&options));
    assert!(relative_error(&values(&ours), &values(&theirs)) <= TOLERANCE);
}

#[test]
fn frozen_inputs_get_no_gradient_and_others_the_same() {
    let device = crate::device().autodiff();
    let options = ConvOptions::same(3, 1);
    let x = || filled([1, 4, 8, 8], 1, &device);
    let weight = || filled([5, 4, 3, 3], 2, &device);
    let loss =
        |x: Tensor<4>, weight: Tensor<4>| conv2d(x, weight, None, &options).powi_scalar(2).sum();

    let (image, trained) = (x(), weight().require_grad());
    let only_weight = loss(image.clone(), trained.clone()).backward();
    assert!(image.grad(&only_weight).is_none());
    let (input, frozen) = (x().require_grad(), weight());
    let only_input = loss(input.clone(), frozen.clone()).backward();
    assert!(frozen.grad(&only_input).is_none());

    let (both_x, both_weight) = (x().require_grad(), weight().require_grad());
    let both = loss(both_x.clone(), both_weight.clone()).backward();
    let gradient = |tensor: &Tensor<4>, grads| values(&tensor.grad(grads).expect("gradient"));
    assert_eq!(
        gradient(&both_weight, &both),
        gradient(&trained, &only_weight)
    );
    assert_eq!(gradient(&both_x, &both), gradient(&input, &only_input));
}

#[test]
fn works_with_gradient_checkpointing_and_parameters() {
    let options = ConvOptions::same(3, 1);
    let run = |device: Device| {
        let x = filled([2, 3, 8, 8], 1, &device);
        let first = Param::from_tensor(filled([4, 3, 3, 3], 2, &device));
        let second = Param::from_tensor(filled([2, 4, 3, 3], 3, &device));
        let hidden = conv2d(x, first.val(), None, &options);
        let hidden = burn::tensor::activation::relu(hidden);
        let grads = conv2d(hidden, second.val(), None, &options)
            .powi_scalar(2)
            .sum()
            .backward();
        values(&first.val().grad(&grads).expect("gradient"))
    };
    let plain = run(crate::device().autodiff());
    let kept = run(crate::device().autodiff().gradient_checkpointing());
    assert_eq!(plain, kept);
}

#[test]
fn other_float_types_take_the_backends_own() {
    let device = crate::device();
    let options = ConvOptions::same(3, 1);
    let x = Tensor::<4>::random([1, 3, 6, 6], Distribution::Default, &device);
    let weight = Tensor::<4>::random([2, 3, 3, 3], Distribution::Default, &device);
    let single = conv2d(x.clone(), weight.clone(), None, &options);
    let double = conv2d(
        x.cast(burn::tensor::DType::F64),
        weight.cast(burn::tensor::DType::F64),
        None,
        &options,
    );
    assert_eq!(double.dtype(), burn::tensor::DType::F64);
    let double = values(&double.cast(burn::tensor::DType::F32));
    assert!(relative_error(&values(&single), &double) <= TOLERANCE);
}

#[test]
#[should_panic(expected = "conv2d: x has 3 channels")]
fn channels_must_fit() {
    let device = crate::device();
    let x = filled([1, 3, 4, 4], 1, &device);
    let weight = filled([2, 4, 3, 3], 2, &device);
    let _ = conv2d(x, weight, None, &ConvOptions::default());
}

/// An inference keeps what it makes of a weight: neither what an optimizer makes of the weight nor another weight in
/// the same memory may meet it.
#[test]
fn an_inference_sees_what_became_of_its_weight() {
    let device = crate::device();
    let step = SgdStep {
        lr: 0.5,
        momentum: 0.0,
        nesterov: false,
        weight_decay: 0.0,
    };
    for (x_shape, weight_shape) in [
        ([2, 8, 9, 11], [9, 8, 1, 1]),
        ([1, 40, 9, 10], [36, 40, 3, 3]),
    ] {
        let x = filled(x_shape, 1, &device);
        let options = ConvOptions::same(weight_shape[2], 1);
        let infer = |weight: &Tensor<4>| values(&conv2d(x.clone(), weight.clone(), None, &options));
        let mut weight = filled(weight_shape, 2, &device);
        let mut seen = vec![infer(&weight), infer(&weight)];
        assert!(seen[0] == seen[1]);
        for round in 0..4 {
            let gradient = filled([weight_shape.iter().product()], 3 + round, &device);
            let flat = weight.reshape(gradient.dims());
            weight = sgd_update(flat, gradient, &step).reshape(weight_shape);
            let copy = Tensor::from_data(weight.to_data(), &device);
            seen = vec![infer(&weight), infer(&copy)];
            assert!(seen[0] == seen[1], "round {round} of {weight_shape:?}");
        }
        assert!(seen[0] != infer(&filled(weight_shape, 2, &device)));
    }
}
