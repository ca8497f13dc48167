//! The published networks at full width against PyTorch's, with weights that are a hash of key and
//! position (see `tests/oracle/networks.py`): a wrong name, stride, dilation, padding or order of
//! operations gives another output.
//!
//! PyTorch computed in float64, so what is measured is our rounding alone.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde_json::Value;
use weakseg_models::weights::parameters;
use weakseg_models::{
    ClassifierArch, ClassifierConfig, HeadKind, ImagenetVgg, IrnetConfig, Network, Output,
    SegmenterArch, SegmenterConfig,
};

use super::values;

/// In inference: f32 sums over up to 18,432 products in another order.
const EVAL: f64 = 1e-4;
/// In training, where batch norm divides by the deviation of as few as 16 values a channel.
const TRAIN: f64 = 1e-3;

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

/// Shift of a batch norm for training, far from the kink of the ReLU that follows: see
/// `away_from_zero` in `networks.py`.
fn away_from_zero(name: &str, values: &mut [f32]) {
    let mut first = name.ends_with("bn1.bias") || name.ends_with(".conv1.1.bias");
    let mut shift = 1.5;
    if let Some(index) = extra_convolution(name) {
        (first, shift) = (true, 6.0 * 4.0_f32.powi(index));
    }
    let count = values.len();
    for (value, dead) in values
        .iter_mut()
        .zip(hashed(&format!("{name}/dead"), count))
    {
        *value += if first && dead < -0.5 { -shift } else { shift };
    }
}

/// Which of the extra convolutions a key belongs to.
fn extra_convolution(name: &str) -> Option<i32> {
    let (index, _) = name.strip_prefix("extra_convs.")?.split_once('.')?;
    index.parse().ok()
}

/// Gives every parameter its hash; traversals meet them in the order of [`parameters`].
struct Fill {
    names: std::vec::IntoIter<String>,
    /// Layers whose batch norm is to stand away from ReLU's kink.
    norms: Vec<String>,
    train: bool,
}

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.names.next().expect("as many names as parameters");
        if name == "mean_shift" {
            return param;
        }
        let shape = param.lazy_shape().to_vec();
        let mut values = value(&name, &shape);
        if let Some((layer, field)) = name.rsplit_once('.')
            && self.norms.iter().any(|norm| norm == layer)
        {
            match field {
                "bias" => away_from_zero(&name, &mut values),
                "weight" => values.iter_mut().for_each(|v| *v /= 2.0),
                _ => {}
            }
        } else if self.train && name.ends_with("bias") && extra_convolution(&name).is_some() {
            away_from_zero(&name, &mut values);
        }
        let data = TensorData::new(values, shape);
        let (id, tensor) = (param.id, Tensor::from_data(data, &param.lazy_device()));
        param.transform_for_load(tensor, id)
    }
}

/// With the weights of inference, or those of training.
fn fill<M: Module>(module: M, train: bool) -> M {
    let names: Vec<String> = parameters(&module).into_iter().map(|p| p.name).collect();
    let norms = names
        .iter()
        .filter_map(|name| name.strip_suffix(".running_mean"))
        .filter(|_| train)
        .map(str::to_owned)
        .collect();
    module.map(&mut Fill {
        names: names.into_iter(),
        norms,
        train,
    })
}

fn picture(name: &str, dims: &[usize]) -> Vec<f32> {
    hashed(name, dims.iter().product())
        .map(|v| v as f32)
        .collect()
}

fn images(name: &str, dims: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(picture(name, &dims), dims), device)
}

/// An output of a network, flattened, and the shape it had.
struct Seen {
    name: &'static str,
    shape: Vec<usize>,
    values: Tensor<1>,
}

fn seen<const D: usize>(name: &'static str, output: Tensor<D>) -> Seen {
    Seen {
        name,
        shape: output.dims().to_vec(),
        values: output.flatten(0, D - 1),
    }
}

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

    fn outputs(&self, network: &Network, images: Tensor<4>) -> Vec<Seen> {
        match network {
            Network::Classifier(network) => {
                let maps = network.maps(images, None);
                let logits = network.logits(maps.clone());
                vec![seen("maps", maps), seen("logits", logits)]
            }
            Network::Segmenter(network) => {
                vec![seen(
                    "logits",
                    network.forward_scales(images, self.scales, None),
                )]
            }
            other => match other.forward(images) {
                Output::Logits(logits) => vec![seen("logits", logits)],
                Output::Map(logits) => vec![seen("logits", logits)],
                Output::Boundaries { edge, displacement } => {
                    vec![seen("edge", edge), seen("displacement", displacement)]
                }
            },
        }
    }

    /// Output by output, in inference.
    fn equals_in_inference(&self) {
        let device = crate::device();
        let network = fill((self.build)(&device), false);
        for output in self.outputs(&network, images("image", self.size, &device)) {
            self.assert_equal(output.name, &output.shape, &values(output.values), EVAL);
        }
    }

    /// Outputs, running statistics and the gradient of every parameter, in training.
    fn equals_in_training(&self) {
        let device = crate::device().autodiff();
        let network = fill((self.build)(&device), true);
        let mut loss: Option<Tensor<1>> = None;
        // See `train_size` in `networks.py`.
        let size = match self.name {
            name if name.starts_with("deeplab") && name.contains("resnet50") => [8, 3, 32, 32],
            "vgg16-bn" => [4, 3, 64, 64],
            "unet-vgg16" => [2, 3, 32, 64],
            "deeplabv3-vgg16" => [2, 3, 24, 32],
            _ => [2, 3, 64, 96],
        };
        for output in self.outputs(&network, images("train", size, &device)) {
            let name = format!("train_{}", output.name);
            self.assert_equal(&name, &output.shape, &values(output.values.clone()), TRAIN);
            let weights = picture(&format!("loss.{}", output.name), &output.shape);
            let weights = Tensor::from_floats(weights.as_slice(), &device);
            let term = (output.values * weights).mean();
            loss = Some(match loss {
                Some(loss) => loss + term,
                None => term,
            });
        }
        let gradients = loss.expect("networks have outputs").backward();
        self.assert_gradients(&network, &gradients);
        for statistic in ["running_mean", "running_var"] {
            let mut found = Named::default().with(&network);
            // `valid` settles the statistics that the forward pass has left pending.
            network.valid().visit(&mut found);
            let joined: Vec<f32> = parameters(&network)
                .iter()
                .filter(|p| p.name.ends_with(statistic))
                .flat_map(|p| found.values[&p.name].clone())
                .collect();
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
        let mut found = NamedGradients {
            named: Named::default().with(network),
            gradients,
        };
        network.visit(&mut found);
        let found = found.named.values;
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

/// Values by key; traversals meet parameters in the order of [`parameters`].
#[derive(Default)]
struct Named {
    names: std::vec::IntoIter<String>,
    values: BTreeMap<String, Vec<f32>>,
}

impl Named {
    fn with(mut self, network: &Network) -> Self {
        let names: Vec<String> = parameters(network).into_iter().map(|p| p.name).collect();
        self.names = names.into_iter();
        self
    }
}

impl ModuleVisitor for Named {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.next().expect("as many names as parameters");
        self.values.insert(name, values(param.val()));
    }
}

struct NamedGradients<'a> {
    named: Named,
    gradients: &'a Gradients,
}

impl ModuleVisitor for NamedGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self
            .named
            .names
            .next()
            .expect("as many names as parameters");
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.named.values.insert(name, values(gradient));
        }
    }
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
    Network::ImagenetVgg(ImagenetVgg::new(arch, 3, 0.0625, device).unwrap())
}

const SMALL: [usize; 4] = [1, 3, 33, 47];
const EVEN: [usize; 4] = [1, 3, 32, 64];

/// One test a network; `forward` for those that are not trained.
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
    irn_cam: "irn-cam", |d| Network::Classifier(ClassifierConfig::irn_cam(3).init(d).unwrap()), SMALL;
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
