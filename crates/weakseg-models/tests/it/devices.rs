//! Each network on a GPU against itself on the CPU, in small: the outputs in inference and in training, the gradient of
//! every parameter, and batch norm's running statistics. Each test prints a row of `cargo xtask gpu`'s table.
//!
//! A difference is the greatest one over a tensor's values, relative to the greatest magnitude among them on the CPU.
//! Of gradients that magnitude counts as no less than a thousandth of the network's greatest: what is left where sums
//! cancel (a bias before batch norm has a gradient of zero) is rounding alone.
//!
//! How far rounding alone moves a network's gradients is asked of the CPU, by images whose values are off by as much as
//! the products of a GPU's matrix units lose: where batch norm divides by the deviation of a few values that is 1e-3 of
//! a gradient and more, and twice as much is allowed.

use std::collections::BTreeMap;
use std::sync::Once;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use weakseg_kernels::{
    ConvOptions, PoolOptions, conv2d, max_pool2d, resize_bilinear, resize_nearest,
};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, IrnetConfig, Network, SegmenterArch, SegmenterConfig,
};

use super::hashed::{fill, images};
use super::seen::{Seen, gradients_by_name, loss, outputs, statistics};
use super::{WIDTH, values};

/// Both sides are f32, sums in another order, and batch norm divides by the deviation of as few as 8 values a channel.
const TOLERANCE: f64 = 1e-3;

/// Eight times what three of the four products of values in two parts of bf16 lose: they do so in each of some fifty
/// convolutions, and not on the images alone.
const LOST: f32 = 1.0 / (1 << 14) as f32;

/// Names of noise on images.
const NOISE: [&str; 3] = ["noise/1", "noise/2", "noise/3"];

/// What a gradient's magnitude counts as at least, as a share of the network's greatest.
const LEAST_GRADIENT: f64 = 1e-3;

/// Of images in training; in inference they have an odd size.
const TRAIN: [usize; 4] = [2, 3, 64, 64];
const INFER: [usize; 4] = [2, 3, 33, 47];

static HEADER: Once = Once::new();

/// What a network gives on a device, by the name of what it is.
struct Given {
    inference: BTreeMap<String, Vec<f32>>,
    training: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
    statistics: BTreeMap<String, Vec<f32>>,
}

impl Given {
    /// Of images whose values are off by [`LOST`], up or down as the noise of that name says.
    fn of(
        build: fn(&Device) -> Network,
        sizes: [[usize; 4]; 2],
        noise: Option<&str>,
        device: &Device,
    ) -> Self {
        let network = fill(build(device), false);
        let noisy = |name, size, device: &Device| {
            let images = images(name, size, device);
            match noise {
                Some(noise) => {
                    images.clone() + images * self::images(noise, size, device).sign() * LOST
                }
                None => images,
            }
        };
        let inference = by_name(&outputs(&network, noisy("image", sizes[0], device), &[]));
        let device = device.clone().autodiff();
        let network = fill(build(&device), true);
        let outputs = outputs(&network, noisy("train", sizes[1], &device), &[]);
        Self {
            inference,
            training: by_name(&outputs),
            gradients: gradients_by_name(&network, &loss(&outputs).backward()),
            statistics: ["running_mean", "running_var"]
                .map(|name| (name.to_owned(), statistics(&network, name)))
                .into(),
        }
    }
}

fn by_name(outputs: &[Seen]) -> BTreeMap<String, Vec<f32>> {
    let named = outputs.iter();
    named
        .map(|output| (output.name.to_owned(), values(output.values.clone())))
        .collect()
}

/// The greatest difference among tensors of the same names, and the name of the tensor that has it; none if there is no
/// value to compare. Infinite where a difference is no number.
fn worst(
    found: &BTreeMap<String, Vec<f32>>,
    expected: &BTreeMap<String, Vec<f32>>,
    least: f64,
) -> Option<(f64, String)> {
    let names = |tensors: &BTreeMap<String, Vec<f32>>| {
        let sizes = tensors.iter().map(|(name, v)| (name.clone(), v.len()));
        sizes.collect::<Vec<_>>()
    };
    assert_eq!(names(found), names(expected), "the tensors that there are");
    let magnitude = |values: &[f32]| {
        let magnitudes = values.iter().map(|v| f64::from(v.abs()));
        magnitudes.fold(0.0, f64::max)
    };
    let greatest = expected.values().map(|v| magnitude(v)).fold(0.0, f64::max);
    let there = expected.iter().filter(|(_, values)| !values.is_empty());
    let differences = there.map(|(name, expected)| {
        let scale = magnitude(expected).max(least * greatest);
        let pairs = found[name].iter().zip(expected);
        let gaps = pairs.map(|(a, b)| match (f64::from(*a) - f64::from(*b)).abs() {
            gap if gap.is_finite() => gap,
            _ => f64::INFINITY,
        });
        let gap = gaps.fold(0.0, f64::max);
        (gap / scale.max(f64::MIN_POSITIVE), name.clone())
    });
    differences.max_by(|a, b| a.0.total_cmp(&b.0))
}

fn equals_the_cpus(name: &str, build: fn(&Device) -> Network, sizes: [[usize; 4]; 2]) {
    let device = crate::device();
    assert!(
        device != Device::flex(),
        "WEAKSEG_TEST_DEVICE names no GPU: nothing to compare"
    );
    let on_cpu = |noise| Given::of(build, sizes, noise, &Device::flex());
    let expected = on_cpu(None);
    let rounding = NOISE.map(|noise| {
        let gradients = on_cpu(Some(noise)).gradients;
        worst(&gradients, &expected.gradients, LEAST_GRADIENT).map_or(0.0, |(moved, _)| moved)
    });
    let rounding = rounding.into_iter().fold(0.0, f64::max);
    let found = Given::of(build, sizes, None, &device);
    let compared = [
        (
            "inference",
            worst(&found.inference, &expected.inference, 0.0),
        ),
        ("training", worst(&found.training, &expected.training, 0.0)),
        (
            "running statistics",
            worst(&found.statistics, &expected.statistics, 0.0),
        ),
        (
            "gradients",
            worst(&found.gradients, &expected.gradients, LEAST_GRADIENT),
        ),
    ];
    HEADER.call_once(|| {
        println!(
            "\n| network | inference | training | running statistics | gradients | by rounding | parameters |"
        );
        println!("|---|---|---|---|---|---|---|");
    });
    let cells = compared.iter().map(|(_, worst)| match worst {
        Some((difference, tensor)) => format!("{difference:.1e} (`{tensor}`)"),
        None => "none".to_owned(),
    });
    let cells: Vec<String> = cells.collect();
    println!(
        "\n| {name} | {} | {rounding:.1e} | {} |",
        cells.join(" | "),
        expected.gradients.len()
    );
    for (what, worst) in compared {
        if let Some((difference, tensor)) = worst {
            let allowed = match what {
                "gradients" => TOLERANCE.max(2.0 * rounding),
                _ => TOLERANCE,
            };
            assert!(
                difference < allowed,
                "{name}, {what}: {tensor} is {difference:.2e} from the CPU's"
            );
        }
    }
}

fn classifier(arch: ClassifierArch, device: &Device) -> Network {
    let config = ClassifierConfig {
        width: WIDTH,
        ..ClassifierConfig::new(arch, 3)
    };
    Network::Classifier(config.init(device).unwrap())
}

fn irnet(trunk: ClassifierArch, device: &Device) -> Network {
    let config = IrnetConfig {
        width: WIDTH,
        ..IrnetConfig::new(trunk)
    };
    Network::Irnet(config.init(device).unwrap())
}

/// As wide as `weakseg demo` makes it.
fn irnet_of_the_demo(device: &Device) -> Network {
    let config = IrnetConfig {
        width: 0.25,
        ..IrnetConfig::new(ClassifierArch::Vgg16Bn)
    };
    Network::Irnet(config.init(device).unwrap())
}

fn segmenter(arch: SegmenterArch, device: &Device) -> Network {
    let config = SegmenterConfig {
        width: WIDTH,
        ..SegmenterConfig::new(arch, 2)
    };
    Network::Segmenter(config.init(device).unwrap())
}

/// Operations between one channel and one or several, each between a sigmoid and one whose values lie in rows: of one
/// channel Burn's fusion has mistaken which value of the sigmoid belongs to which gradient.
#[test]
#[ignore = "needs a GPU: cargo xtask gpu"]
fn gradients_of_one_channel() {
    type Operation = fn(Tensor<4>, Tensor<4>) -> Tensor<4>;
    let operations: [(&str, [usize; 4], Operation); 6] = [
        ("convolution to one, 1x1", [1, 16, 1, 1], |x, weight| {
            conv2d(x.repeat_dim(1, 16), weight, None, &ConvOptions::default())
        }),
        ("convolution to one, 3x3", [1, 16, 3, 3], |x, weight| {
            conv2d(x.repeat_dim(1, 16), weight, None, &ConvOptions::same(3, 1))
        }),
        ("convolution of one", [1, 1, 3, 3], |x, weight| {
            conv2d(x, weight, None, &ConvOptions::same(3, 1))
        }),
        ("pooling", [1, 1, 3, 3], |x, _| {
            max_pool2d(x, &PoolOptions::new(2, 2, 0))
        }),
        ("bilinear resizing", [1, 1, 3, 3], |x, _| {
            resize_bilinear(x, [32, 32], false)
        }),
        ("resizing by nearest pixels", [1, 1, 3, 3], |x, _| {
            resize_nearest(x, [32, 32])
        }),
    ];
    let mut wrong = Vec::new();
    for (name, weight_shape, operation) in operations {
        let gradients = |device: &Device| {
            let device = device.clone().autodiff();
            let x = images("train", [2, 1, 16, 16], &device).require_grad();
            let weight = images("weight", weight_shape, &device).require_grad();
            let y = operation(sigmoid(x.clone() + 0.5), weight.clone());
            let [batch, _, height, width] = y.dims();
            let y = sigmoid(y + images("shift", [batch, 1, height, width], &device));
            let factors = images("loss", [batch, 1, height, width], &device);
            let rows = [batch, height, width];
            let loss = (y.reshape(rows) * factors.reshape(rows)).sum();
            let gradients = loss.backward();
            let of = |leaf: Tensor<4>| leaf.grad(&gradients).map(|g| values(g.flatten::<1>(0, 3)));
            BTreeMap::from([
                ("x".to_owned(), of(x).expect("every operation reads it")),
                ("weight".to_owned(), of(weight).unwrap_or_default()),
            ])
        };
        let (expected, found) = (gradients(&Device::flex()), gradients(&crate::device()));
        let (difference, of) = worst(&found, &expected, 0.0).expect("there are gradients");
        println!("{name}: {difference:.1e} (`{of}`)");
        if difference >= TOLERANCE {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "not the CPU's gradients: {wrong:?}");
}

/// One test a network.
macro_rules! devices {
    ($($test:ident: $name:literal, $build:expr, $train:expr;)*) => {
        $(
            #[test]
            #[ignore = "needs a GPU: cargo xtask gpu"]
            fn $test() {
                equals_the_cpus($name, $build, [INFER, $train]);
            }
        )*
    };
}

/// A pyramid's pooled branch has one value an image: of two images batch norm makes their signs.
const PYRAMID: [usize; 4] = [8, 3, 32, 32];

devices! {
    vgg16: "vgg16", |d| classifier(ClassifierArch::Vgg16, d), TRAIN;
    resnet50_os32: "resnet50-os32", |d| classifier(ClassifierArch::Resnet50Os32, d), TRAIN;
    resnet50_os8: "resnet50-os8", |d| classifier(ClassifierArch::Resnet50Os8, d), TRAIN;
    irnet_vgg16: "irnet-vgg16", |d| irnet(ClassifierArch::Vgg16, d), TRAIN;
    irnet_resnet50: "irnet-resnet50", |d| irnet(ClassifierArch::Resnet50Os8, d), TRAIN;
    irnet_demo: "irnet-vgg16-bn, the demo's", irnet_of_the_demo, [16, 3, 128, 128];
    unet_vgg16_bn: "unet-vgg16-bn", |d| segmenter(SegmenterArch::UnetVgg16Bn, d), TRAIN;
    unet_resnet50: "unet-resnet50", |d| segmenter(SegmenterArch::UnetResnet50, d), TRAIN;
    unet_se_resnext50: "unet-se_resnext50", |d| segmenter(SegmenterArch::UnetSeResnext50, d), TRAIN;
    deeplabv3_resnet50: "deeplabv3-resnet50", |d| segmenter(SegmenterArch::Deeplabv3Resnet50, d), PYRAMID;
    deeplabv3plus_os8: "deeplabv3plus-resnet50-os8", |d| segmenter(SegmenterArch::Deeplabv3PlusResnet50Os8, d), PYRAMID;
    deeplabv3plus_os16: "deeplabv3plus-resnet50-os16", |d| segmenter(SegmenterArch::Deeplabv3PlusResnet50Os16, d), PYRAMID;
}
