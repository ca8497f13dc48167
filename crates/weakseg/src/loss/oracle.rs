//! What the tests of the losses share: PyTorch's numbers (`tests/oracle/losses.py`) and the comparison with them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;

/// Values and gradients agree to this, relative to numbers above 1. PyTorch's are in float64 (the oldest in float32);
/// ours are means of a few dozen float32 numbers of up to 60, each rounded at 6e-8 of its size.
const TOLERANCE: f32 = 1e-6;

pub fn device() -> Device {
    Device::flex().autodiff()
}

pub fn record() -> Value {
    serde_json::from_str(include_str!("../../tests/oracle/losses.json")).unwrap()
}

pub fn floats(v: &Value) -> Vec<f32> {
    let values = v.as_array().expect("a list of numbers").iter();
    values.map(|x| x.as_f64().unwrap() as f32).collect()
}

pub fn integers(v: &Value) -> Vec<i64> {
    let values = v.as_array().expect("a list of integers").iter();
    values.map(|x| x.as_i64().unwrap()).collect()
}

pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &device())
}

pub fn labels(values: Vec<i64>, shape: [usize; 3]) -> Tensor<3, Int> {
    Tensor::from_data(TensorData::new(values, shape), &device())
}

pub fn value_and_gradient<const D: usize>(
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

/// Compares a loss and its gradient with the record's `loss` and `gradient`.
pub fn check<const D: usize>(
    logits: Tensor<D>,
    expected: &Value,
    loss: impl Fn(Tensor<D>) -> Tensor<1>,
) {
    let (value, gradient) = value_and_gradient(logits, loss);
    let close =
        |found: f32, wanted: f32| (found - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0);
    let wanted = expected["loss"].as_f64().expect("a recorded loss") as f32;
    assert!(close(value, wanted), "{value} instead of {wanted}");
    let wanted = floats(&expected["gradient"]);
    assert_eq!(gradient.len(), wanted.len());
    for (i, (&g, &w)) in gradient.iter().zip(&wanted).enumerate() {
        assert!(close(g, w), "gradient {i}: {g} instead of {w}");
    }
}

/// The recorded index maps `[2, 3, 4]` of five classes, void among them, with their logits `[2, 5, 3, 4]`.
pub fn index_case() -> (Value, Tensor<4>, Tensor<3, Int>) {
    let o = record()["index"].clone();
    let logits = tensor(floats(&o["logits"]), [2, 5, 3, 4]);
    let labels = labels(integers(&o["labels"]), [2, 3, 4]);
    (o, logits, labels)
}

/// The recorded planes of two findings, void among them, with their logits, both `[2, 2, 3, 4]`.
pub fn pixel_case() -> (Value, Tensor<4>, Tensor<4>) {
    let o = record()["pixels"].clone();
    let logits = tensor(floats(&o["logits"]), [2, 2, 3, 4]);
    let targets = tensor(floats(&o["targets"]), [2, 2, 3, 4]);
    (o, logits, targets)
}
