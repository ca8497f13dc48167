//! Any network by name and by the keys it is to hold.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use weakseg_models::weights::{load_safetensors, parameters, save_safetensors};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, HeadKind, ImagenetVgg, IrnetConfig, ModelError, Network,
    Normalisation, Output, SegmenterArch, SegmenterConfig, weights,
};

use super::{WIDTH, picture, values};

fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    parameters(module)
        .into_iter()
        .map(|p| (p.name, p.shape))
        .collect()
}

/// Networks of every name, with every head and option, as somebody may have saved them.
fn saved() -> Vec<(&'static str, Network)> {
    let device = Device::flex();
    let mut all = Vec::new();
    for arch in ClassifierArch::ALL {
        for head in [HeadKind::Extra, HeadKind::Linear, HeadKind::Conv] {
            let config = ClassifierConfig {
                head,
                width: WIDTH,
                ..ClassifierConfig::new(arch, 7)
            };
            let network = config.init(&device).unwrap();
            all.push((arch.name(), Network::Classifier(network)));
        }
        let config = IrnetConfig {
            width: WIDTH,
            ..IrnetConfig::new(arch)
        };
        let network = Network::Irnet(config.init(&device).unwrap());
        all.push((config.name(), network));
    }
    let gap = ClassifierConfig {
        stages: 4,
        width: WIDTH,
        ..ClassifierConfig::new(ClassifierArch::Resnet50Os8, 7)
    };
    all.push((
        "resnet50-os8",
        Network::Classifier(gap.init(&device).unwrap()),
    ));
    for arch in [ClassifierArch::Vgg16, ClassifierArch::Vgg16Bn] {
        let network = ImagenetVgg::new(arch, 7, WIDTH, &device).unwrap();
        all.push((arch.name(), Network::ImagenetVgg(network)));
    }
    for arch in SegmenterArch::ALL {
        let plain = SegmenterConfig {
            width: WIDTH,
            ..SegmenterConfig::new(arch, 7)
        };
        let optional = SegmenterConfig {
            attention: arch.name().starts_with("unet"),
            separable: arch.name().starts_with("deeplabv3plus"),
            ..plain.clone()
        };
        for config in [plain, optional] {
            let network = config.init(&device).unwrap();
            all.push((arch.name(), Network::Segmenter(network)));
        }
    }
    all
}

#[test]
fn the_name_and_the_keys_are_enough() {
    let device = Device::flex();
    for (name, network) in saved() {
        assert!(Network::names().contains(&name), "{name}");
        let expected = shapes(&network);
        let again = Network::for_weights(name, &expected, WIDTH, &device).unwrap();
        assert_eq!(shapes(&again), expected, "{name}");
    }
}

#[test]
fn a_network_made_for_a_file_loads_it_and_gives_the_same() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let metadata = weights::Metadata::new("unet-resnet34", 7, WIDTH, Normalisation::IMAGENET);
    let config = SegmenterConfig {
        width: WIDTH,
        attention: true,
        seed: 5,
        ..SegmenterConfig::new(SegmenterArch::UnetResnet34, 7)
    };
    let network = Network::Segmenter(config.init(&device).unwrap());
    save_safetensors(&network, &path, &metadata).unwrap();
    let fresh = Network::for_weights("unet-resnet34", &shapes(&network), WIDTH, &device).unwrap();
    let (loaded, report) = load_safetensors(fresh, &path).unwrap();
    assert!(report.is_complete());
    let map = |network: &Network| match network.forward(picture([1, 3, 32, 32], &device)) {
        Output::Map(map) => values(map),
        other => panic!("a segmentation network gives a map, not {other:?}"),
    };
    assert_eq!(map(&loaded), map(&network));
}

#[test]
fn an_unknown_name_lists_all() {
    let error = Network::for_weights("unet", &BTreeMap::new(), 1.0, &Device::flex()).unwrap_err();
    let ModelError::UnknownArch { valid, .. } = error else {
        panic!("{error}")
    };
    for name in ["resnet34", "unet-se_resnext50", "irnet-vgg16"] {
        assert!(valid.contains(name), "{valid}");
    }
}
