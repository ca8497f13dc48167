//! The IRNet contract, run over every trunk.

use burn::module::Module;
use burn::tensor::Device;
use weakseg_models::weights::parameters;
use weakseg_models::{ClassifierArch, ClassifierConfig, Irnet, IrnetConfig, ModelError};

use super::seen::gradients_by_name;
use super::{WIDTH, picture, values};

fn irnet(arch: ClassifierArch, device: &Device) -> Irnet {
    IrnetConfig {
        width: WIDTH,
        seed: 1,
        ..IrnetConfig::new(arch)
    }
    .init(device)
    .unwrap()
}

#[test]
fn outputs_are_a_quarter_rounded_up_for_any_size() {
    let device = Device::flex();
    for arch in ClassifierArch::ALL {
        let network = irnet(arch, &device);
        for [height, width] in [[64, 64], [33, 47], [50, 17]] {
            let levels = network.levels(picture([2, 3, height, width], &device));
            let quarter = [height.div_ceil(4), width.div_ceil(4)];
            assert_eq!(&levels[0].dims()[2..], quarter);
            assert_eq!(&levels[1].dims()[2..], quarter);
            let [edge, displacement] = [network.edge(&levels), network.displacement(&levels)];
            assert_eq!(edge.dims(), [2, 1, quarter[0], quarter[1]], "{arch}");
            assert_eq!(
                displacement.dims(),
                [2, 2, quarter[0], quarter[1]],
                "{arch}"
            );
            assert!(
                values(edge)
                    .iter()
                    .chain(&values(displacement))
                    .all(|v| v.is_finite())
            );
        }
    }
}

#[test]
fn levels_have_the_documented_strides() {
    let device = Device::flex();
    for (arch, strides) in [
        (ClassifierArch::Resnet50Os8, [4, 4, 8, 16, 16]),
        (ClassifierArch::Vgg16, [4, 4, 4, 8, 8]),
    ] {
        let levels = irnet(arch, &device).levels(picture([1, 3, 64, 48], &device));
        for (level, stride) in levels.iter().zip(strides) {
            assert_eq!(&level.dims()[2..], [64 / stride, 48 / stride], "{arch}");
        }
    }
}

#[test]
fn only_the_heads_learn() {
    let device = Device::flex().autodiff();
    for arch in [ClassifierArch::Vgg16Bn, ClassifierArch::Resnet50Os8] {
        let network = irnet(arch, &device);
        let plain = network.valid();
        let levels = network.levels(picture([2, 3, 32, 32], &device));
        let again = plain.levels(picture([2, 3, 32, 32], &Device::flex()));
        for (a, b) in levels.iter().zip(&again) {
            assert!(!a.is_require_grad());
            // No batch statistics in the trunk, even on the training device.
            assert_eq!(values(a.clone()), values(b.clone()), "{arch}");
        }
        let loss =
            network.heads.edge(&levels).sum() + network.heads.displacement(&levels).abs().sum();
        let gradients = loss.backward();
        assert_eq!(
            gradients_by_name(&network.heads, &gradients).len(),
            parameters(&network.heads).len(),
            "{arch}: every parameter of the heads learns"
        );
        assert!(gradients_by_name(&network.trunk, &gradients).is_empty());
    }
}

#[test]
fn the_mean_shift_is_taken_off_at_inference_alone() {
    let device = Device::flex();
    let mut network = irnet(ClassifierArch::Resnet50Os8, &device);
    let levels = network.levels(picture([1, 3, 32, 32], &device));
    assert_eq!(network.mean_shift(), [0.0, 0.0]);
    network.set_mean_shift([1.5, -2.0]);
    assert_eq!(network.mean_shift(), [1.5, -2.0]);
    let raw = values(network.heads.displacement(&levels));
    let shifted = values(network.displacement(&levels));
    let plane = raw.len() / 2;
    for (i, (raw, shifted)) in raw.iter().zip(&shifted).enumerate() {
        let shift = if i < plane { 1.5 } else { -2.0 };
        assert!((raw - shift - shifted).abs() < 1e-5);
    }
}

#[test]
fn the_trunk_starts_from_a_classifier_of_its_kind() {
    let device = Device::flex();
    let classifier = |arch, width| {
        ClassifierConfig {
            width,
            seed: 9,
            ..ClassifierConfig::new(arch, 2)
        }
        .init(&device)
        .unwrap()
    };
    for arch in ClassifierArch::ALL {
        let source = classifier(arch, WIDTH);
        let (network, report) = irnet(arch, &device).init_trunk_from(&source).unwrap();
        assert!(report.is_complete(), "{report}");
        // Padding is none at 32, and the first stage knows no strides: equal features.
        let images = picture([1, 3, 32, 32], &device);
        use weakseg_models::encoder::Encoder;
        let (a, b) = (
            network.trunk.stage(0, images.clone()),
            source.trunk.stage(0, images),
        );
        assert_eq!(values(a), values(b));
    }
    let wide = classifier(ClassifierArch::Vgg16, 0.125);
    let error = irnet(ClassifierArch::Vgg16, &device)
        .init_trunk_from(&wide)
        .unwrap_err();
    assert!(matches!(error, ModelError::OtherTrunk { .. }), "{error}");
    let bn = classifier(ClassifierArch::Vgg16Bn, WIDTH);
    let error = irnet(ClassifierArch::Vgg16, &device)
        .init_trunk_from(&bn)
        .unwrap_err();
    assert!(
        error.to_string().contains("VGG16 with batch norm"),
        "{error}"
    );
}
