//! The published networks at full width against PyTorch's, with weights that are a hash of key and
//! position (see `tests/oracle/networks.py`): a wrong name, stride, dilation, padding or order of
//! operations gives another output.
//!
//! Tolerance 1e-4 of the greatest value: f32 sums over up to 18,432 products in another order.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use weakseg_models::weights::parameters;
use weakseg_models::{
    Classifier, ClassifierArch, ClassifierConfig, IrnetConfig, SegmenterArch, SegmenterConfig,
};

use super::values;

const TOLERANCE: f64 = 1e-4;

/// Values in [-1, 1): FNV-1a of the name, mixed with the position.
fn hashed(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0x811c_9dc5_u32, |h, byte| {
        (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (0..count as u32).map(move |i| {
        let mut h = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9));
        h ^= h >> 16;
        h = h.wrapping_mul(0x85eb_ca6b);
        h ^= h >> 13;
        h = h.wrapping_mul(0xc2b2_ae35);
        h ^= h >> 16;
        f64::from(h >> 8) / f64::from(1 << 23) - 1.0
    })
}

fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let fan = shape[1..].iter().product::<usize>() as f64;
    let (offset, scale) = if name.ends_with("running_var") {
        (1.0, 0.5)
    } else if shape.len() > 1 {
        (0.0, (3.0 / fan).sqrt() * 1.4)
    } else if name.ends_with("weight") {
        (1.0, 0.2)
    } else {
        (0.0, 0.1)
    };
    hashed(name, count)
        .map(|u| (offset + scale * u) as f32)
        .collect()
}

/// Gives every parameter its hash; traversals meet them in the order of [`parameters`].
struct Fill(std::vec::IntoIter<String>);

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.0.next().expect("as many names as parameters");
        if name == "mean_shift" {
            return param;
        }
        let shape = param.lazy_shape().to_vec();
        let data = TensorData::new(value(&name, &shape), shape);
        let (id, tensor) = (param.id, Tensor::from_data(data, &param.lazy_device()));
        param.transform_for_load(tensor, id)
    }
}

fn fill<M: Module>(module: M) -> M {
    let names: Vec<String> = parameters(&module).into_iter().map(|p| p.name).collect();
    module.map(&mut Fill(names.into_iter()))
}

fn picture(dims: [usize; 4], device: &Device) -> Tensor<4> {
    let values: Vec<f32> = hashed("image", dims.iter().product())
        .map(|v| v as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn oracle(network: &str, output: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../oracle/networks.json")).unwrap();
    all["networks"][network][output].clone()
}

fn assert_equal<const D: usize>(network: &str, output: &str, found: Tensor<D>) {
    let oracle = oracle(network, output);
    let number = |value: &Value| value.as_f64().unwrap();
    let shape: Vec<u64> = found.dims().iter().map(|&d| d as u64).collect();
    assert_eq!(
        oracle["shape"],
        serde_json::json!(shape),
        "{network} {output}"
    );

    let found = values(found);
    let recorded: Vec<f64> = oracle["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    let scale = recorded.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let mut worst = 0.0_f64;
    for (i, expected) in recorded.iter().enumerate() {
        worst = worst.max((f64::from(found[i * 7919 % found.len()]) - expected).abs() / scale);
    }
    let count = found.len() as f64;
    let mean = found.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = found.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
    let rms = number(&oracle["mean_square"]).sqrt();
    worst = worst
        .max((mean - number(&oracle["mean"])).abs() / rms)
        .max((square.sqrt() - rms).abs() / rms);
    println!("{network} {output}: greatest relative difference {worst:.1e}");
    assert!(
        worst < TOLERANCE,
        "{network} {output}: {worst:.2e} from PyTorch's"
    );
}

fn classifier(arch: ClassifierArch, device: &Device) -> Classifier {
    fill(ClassifierConfig::new(arch, 3).init(device).unwrap())
}

fn classifier_parity(arch: ClassifierArch) {
    let device = Device::flex();
    let maps = classifier(arch, &device);
    let features = maps.maps(picture([1, 3, 33, 47], &device), None);
    let logits = maps.head(features.clone());
    assert_equal(arch.name(), "maps", features);
    assert_equal(arch.name(), "logits", logits);
}

#[test]
fn vgg16() {
    classifier_parity(ClassifierArch::Vgg16);
}

#[test]
fn vgg16_bn() {
    classifier_parity(ClassifierArch::Vgg16Bn);
}

#[test]
fn vgg16_bn_on_batch_statistics() {
    let device = Device::flex().autodiff();
    let network = classifier(ClassifierArch::Vgg16Bn, &device);
    let maps = network.maps(picture([1, 3, 33, 47], &device), None);
    assert_equal("vgg16-bn", "train_maps", maps);
    let weakseg_models::encoder::Trunk::Vgg(vgg) = &network.trunk else {
        panic!("VGG16 has a VGG trunk")
    };
    let weakseg_models::encoder::VggLayer::Norm(norm) = &vgg.features[1] else {
        panic!("batch norm follows the first convolution")
    };
    assert_equal("vgg16-bn", "running_var", norm.running_var.value_sync());
}

#[test]
fn resnet50_os8() {
    classifier_parity(ClassifierArch::Resnet50Os8);
}

#[test]
fn irnet_resnet50() {
    let device = Device::flex();
    let config = IrnetConfig::new(ClassifierArch::Resnet50Os8);
    let network = fill(config.init(&device).unwrap());
    let levels = network.levels(picture([1, 3, 32, 64], &device));
    assert_equal("irnet-resnet50", "edge", network.edge(&levels));
    assert_equal(
        "irnet-resnet50",
        "displacement",
        network.displacement(&levels),
    );
}

fn segmenter_parity(arch: SegmenterArch, size: [usize; 2]) {
    let device = Device::flex();
    let network = fill(SegmenterConfig::new(arch, 2).init(&device).unwrap());
    let logits = network.forward(picture([1, 3, size[0], size[1]], &device));
    assert_equal(arch.name(), "logits", logits);
}

#[test]
fn unet_vgg16() {
    segmenter_parity(SegmenterArch::UnetVgg16, [32, 64]);
}

#[test]
fn unet_resnet50() {
    segmenter_parity(SegmenterArch::UnetResnet50, [32, 64]);
}

#[test]
fn deeplabv3_vgg16() {
    segmenter_parity(SegmenterArch::Deeplabv3Vgg16, [33, 47]);
}

#[test]
fn deeplabv3_resnet50() {
    segmenter_parity(SegmenterArch::Deeplabv3Resnet50, [33, 47]);
}

#[test]
fn deeplabv3plus_resnet50_os8() {
    segmenter_parity(SegmenterArch::Deeplabv3PlusResnet50Os8, [33, 47]);
}
