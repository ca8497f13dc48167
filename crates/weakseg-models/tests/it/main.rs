//! Integration tests of the networks: each family's contract run over all its members, parameter
//! counts, weights in and out, and equality with PyTorch.

mod checkpoints;
mod classifier;
mod counts;
mod encoder;
mod import;
mod irnet;
mod network;
mod parity;
mod segmenter;
mod weights;

use burn::tensor::{Device, Tensor, TensorData};

/// A small picture whose pixels are all different, roughly standard normal in range.
fn picture(dims: [usize; 4], device: &Device) -> Tensor<4> {
    let count = dims.iter().product::<usize>();
    let values: Vec<f32> = (0..count)
        .map(|i| ((i as f32 * 0.734).sin() + (i as f32 * 0.011).cos()) * 0.9)
        .collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// Greatest difference over the greatest magnitude.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let gap = found
        .iter()
        .zip(expected)
        .fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    gap / scale.max(f32::MIN_POSITIVE)
}
