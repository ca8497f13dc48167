//! The encoder contract, run over every trunk a network uses.

use burn::tensor::Device;
use weakseg_models::encoder::{Encoder, Trunk};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, IrnetConfig, Segmenter, SegmenterArch, SegmenterConfig,
};

use super::{WIDTH, picture};

fn trunks() -> Vec<(String, Trunk)> {
    let device = Device::flex();
    let mut trunks = Vec::new();
    for arch in ClassifierArch::ALL {
        let classifier = ClassifierConfig {
            width: WIDTH,
            ..ClassifierConfig::new(arch, 2)
        };
        trunks.push((
            format!("classifier {arch}"),
            classifier.init(&device).unwrap().trunk,
        ));
        let irnet = IrnetConfig {
            width: WIDTH,
            ..IrnetConfig::new(arch)
        };
        trunks.push((format!("irnet {arch}"), irnet.init(&device).unwrap().trunk));
    }
    for arch in SegmenterArch::ALL {
        let config = SegmenterConfig {
            width: WIDTH,
            ..SegmenterConfig::new(arch, 2)
        };
        let trunk = config.init(&device).unwrap().encoder().clone();
        trunks.push((format!("segmenter {arch}"), trunk));
    }
    trunks
}

fn encoder_contract(name: &str, encoder: &impl Encoder) {
    let (channels, reductions) = (encoder.out_channels(), encoder.reductions());
    let stages = encoder.stage_names().len();
    assert_eq!(
        (channels.len(), reductions.len()),
        (stages, stages),
        "{name}"
    );
    assert!(reductions.is_sorted(), "{name}: {reductions:?}");
    for [height, width] in [[64, 96], [33, 47]] {
        let features = encoder.features(picture([2, 3, height, width], &Device::flex()));
        for (stage, feature) in features.iter().enumerate() {
            let [batch, c, h, w] = feature.dims();
            assert_eq!((batch, c), (2, channels[stage]), "{name} stage {stage}");
            // Convolutions round up, VGG's pools round down: at most one pixel apart.
            for (side, image) in [(h, height), (w, width)] {
                let ceil = image.div_ceil(reductions[stage]);
                assert!(
                    side == ceil || side + 1 == ceil,
                    "{name} stage {stage}: {side} of {image}"
                );
                assert!(image % 32 != 0 || side == ceil, "{name} stage {stage}");
            }
        }
    }
}

#[test]
fn every_trunk_keeps_the_contract() {
    for (name, trunk) in trunks() {
        encoder_contract(&name, &trunk);
    }
}

#[test]
fn a_dilated_trunk_sees_the_same_through_more_pixels() {
    // VGG16 dilated and plain share weights; blocks 1 to 4 agree exactly.
    let device = Device::flex();
    let classifier = ClassifierConfig {
        width: WIDTH,
        ..ClassifierConfig::new(ClassifierArch::Vgg16, 1)
    }
    .init(&device)
    .unwrap();
    let unet = SegmenterConfig {
        width: WIDTH,
        ..SegmenterConfig::new(SegmenterArch::UnetVgg16, 1)
    }
    .init(&device)
    .unwrap();
    let (Segmenter::Unet(unet), report) = unet.init_encoder_from(&classifier).unwrap() else {
        panic!("a U-Net stays a U-Net");
    };
    assert_eq!(report.applied.len(), 26);
    let images = picture([1, 3, 32, 48], &device);
    let (plain, dilated) = (
        unet.encoder.features(images.clone()),
        classifier.trunk.features(images),
    );
    for stage in 0..4 {
        plain[stage]
            .to_data()
            .assert_eq(&dilated[stage].to_data(), true);
    }
    assert_eq!((plain[4].dims()[2], dilated[4].dims()[2]), (2, 4));
}
