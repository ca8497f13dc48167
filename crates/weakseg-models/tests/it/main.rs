//! Integration tests of the networks: each family's contract run over all its members, parameter
//! counts, weights in and out, equality with PyTorch, and of a GPU with the CPU.

mod checkpoints;
mod classifier;
mod counts;
mod damage;
#[cfg(any(feature = "vulkan", feature = "wgpu"))]
mod devices;
mod encoder;
mod gradient_checkpointing;
mod hashed;
mod import;
mod irnet;
#[path = "../../../weakseg-data/tests/it/mutate.rs"]
mod mutate;
mod network;
mod parity;
mod seen;
mod segmenter;
mod weights;

use burn::tensor::{Device, Tensor, TensorData};
use weakseg_models::{ClassifierArch, ClassifierConfig, HeadKind};

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

/// A sixteenth of the channels: narrow, but the last stages still have enough for convolutions that run as matrix
/// products.
const WIDTH: f64 = 0.0625;

/// The CAM network of IRNet (Ahn, Cho and Kwak 2019): ResNet50 at output stride 16 without
/// dilation, a 1x1 convolution without bias, batch norm on loaded statistics, and no gradient
/// before `layer3`.
fn irn_cam(classes: usize) -> ClassifierConfig {
    ClassifierConfig {
        head: HeadKind::Conv,
        frozen_blocks: 3,
        fixed_statistics: true,
        ..ClassifierConfig::new(ClassifierArch::Resnet50Irn, classes)
    }
}

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
    assert!(found.iter().chain(expected).all(|v| v.is_finite()));
    let scale = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let gap = found
        .iter()
        .zip(expected)
        .fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    gap / scale.max(f32::MIN_POSITIVE)
}
