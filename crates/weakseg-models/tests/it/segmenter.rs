//! The segmenter contract, run over every segmentation network.

use burn::tensor::Device;
use weakseg_models::encoder::Encoder;
use weakseg_models::{
    ClassifierArch, ClassifierConfig, DropNoise, ModelError, Segmenter, SegmenterArch,
    SegmenterConfig,
};

use super::seen::gradients_by_name;
use super::{WIDTH, difference, picture, values};

fn config(arch: SegmenterArch) -> SegmenterConfig {
    SegmenterConfig {
        width: WIDTH,
        seed: 2,
        ..SegmenterConfig::new(arch, 3)
    }
}

fn segmenter(arch: SegmenterArch, device: &Device) -> Segmenter {
    config(arch).init(device).unwrap()
}

fn segmenter_contract(config: &SegmenterConfig) {
    let arch = config.arch;
    let device = Device::flex();
    let network = config.init(&device).unwrap();
    assert_eq!(network.outputs(), 3);
    for [height, width] in [[64, 96], [33, 47], [16, 40]] {
        let logits = network.forward(picture([2, 3, height, width], &device));
        assert_eq!(logits.dims(), [2, 3, height, width], "{arch}");
        assert!(values(logits).iter().all(|v| v.is_finite()), "{arch}");
    }
    let images = picture([1, 3, 33, 47], &device);
    let before = values(network.forward(images.clone()));
    let by = [0.5, -2.0, 0.0];
    let after = values(network.with_logits_moved(&by).forward(images));
    for (at, (before, after)) in before.iter().zip(&after).enumerate() {
        let expected = before + by[at / (33 * 47)];
        let allowed = 1e-5 * before.abs().max(1.0);
        assert!(
            (after - expected).abs() < allowed,
            "{arch} {at}: {after}, expected {expected}"
        );
    }
    // Every trainable parameter takes part.
    let device = device.autodiff();
    let network = config.init(&device).unwrap();
    let loss = network
        .forward(picture([2, 3, 32, 32], &device))
        .powi_scalar(2)
        .sum();
    let gradients = gradients_by_name(&network, &loss.backward());
    let names: Vec<String> = weakseg_models::weights::parameters(&network)
        .into_iter()
        .filter(|p| p.trainable && !gradients.contains_key(&p.name))
        .map(|p| p.name)
        // smp's last block has an attention that nothing passes through.
        .filter(|name| !name.starts_with("decoder.blocks.4.attention1"))
        .collect();
    assert!(names.is_empty(), "{arch}: no gradient for {names:?}");
}

#[test]
fn unet_vgg16_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::UnetVgg16));
}

#[test]
fn unet_vgg16_bn_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::UnetVgg16Bn));
}

#[test]
fn unet_resnet34_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::UnetResnet34));
}

#[test]
fn unet_resnet50_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::UnetResnet50));
}

#[test]
fn unet_se_resnext50_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::UnetSeResnext50));
}

#[test]
fn deeplabv3_vgg16_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::Deeplabv3Vgg16));
}

#[test]
fn deeplabv3_resnet50_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::Deeplabv3Resnet50));
}

#[test]
fn deeplabv3_plus_resnet50_os8_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::Deeplabv3PlusResnet50Os8));
}

#[test]
fn deeplabv3_plus_resnet50_os16_keeps_the_contract() {
    segmenter_contract(&config(SegmenterArch::Deeplabv3PlusResnet50Os16));
}

#[test]
fn options_keep_the_contract() {
    segmenter_contract(&SegmenterConfig {
        attention: true,
        ..config(SegmenterArch::UnetResnet34)
    });
    segmenter_contract(&SegmenterConfig {
        separable: true,
        ..config(SegmenterArch::Deeplabv3PlusResnet50Os16)
    });
    for (bad, what) in [
        (
            SegmenterConfig {
                attention: true,
                ..config(SegmenterArch::Deeplabv3Resnet50)
            },
            "attention is true for deeplabv3-resnet50",
        ),
        (
            SegmenterConfig {
                separable: true,
                ..config(SegmenterArch::UnetVgg16)
            },
            "separable is true for unet-vgg16",
        ),
    ] {
        let error = bad.init(&Device::flex()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn scales_give_the_greatest_of_their_logits() {
    let device = Device::flex();
    let network = segmenter(SegmenterArch::Deeplabv3Resnet50, &device);
    let images = picture([2, 3, 48, 64], &device);
    let scales = [1.0, 0.75, 0.5];
    let each: Vec<Vec<f32>> = scales
        .iter()
        .map(|&scale| values(network.forward_scales(images.clone(), &[scale], None)))
        .collect();
    let all = values(network.forward_scales(images.clone(), &scales, None));
    for (at, value) in all.iter().enumerate() {
        let greatest = each.iter().map(|e| e[at]).fold(f32::MIN, f32::max);
        assert_eq!(*value, greatest);
    }
    assert_eq!(each[0], values(network.forward(images.clone())));
    assert_eq!(each[0], values(network.forward_scales(images, &[], None)));
    assert_ne!(all, each[0]);
}

#[test]
fn dropout_of_deeplab_needs_noise_and_repeats_itself() {
    let device = Device::flex();
    let network = segmenter(SegmenterArch::Deeplabv3PlusResnet50Os8, &device);
    let images = picture([1, 3, 32, 32], &device);
    let plain = values(network.forward(images.clone()));
    let noisy = |step| {
        let mut noise = DropNoise::new(1, step, 0.0);
        values(network.forward_train(images.clone(), Some(&mut noise)))
    };
    assert_ne!(noisy(0), plain);
    assert_eq!(noisy(0), noisy(0));
    assert_ne!(noisy(0), noisy(1));
}

#[test]
fn encoders_start_from_classifiers_of_their_kind() {
    let device = Device::flex();
    let classifier = |arch| {
        ClassifierConfig {
            width: WIDTH,
            seed: 9,
            ..ClassifierConfig::new(arch, 2)
        }
        .init(&device)
        .unwrap()
    };
    let resnet = classifier(ClassifierArch::Resnet50Os8);
    for arch in [
        SegmenterArch::UnetResnet50,
        SegmenterArch::Deeplabv3Resnet50,
        SegmenterArch::Deeplabv3PlusResnet50Os8,
    ] {
        let images = picture([1, 3, 32, 32], &device);
        let fresh = segmenter(arch, &device);
        let before = values(fresh.forward(images.clone()));
        let (network, report) = fresh.init_encoder_from(&resnet).unwrap();
        assert!(report.is_complete(), "{report}");
        assert_ne!(values(network.forward(images)), before);
    }
    let error = segmenter(SegmenterArch::UnetVgg16, &device)
        .init_encoder_from(&resnet)
        .unwrap_err();
    assert!(matches!(error, ModelError::OtherTrunk { .. }), "{error}");
}

#[test]
fn unit_scale_changes_features_by_one_factor_a_stage() {
    let device = Device::flex().autodiff();
    let images = picture([2, 3, 32, 64], &device) * 100.0;
    let features = |network: &Segmenter| -> Vec<Vec<f32>> {
        let Segmenter::Unet(unet) = network else {
            panic!("a U-Net was built");
        };
        let features = unet.encoder.features(images.clone());
        features.into_iter().map(values).collect()
    };
    let rms = |v: &[f32]| (v.iter().map(|x| x * x).sum::<f32>() / v.len() as f32).sqrt();

    let network = segmenter(SegmenterArch::UnetVgg16, &device);
    let before = features(&network);
    let network = network.with_unit_scale_encoder(images.clone());
    let after = features(&network);
    for (stage, (before, after)) in before.iter().zip(&after).enumerate() {
        let factor = rms(after) / rms(before);
        let expected: Vec<f32> = before.iter().map(|v| v * factor).collect();
        assert!(difference(after, &expected) < 1e-4, "stage {stage}");
        // The sixth stage is the fifth's maxima.
        assert!(
            stage == 5 || (rms(after) - 1.0).abs() < 1e-3,
            "stage {stage}"
        );
    }
    assert!(rms(&before[0]) > 10.0, "the features were of another scale");
    let trainable = weakseg_models::weights::parameters(&network)
        .into_iter()
        .filter(|p| p.name.starts_with("encoder") && p.trainable);
    assert_eq!(trainable.count(), 26);

    // Batch norm has done it already.
    let network = segmenter(SegmenterArch::UnetVgg16Bn, &device);
    let before = features(&network);
    assert_eq!(
        before,
        features(&network.with_unit_scale_encoder(images.clone()))
    );
}
