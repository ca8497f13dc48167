//! For tests: tensors of the same numbers on the GPU and on the CPU.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, Flex, TensorData};
use burn_cubecl::CubeDevice;

/// Numbers in -1..1 without a pattern.
fn numbers<const D: usize>(shape: [usize; D], seed: u32) -> TensorData {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
        // All bits of an f32 are in use.
        (f64::from(state) / f64::from(1 << 30) - 1.0) as f32
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    TensorData::new(values, shape)
}

pub fn on_gpu<const D: usize>(shape: [usize; D], seed: u32) -> FloatTensor<Cube> {
    Cube::float_from_data(numbers(shape, seed), &CubeDevice::default())
}

/// All NaN.
pub fn nan_on_gpu<const D: usize>(shape: [usize; D]) -> FloatTensor<Cube> {
    let values = vec![f32::NAN; shape.iter().product()];
    Cube::float_from_data(TensorData::new(values, shape), &CubeDevice::default())
}

pub fn on_cpu<const D: usize>(shape: [usize; D], seed: u32) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(numbers(shape, seed))
}

pub fn read(tensor: FloatTensor<Cube>) -> Vec<f32> {
    let data = cubecl::future::block_on(Cube::float_into_data(tensor)).expect("readable");
    data.try_to_vec::<f32>().expect("f32")
}

pub fn read_cpu(tensor: &FloatTensor<Flex>) -> Vec<f32> {
    let whole = tensor.to_contiguous();
    whole.as_slice::<f32>().expect("contiguous").to_vec()
}

/// The largest difference, over the largest magnitude, is at most `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.iter().all(|value| value.is_finite()), "{what}");
    let scale = expected
        .iter()
        .fold(1e-20_f32, |most, value| most.max(value.abs()));
    let differences = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs());
    let error = differences.fold(0f32, f32::max) / scale;
    println!("{what}: {error:.1e}");
    assert!(error <= tolerance, "{what}: {error:e}");
}
