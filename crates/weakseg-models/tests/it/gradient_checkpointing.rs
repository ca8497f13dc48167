//! Gradient checkpointing changes no gradient.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, IrnetConfig, Network, Output, SegmenterArch, SegmenterConfig,
};

use super::{picture, values};

const WIDTH: f64 = 0.0625;

/// The gradients of all parameters, one after the other.
struct Joined<'a> {
    gradients: &'a Gradients,
    values: Vec<f32>,
}

impl ModuleVisitor for Joined<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.values.extend(values(gradient));
        }
    }
}

fn gradients(network: &Network, device: &Device) -> Vec<f32> {
    let energy = |tensor: Tensor<1>| tensor.powi_scalar(2).mean();
    let loss = match network.forward(picture([2, 3, 64, 64], device)) {
        Output::Logits(logits) => energy(logits.flatten(0, 1)),
        Output::Map(map) => energy(map.flatten(0, 3)),
        Output::Boundaries { edge, displacement } => {
            energy(edge.flatten(0, 3)) + energy(displacement.flatten(0, 3))
        }
    };
    let gradients = loss.backward();
    let mut joined = Joined {
        gradients: &gradients,
        values: Vec::new(),
    };
    network.visit(&mut joined);
    joined.values
}

/// Every gradient of a network, with the activations kept and with some of them computed again.
fn assert_same(name: &str, build: impl Fn(&Device) -> Network) {
    let device = crate::device().autodiff();
    let kept = gradients(&build(&device), &device);
    let device = device.gradient_checkpointing();
    let again = gradients(&build(&device), &device);
    assert!(kept.iter().any(|gradient| *gradient != 0.0), "{name}");
    assert_eq!(kept, again, "{name}");
}

#[test]
fn classifiers_have_the_same_gradients() {
    for arch in ClassifierArch::ALL {
        assert_same(arch.name(), |device| {
            let config = ClassifierConfig {
                width: WIDTH,
                ..ClassifierConfig::new(arch, 3)
            };
            Network::Classifier(config.init(device).unwrap())
        });
    }
}

#[test]
fn segmentation_networks_have_the_same_gradients() {
    for arch in SegmenterArch::ALL {
        assert_same(arch.name(), |device| {
            let config = SegmenterConfig {
                width: WIDTH,
                attention: arch.name().starts_with("unet"),
                separable: arch.name().starts_with("deeplabv3plus"),
                ..SegmenterConfig::new(arch, 3)
            };
            Network::Segmenter(config.init(device).unwrap())
        });
    }
}

#[test]
fn irnet_has_the_same_gradients() {
    assert_same("irnet", |device| {
        let config = IrnetConfig {
            width: WIDTH,
            ..IrnetConfig::new(ClassifierArch::Resnet50Irn)
        };
        Network::Irnet(config.init(device).unwrap())
    });
}
