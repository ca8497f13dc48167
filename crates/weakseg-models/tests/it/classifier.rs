//! The classifier contract, run over every classifier.

use burn::tensor::{Device, Tensor};
use weakseg_models::encoder::Encoder;
use weakseg_models::layers::DropBlockForm;
use weakseg_models::weights::parameters;
use weakseg_models::{
    Classifier, ClassifierArch, ClassifierConfig, ClassifierHead, DropBlockConfig, DropBlockPlace,
    DropNoise, HeadKind, ModelError,
};

use super::seen::{gradients_by_name, values_by_name};
use super::{WIDTH, difference, picture, values};

fn config(arch: ClassifierArch) -> ClassifierConfig {
    ClassifierConfig {
        width: WIDTH,
        seed: 3,
        ..ClassifierConfig::new(arch, 3)
    }
}

/// The head's bias, zero where it has none.
fn bias(network: &Classifier) -> Tensor<1> {
    match &network.head {
        ClassifierHead::Extra(head) => head.extra_linear.bias.val(),
        ClassifierHead::Linear(head) => head.fc.bias.val(),
        ClassifierHead::LastLinear(head) => head.last_linear.bias.val(),
        ClassifierHead::Conv(_) => Tensor::zeros([network.classes()], &Device::flex()),
    }
}

fn classifier_contract(network: &Classifier, device: &Device) {
    let images = picture([2, 3, 33, 47], device);
    let maps = network.maps(images.clone(), None);
    let [batch, channels, height, width] = maps.dims();
    assert_eq!((batch, network.class_weights().dims()), (2, [3, channels]));
    let stride = *network.trunk.reductions().last().unwrap();
    assert!(height.abs_diff(33 / stride) <= 1 && width.abs_diff(47 / stride) <= 1);
    assert!(values(maps.clone()).iter().all(|&v| v >= 0.0));

    let logits = values(network.forward(images.clone(), None));
    assert_eq!(logits.len(), 6);
    assert!(logits.iter().all(|v| v.is_finite()));
    assert_eq!(logits, values(network.logits(maps.clone())));

    // The head is linear in the maps: logits are the mean of the weighted maps, plus the bias.
    let means = maps.mean_dim(2).mean_dim(3).reshape([2, channels]);
    let weighted = means.matmul(network.class_weights().transpose()) + bias(network).unsqueeze();
    assert!(difference(&values(weighted), &logits) < 1e-5);

    for layer in network.layers() {
        let activation = network.activation(images.clone(), layer).unwrap();
        let resumed = values(network.from_activation(activation, layer).unwrap());
        assert_eq!(resumed, logits, "from {layer}");
    }
}

#[test]
fn every_classifier_keeps_the_contract() {
    let device = Device::flex();
    for arch in ClassifierArch::ALL {
        for head in [HeadKind::Extra, HeadKind::Linear, HeadKind::Conv] {
            let config = ClassifierConfig {
                head,
                ..config(arch)
            };
            let network = config.init(&device).unwrap();
            assert_eq!(network.layers(), config.layers(), "{arch} {head:?}");
            classifier_contract(&network, &device);
        }
    }
    for arch in [ClassifierArch::Resnet34, ClassifierArch::Resnet50Os8] {
        let config = ClassifierConfig {
            stages: 4,
            ..config(arch)
        };
        let network = config.init(&device).unwrap();
        assert_eq!(
            network.layers(),
            ["stem", "layer1", "layer2", "layer3", "extra"]
        );
        classifier_contract(&network, &device);
    }
}

/// The extra convolutions pass on what the trunk knows, with some noise: each adds a tenth of what
/// it is given, so three leave a relative difference well below one.
#[test]
fn the_head_of_vgg_starts_from_the_maps_of_its_trunk() {
    let device = Device::flex();
    for arch in [ClassifierArch::Vgg16, ClassifierArch::Vgg16Bn] {
        let network = config(arch).init(&device).unwrap();
        let images = picture([2, 3, 64, 64], &device);
        let trunk = values(network.activation(images.clone(), "block5").unwrap());
        let maps = values(network.maps(images, None));
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|v| v * v).sum::<f32>().sqrt();
        let moved = norm(&mut trunk.iter().zip(&maps).map(|(a, b)| a - b));
        let share = moved / norm(&mut trunk.iter().copied());
        assert!((0.01..0.5).contains(&share), "{arch}: {share}");
    }
}

#[test]
fn the_published_size_gives_maps_at_an_eighth() {
    let device = Device::flex();
    for arch in [
        ClassifierArch::Vgg16,
        ClassifierArch::Vgg16Bn,
        ClassifierArch::Resnet50Os8,
    ] {
        let network = ClassifierConfig {
            width: 0.01,
            ..config(arch)
        }
        .init(&device)
        .unwrap();
        let [_, _, height, width] = network
            .maps(picture([1, 3, 352, 352], &device), None)
            .dims();
        assert_eq!((height, width), (44, 44), "{arch}");
    }
}

#[test]
fn an_unknown_layer_names_the_known_ones() {
    let device = Device::flex();
    let network = config(ClassifierArch::Vgg16).init(&device).unwrap();
    let error = network
        .activation(picture([1, 3, 32, 32], &device), "layer4")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown layer `layer4`; this network's layers are: block1, block2, block3, block4, block5, extra"
    );
}

#[test]
fn impossible_configurations_are_refused() {
    let device = Device::flex();
    let good = config(ClassifierArch::Vgg16);
    for bad in [
        ClassifierConfig {
            classes: 0,
            ..good.clone()
        },
        ClassifierConfig {
            width: 0.0,
            ..good.clone()
        },
        ClassifierConfig {
            width: f64::NAN,
            ..good.clone()
        },
        ClassifierConfig {
            frozen_blocks: 6,
            ..good.clone()
        },
        ClassifierConfig {
            stages: 4,
            ..good.clone()
        },
        ClassifierConfig {
            stages: 3,
            ..config(ClassifierArch::Resnet34)
        },
        ClassifierConfig {
            dropblock: Some(DropBlockConfig {
                block_size: 0,
                ..DropBlockConfig::default()
            }),
            ..good.clone()
        },
    ] {
        assert!(
            matches!(bad.init(&device), Err(ModelError::OutOfRange { .. })),
            "{bad:?}"
        );
    }
}

#[test]
fn the_seed_decides_the_weights() {
    let device = Device::flex();
    let images = picture([1, 3, 32, 32], &device);
    let run = |seed| {
        let network = ClassifierConfig {
            seed,
            ..config(ClassifierArch::Resnet50Os8)
        }
        .init(&device)
        .unwrap();
        values(network.forward(images.clone(), None))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn dropblock_acts_with_noise_alone_and_repeats_itself() {
    let device = Device::flex();
    let images = picture([2, 3, 48, 48], &device);
    for arch in ClassifierArch::ALL {
        for place in [DropBlockPlace::BeforeExtra, DropBlockPlace::Reference] {
            for form in [DropBlockForm::Paper, DropBlockForm::Reference] {
                let dropblock = Some(DropBlockConfig {
                    block_size: 3,
                    form,
                    place,
                });
                let network = ClassifierConfig {
                    dropblock,
                    ..config(arch)
                }
                .init(&device)
                .unwrap();
                let plain = values(network.forward(images.clone(), None));
                let with = |p| {
                    let mut noise = DropNoise::new(5, 17, p);
                    values(network.forward(images.clone(), Some(&mut noise)))
                };
                assert_eq!(with(0.0), plain);
                assert_ne!(with(0.4), plain, "{arch} {place:?} {form:?}");
                assert_eq!(with(0.4), with(0.4));
            }
        }
    }
}

#[test]
fn frozen_blocks_get_no_gradients_and_keep_their_statistics() {
    let device = Device::flex().autodiff();
    for (arch, frozen, free) in [
        (
            ClassifierArch::Vgg16Bn,
            "features.7.weight",
            "features.14.weight",
        ),
        (
            ClassifierArch::Resnet50Os8,
            "layer1.2.conv3.weight",
            "layer2.0.conv1.weight",
        ),
    ] {
        let config = ClassifierConfig {
            frozen_blocks: 2,
            ..config(arch)
        };
        let network = config.init(&device).unwrap();
        let before = values_by_name(&network);
        let loss = network
            .forward(picture([2, 3, 32, 32], &device), None)
            .sum();
        let gradients = gradients_by_name(&network, &loss.backward());
        let has = |name: &str| gradients.contains_key(name);
        assert!(!has(frozen) && has(free), "{arch}");
        assert!(has("extra_linear.weight"));
        let after = values_by_name(&network);
        let names = parameters(&network).into_iter().map(|p| p.name);
        let changed: Vec<String> = names.filter(|name| before[name] != after[name]).collect();
        let first_free = if arch == ClassifierArch::Vgg16Bn {
            "features.15"
        } else {
            "layer2.0"
        };
        assert!(changed[0].starts_with(first_free), "{arch}: {changed:?}");
    }
}
