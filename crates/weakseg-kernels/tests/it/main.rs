//! Kernels against Burn's own operations, recorded oracles and finite differences.

mod blocks;
mod conv;
mod endings;
mod norm;
mod pairs;
mod planes;
mod soundness;
mod updates;
mod walk;

use burn::tensor::{Device, Tensor};

/// The device under test: the CPU, or the GPU that `WEAKSEG_TEST_DEVICE` names (`vulkan`, `wgpu`), which takes a build
/// with that feature.
fn device() -> Device {
    match std::env::var("WEAKSEG_TEST_DEVICE").as_deref() {
        Err(_) | Ok("cpu") => Device::flex(),
        #[cfg(feature = "vulkan")]
        Ok("vulkan") => Device::vulkan(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "wgpu")]
        Ok("wgpu") => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        Ok(other) => panic!("WEAKSEG_TEST_DEVICE={other}: not in this build"),
    }
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec::<f32>().expect("f32 tensor")
}

/// Largest difference over the largest expected magnitude.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|v| v.is_finite()));
    let scale = expected.iter().fold(1e-20f32, |m, v| m.max(v.abs()));
    let pairs = found.iter().zip(expected);
    pairs.fold(0f32, |m, (a, b)| m.max((a - b).abs())) / scale
}

/// Numbers in -1..1 without a pattern, as `oracle/conv.py` makes them.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
        (state >> 15) as f32 / f32::from(1u16 << 15) - 1.0
    };
    (0..count).map(|_| next()).collect()
}
