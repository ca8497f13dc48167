//! Steps of optimizers against their formulas in f64, where ours take the default bodies.

use burn::tensor::{DType, Tensor, TensorData};
use weakseg_kernels::{AdamStep, SgdStep, adam_update, momentum_update, sgd_update};

use crate::{numbers, relative_error, values};

/// More values than a task takes, and a tail.
const LENGTH: usize = (1 << 15) + 21;

/// Three steps of a few operations in f32, each of which rounds by up to 6e-8.
const TOLERANCE: f32 = 1e-6;

fn vector(seed: u32, dtype: DType) -> Tensor<1> {
    let data = TensorData::new(numbers(LENGTH, seed), [LENGTH]);
    Tensor::<1>::from_data(data, &crate::device()).cast(dtype)
}

fn sgd(momentum: f64, nesterov: bool, weight_decay: f64) -> SgdStep {
    SgdStep {
        lr: 0.05,
        momentum,
        nesterov,
        weight_decay,
    }
}

fn adam(weight_decay: f64, shrink: f64, adaptive: bool) -> AdamStep {
    AdamStep {
        step: 0.03,
        root: 0.2,
        epsilon: 1e-3,
        betas: [0.9, 0.99],
        weight_decay,
        shrink,
        adaptive,
    }
}

/// Three steps of each rule: parameter and state.
fn steps(dtype: DType) -> Vec<Vec<f32>> {
    let gradient = |t: u32| vector(30 + 2 * t, dtype);
    let mut found = Vec::new();
    for decay in [0.0, 0.1] {
        let mut p = vector(5, dtype);
        for t in 0..3 {
            p = sgd_update(p, gradient(t), &sgd(0.0, false, decay));
        }
        found.push(p);
        for nesterov in [false, true] {
            let (mut p, mut buffer) = (vector(5, dtype), vector(7, dtype));
            for t in 0..3 {
                let step = sgd(0.9, nesterov, decay);
                (p, buffer) = momentum_update(p, gradient(t), buffer, &step);
            }
            found.extend([p, buffer]);
        }
        for (shrink, adaptive) in [(1.0, true), (0.99, true), (1.0, false)] {
            let mut p = vector(5, dtype);
            let mut moments = [vector(7, dtype), vector(9, dtype).abs()];
            for t in 0..3 {
                (p, moments) = adam_update(p, gradient(t), moments, &adam(decay, shrink, adaptive));
            }
            found.push(p);
            found.extend(moments);
        }
    }
    let f32s = |tensor: Tensor<1>| values(&tensor.cast(DType::F32));
    found.into_iter().map(f32s).collect()
}

#[test]
fn one_pass_equals_the_formulas() {
    let (found, expected) = (steps(DType::F32), steps(DType::F64));
    assert_eq!(found.len(), 2 * (1 + 4 + 9));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = relative_error(found, expected);
        assert!(error <= TOLERANCE, "result {at}: {error}");
    }
}

#[test]
fn a_step_is_what_its_formula_says() {
    let device = crate::device();
    let of = |value: f32| Tensor::<1>::from_floats([value], &device);
    let step = SgdStep {
        lr: 0.5,
        momentum: 0.5,
        nesterov: true,
        weight_decay: 0.25,
    };
    // g = 1 + 0.25·4 = 2; buffer 0.5·2 + 2 = 3; ahead 2 + 0.5·3 = 3.5
    let (p, buffer) = momentum_update(of(4.0), of(1.0), of(2.0), &step);
    assert_eq!([values(&p), values(&buffer)], [[2.25], [3.0]]);
    let step = AdamStep {
        step: 2.0,
        root: 0.5,
        epsilon: 1.0,
        betas: [0.5, 0.75],
        weight_decay: 0.0,
        shrink: 0.5,
        adaptive: true,
    };
    // m = 0.5·1 + 0.5·2 = 1.5; v = 0.75·4 + 0.25·4 = 4; 0.5·8 − 2·1.5 / (2 / 0.5 + 1)
    let (p, [m, v]) = adam_update(of(8.0), of(2.0), [of(1.0), of(4.0)], &step);
    assert!((values(&p)[0] - 3.4).abs() <= TOLERANCE);
    assert_eq!([values(&m), values(&v)], [[1.5], [4.0]]);
}

#[test]
fn what_others_hold_keeps_its_values() {
    let (p, gradient, buffer) = (
        vector(5, DType::F32),
        vector(7, DType::F32),
        vector(9, DType::F32),
    );
    let before = [values(&p), values(&gradient), values(&buffer)];
    let _ = momentum_update(
        p.clone(),
        gradient.clone(),
        buffer.clone(),
        &sgd(0.9, true, 0.1),
    );
    let moments = [buffer.clone(), buffer.clone()];
    let _ = adam_update(p.clone(), gradient.clone(), moments, &adam(0.1, 1.0, true));
    assert_eq!([values(&p), values(&gradient), values(&buffer)], before);
}

#[test]
#[should_panic(expected = "sgd_update")]
fn lengths_must_fit() {
    let device = crate::device();
    let _ = sgd_update(
        Tensor::ones([2], &device),
        Tensor::ones([3], &device),
        &sgd(0.0, false, 0.0),
    );
}
