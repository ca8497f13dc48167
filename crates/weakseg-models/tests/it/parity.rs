//! The published networks at full width against PyTorch's, with weights that are a hash of key and
//! position (see `hashed`): a wrong name, stride, dilation, padding or order of
//! operations gives another output.
//!
//! PyTorch computed in float64, so what is measured is our rounding alone.

use std::collections::BTreeMap;

use burn::tensor::{Device, Gradients};
use serde_json::Value;
use weakseg_models::{
    ClassifierArch, ClassifierConfig, HeadKind, ImagenetVgg, IrnetConfig, Network, SegmenterArch,
    SegmenterConfig,
};

use super::hashed::{fill, images};
use super::seen::{gradients_by_name, loss, outputs, statistics};
use super::values;

/// In inference: f32 sums over up to 18,432 products in another order.
const EVAL: f64 = 1e-4;
/// In training, where batch norm divides by the deviation of as few as 16 values a channel.
const TRAIN: f64 = 1e-3;

/// One network under test.
struct Case {
    name: &'static str,
    build: fn(&Device) -> Network,
    size: [usize; 4],
    scales: &'static [f64],
}

impl Case {
    fn new(name: &'static str, build: fn(&Device) -> Network, size: [usize; 4]) -> Self {
        Self {
            name,
            build,
            size,
            scales: &[],
        }
    }

    /// Output by output, in inference.
    fn equals_in_inference(&self) {
        let device = crate::device();
        let network = fill((self.build)(&device), false);
        for output in outputs(&network, images("image", self.size, &device), self.scales) {
            self.assert_equal(output.name, &output.shape, &values(output.values), EVAL);
        }
    }

    /// Outputs, running statistics and the gradient of every parameter, in training.
    fn equals_in_training(&self) {
        let device = crate::device().autodiff();
        let network = fill((self.build)(&device), true);
        // See `train_size` in `networks.py`.
        let size = match self.name {
            name if name.starts_with("deeplab") && name.contains("resnet50") => [8, 3, 32, 32],
            "vgg16-bn" => [4, 3, 64, 64],
            "unet-vgg16" => [2, 3, 32, 64],
            "deeplabv3-vgg16" => [2, 3, 24, 32],
            _ => [2, 3, 64, 96],
        };
        let outputs = outputs(&network, images("train", size, &device), self.scales);
        for output in &outputs {
            let name = format!("train_{}", output.name);
            self.assert_equal(&name, &output.shape, &values(output.values.clone()), TRAIN);
        }
        let gradients = loss(&outputs).backward();
        self.assert_gradients(&network, &gradients);
        for statistic in ["running_mean", "running_var"] {
            let joined = statistics(&network, statistic);
            if !joined.is_empty() {
                self.assert_equal(statistic, &[joined.len()], &joined, TRAIN);
            }
        }
    }

    fn oracle(&self, output: &str) -> Value {
        let all: Value = serde_json::from_str(include_str!("../oracle/networks.json")).unwrap();
        all["networks"][self.name][output].clone()
    }

    fn assert_equal(&self, output: &str, shape: &[usize], found: &[f32], tolerance: f64) {
        let network = self.name;
        // `max` would pass over a NaN.
        let finite = found.iter().all(|v| v.is_finite());
        assert!(finite, "{network} {output}: not all numbers");
        let oracle = self.oracle(output);
        assert_eq!(
            oracle["shape"],
            serde_json::json!(shape),
            "{network} {output}"
        );
        let recorded = numbers(&oracle["values"]);
        let count = found.len() as f64;
        let number = |key: &str| oracle[key].as_f64().unwrap();
        let rms = number("mean_square").sqrt();
        let scale = recorded.iter().fold(rms, |m, v| m.max(v.abs()));
        let mut worst = 0.0_f64;
        for (i, expected) in recorded.iter().enumerate() {
            worst = worst.max((f64::from(found[i * 7919 % found.len()]) - expected).abs() / scale);
        }
        let mean = found.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = found.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
        worst = worst
            .max((mean - number("mean")).abs() / rms)
            .max((square.sqrt() - rms).abs() / rms);
        println!("{network} {output}: greatest relative difference {worst:.1e}");
        assert!(
            worst < tolerance,
            "{network} {output}: {worst:.2e} from PyTorch's"
        );
    }

    /// The gradient of every parameter, each difference relative to the parameter's greatest gradient.
    ///
    /// A gradient of zero (a bias before batch norm) is the rounding of zero there and here, and is compared
    /// with the network's greatest; one that is nowhere a ten-thousandth of that is what is left of
    /// sums that cancel, and is compared with the ten-thousandth.
    fn assert_gradients(&self, network: &Network, gradients: &Gradients) {
        let all: Value = serde_json::from_str(include_str!("../oracle/gradients.json")).unwrap();
        let oracle: BTreeMap<String, Vec<f64>> = all["gradients"][self.name]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, values)| (name.clone(), numbers(values)))
            .collect();
        let found = gradients_by_name(network, gradients);
        let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(
            names(found.keys().collect()),
            names(oracle.keys().collect()),
            "{}: the parameters that learn",
            self.name
        );
        let greatest = oracle.values().fold(0.0_f64, |m, v| m.max(v[0]));
        let mut differences = Vec::new();
        for (name, expected) in &oracle {
            let gradient = &found[name];
            let finite = gradient.iter().all(|g| g.is_finite());
            assert!(finite, "{}: the gradient of {name}", self.name);
            let scale = match expected[0] {
                zero if zero < 1e-9 * greatest => greatest,
                own => own.max(1e-4 * greatest),
            };
            let square = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
            let rms = (square / gradient.len() as f64).sqrt();
            let mut difference = (rms - expected[1]).abs() / scale;
            for (i, expected) in expected[2..].iter().enumerate() {
                let value = f64::from(gradient[i * 7919 % gradient.len()]);
                difference = difference.max((value - expected).abs() / scale);
            }
            differences.push((difference, name));
        }
        let worst = differences
            .into_iter()
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .expect("networks have parameters");
        println!(
            "{}: {} gradients, greatest relative difference {:.1e} ({})",
            self.name,
            oracle.len(),
            worst.0,
            worst.1
        );
        assert!(
            worst.0 < TRAIN,
            "{}: the gradient of {} is {:.2e} from PyTorch's",
            self.name,
            worst.1,
            worst.0
        );
    }
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|v| v.as_f64().unwrap()).collect()
}

fn classifier(arch: ClassifierArch, head: HeadKind, stages: usize, device: &Device) -> Network {
    let config = ClassifierConfig {
        head,
        stages,
        ..ClassifierConfig::new(arch, 3)
    };
    Network::Classifier(config.init(device).unwrap())
}

fn irnet(trunk: ClassifierArch, device: &Device) -> Network {
    Network::Irnet(IrnetConfig::new(trunk).init(device).unwrap())
}

fn segmenter(config: SegmenterConfig, device: &Device) -> Network {
    Network::Segmenter(config.init(device).unwrap())
}

fn plain_segmenter(arch: SegmenterArch, device: &Device) -> Network {
    segmenter(SegmenterConfig::new(arch, 2), device)
}

fn imagenet_vgg(arch: ClassifierArch, device: &Device) -> Network {
    Network::ImagenetVgg(ImagenetVgg::new(arch, 3, crate::WIDTH, device).unwrap())
}

const SMALL: [usize; 4] = [1, 3, 33, 47];
const EVEN: [usize; 4] = [1, 3, 32, 64];

/// One test a network.
macro_rules! parity {
    ($($test:ident: $name:literal, $build:expr, $size:expr;)*) => {
        $(
            #[test]
            fn $test() {
                let case = Case::new($name, $build, $size);
                case.equals_in_inference();
                case.equals_in_training();
            }
        )*
    };
}

parity! {
    vgg16: "vgg16", |d| classifier(ClassifierArch::Vgg16, HeadKind::Extra, 5, d), SMALL;
    vgg16_bn: "vgg16-bn", |d| classifier(ClassifierArch::Vgg16Bn, HeadKind::Extra, 5, d), SMALL;
    resnet50_os8: "resnet50-os8", |d| classifier(ClassifierArch::Resnet50Os8, HeadKind::Extra, 5, d), SMALL;
    resnet50_gap: "resnet50-gap", |d| classifier(ClassifierArch::Resnet50Os8, HeadKind::Extra, 4, d), SMALL;
    resnet34: "resnet34", |d| classifier(ClassifierArch::Resnet34, HeadKind::Linear, 5, d), SMALL;
    resnet50_os32: "resnet50-os32", |d| classifier(ClassifierArch::Resnet50Os32, HeadKind::Linear, 5, d), SMALL;
    resnet50_os16: "resnet50-os16", |d| classifier(ClassifierArch::Resnet50Os16, HeadKind::Linear, 5, d), SMALL;
    se_resnext50: "se_resnext50", |d| classifier(ClassifierArch::SeResnext50, HeadKind::Linear, 5, d), SMALL;
    irn_cam: "irn-cam", |d| Network::Classifier(crate::irn_cam(3).init(d).unwrap()), SMALL;
    irnet_resnet50: "irnet-resnet50", |d| irnet(ClassifierArch::Resnet50Os8, d), EVEN;
    irnet_vgg16: "irnet-vgg16", |d| irnet(ClassifierArch::Vgg16, d), EVEN;
    unet_vgg16: "unet-vgg16", |d| plain_segmenter(SegmenterArch::UnetVgg16, d), SMALL;
    unet_vgg16_bn: "unet-vgg16-bn", |d| plain_segmenter(SegmenterArch::UnetVgg16Bn, d), SMALL;
    unet_resnet34: "unet-resnet34", |d| plain_segmenter(SegmenterArch::UnetResnet34, d), SMALL;
    unet_resnet50: "unet-resnet50", |d| plain_segmenter(SegmenterArch::UnetResnet50, d), SMALL;
    unet_se_resnext50: "unet-se_resnext50", |d| plain_segmenter(SegmenterArch::UnetSeResnext50, d), SMALL;
    unet_with_attention: "unet-resnet34-scse", |d| segmenter(SegmenterConfig {
        attention: true,
        ..SegmenterConfig::new(SegmenterArch::UnetResnet34, 2)
    }, d), SMALL;
    deeplabv3_vgg16: "deeplabv3-vgg16", |d| plain_segmenter(SegmenterArch::Deeplabv3Vgg16, d), SMALL;
    deeplabv3_resnet50: "deeplabv3-resnet50", |d| plain_segmenter(SegmenterArch::Deeplabv3Resnet50, d), SMALL;
    deeplabv3plus_os8: "deeplabv3plus-resnet50-os8", |d| plain_segmenter(SegmenterArch::Deeplabv3PlusResnet50Os8, d), SMALL;
    deeplabv3plus_os16: "deeplabv3plus-resnet50-os16", |d| plain_segmenter(SegmenterArch::Deeplabv3PlusResnet50Os16, d), SMALL;
    deeplabv3plus_separable: "deeplabv3plus-resnet50-os16-separable", |d| segmenter(SegmenterConfig {
        separable: true,
        ..SegmenterConfig::new(SegmenterArch::Deeplabv3PlusResnet50Os16, 2)
    }, d), SMALL;
}

#[test]
fn the_greatest_over_scales() {
    let case = Case {
        scales: &[1.0, 0.75, 0.5],
        ..Case::new(
            "deeplabv3-resnet50-scales",
            |d| plain_segmenter(SegmenterArch::Deeplabv3Resnet50, d),
            EVEN,
        )
    };
    case.equals_in_inference();
}

/// At a sixteenth of the channels: the whole network has 138 million parameters.
#[test]
fn imagenet_classifiers() {
    Case::new(
        "imagenet-vgg16",
        |d| imagenet_vgg(ClassifierArch::Vgg16, d),
        [1, 3, 64, 96],
    )
    .equals_in_inference();
    Case::new(
        "imagenet-vgg16-bn",
        |d| imagenet_vgg(ClassifierArch::Vgg16Bn, d),
        [1, 3, 224, 224],
    )
    .equals_in_inference();
}
