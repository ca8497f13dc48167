//! Gradient checkpointing changes no gradient.

use std::collections::BTreeMap;

use burn::tensor::Device;
use weakseg_models::{
    ClassifierArch, ClassifierConfig, IrnetConfig, Network, SegmenterArch, SegmenterConfig,
};

use super::seen::{gradients_by_name, loss, outputs};
use super::{WIDTH, picture};

fn gradients(network: &Network, device: &Device) -> BTreeMap<String, Vec<f32>> {
    let outputs = outputs(network, picture([2, 3, 64, 64], device), &[]);
    gradients_by_name(network, &loss(&outputs).backward())
}

/// Every gradient of a network, with the activations kept and with some of them computed again.
fn assert_same(name: &str, build: impl Fn(&Device) -> Network) {
    let device = crate::device().autodiff();
    let kept = gradients(&build(&device), &device);
    let device = device.gradient_checkpointing();
    let again = gradients(&build(&device), &device);
    let mut all = kept.values().flatten();
    assert!(all.any(|gradient| *gradient != 0.0), "{name}");
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
