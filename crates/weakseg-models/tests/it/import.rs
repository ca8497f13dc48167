//! Starting from a pretrained trunk, the original VGG16 among them.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::SafeTensors;
use weakseg_models::encoder::{Trunk, VggLayer};
use weakseg_models::weights::{
    ChannelOrder, Metadata, WeightsError, import_trunk, save_safetensors,
};
use weakseg_models::{
    Classifier, ClassifierArch, ClassifierConfig, IrnetConfig, Normalisation, SegmenterArch,
    SegmenterConfig,
};

use super::{WIDTH, picture, values};

fn classifier(arch: ClassifierArch, seed: u64) -> Classifier {
    ClassifierConfig {
        width: WIDTH,
        seed,
        ..ClassifierConfig::new(arch, 2)
    }
    .init(&Device::flex())
    .unwrap()
}

#[test]
fn a_trunk_is_imported_from_either_channel_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vgg16.safetensors");
    let source = classifier(ClassifierArch::Vgg16, 1);
    let metadata = Metadata::new(ClassifierArch::Vgg16, 2, WIDTH, Normalisation::CAFFE);
    save_safetensors(&source, &path, &metadata).unwrap();
    let images = picture([1, 3, 32, 32], &Device::flex());
    let first =
        |network: &Classifier, images| values(network.activation(images, "block1").unwrap());

    let (rgb, report) = import_trunk(
        classifier(ClassifierArch::Vgg16, 2),
        &path,
        ChannelOrder::Rgb,
    )
    .unwrap();
    assert_eq!(report.applied.len(), 26);
    assert_eq!(first(&rgb, images.clone()), first(&source, images.clone()));
    // The head is not the file's.
    assert_ne!(values(rgb.class_weights()), values(source.class_weights()));

    // Weights for BGR, read as such, see in RGB what they saw in BGR.
    let (bgr, _) = import_trunk(
        classifier(ClassifierArch::Vgg16, 2),
        &path,
        ChannelOrder::Bgr,
    )
    .unwrap();
    let flipped = images.clone().flip([1]);
    let (a, b) = (first(&bgr, flipped), first(&source, images));
    assert!(super::difference(&a, &b) < 1e-5);

    let unet = SegmenterConfig {
        width: WIDTH,
        ..SegmenterConfig::new(SegmenterArch::UnetVgg16, 1)
    };
    let (_, report) = import_trunk(
        unet.init(&Device::flex()).unwrap(),
        &path,
        ChannelOrder::Rgb,
    )
    .unwrap();
    assert_eq!(report.applied.len(), 26);
    assert!(report.applied[0].starts_with("encoder.features.0"));

    let error = import_trunk(
        classifier(ClassifierArch::Vgg16Bn, 2),
        &path,
        ChannelOrder::Rgb,
    )
    .map(|_| ())
    .unwrap_err();
    assert!(matches!(error, WeightsError::Mismatch { .. }), "{error}");
}

#[test]
fn a_network_that_ends_early_takes_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.safetensors");
    let source = classifier(ClassifierArch::Resnet50Os8, 1);
    let metadata = Metadata::new("resnet50-os8", 2, WIDTH, Normalisation::IMAGENET);
    save_safetensors(&source, &path, &metadata).unwrap();
    let short = ClassifierConfig {
        width: WIDTH,
        stages: 4,
        ..ClassifierConfig::new(ClassifierArch::Resnet50Os8, 2)
    };
    let short = short.init(&Device::flex()).unwrap();
    let (_, report) = import_trunk(short, &path, ChannelOrder::Rgb).unwrap();
    assert!(report.applied.iter().any(|key| key.starts_with("layer3.")));
    assert_eq!(report.notes.len(), 1, "{report}");
    assert!(
        report.notes[0].starts_with("layer4 was left out"),
        "{report}"
    );
}

/// The folder of shared data, for the checks that need it.
fn shared() -> PathBuf {
    std::env::var_os("WEAKSEG_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-models -- --ignored vgg16_caffe"]
fn the_vgg16_caffe_file_is_imported_everywhere() {
    let path = shared().join("data/vgg16/vgg16_features_caffe_bgr_f16.safetensors");
    let device = Device::flex();
    let network = ClassifierConfig::new(ClassifierArch::Vgg16, 20)
        .init(&device)
        .unwrap();
    let (network, report) = import_trunk(network, &path, ChannelOrder::Bgr).unwrap();
    println!("classifier: {report}");
    assert_eq!((report.applied.len(), report.unused.len()), (26, 0));

    // VGG's first layer has colour filters: the file's own first filter, channels reversed.
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let raw = file.tensor("features.0.weight").unwrap();
    let stored = |index: usize| {
        let pair = &raw.data()[2 * index..2 * index + 2];
        half::f16::from_le_bytes([pair[0], pair[1]]).to_f32()
    };
    let Trunk::Vgg(vgg) = &network.trunk else {
        panic!()
    };
    let VggLayer::Conv(conv) = &vgg.features[0] else {
        panic!()
    };
    let first = values(conv.weight.val());
    for filter in 0..64 {
        for channel in 0..3 {
            for tap in 0..9 {
                let found = first[(filter * 3 + channel) * 9 + tap];
                assert_eq!(found, stored((filter * 3 + 2 - channel) * 9 + tap));
            }
        }
    }

    let unet = SegmenterConfig::new(SegmenterArch::UnetVgg16, 21)
        .init(&device)
        .unwrap();
    let (_, report) = import_trunk(unet, &path, ChannelOrder::Bgr).unwrap();
    assert_eq!(report.applied.len(), 26);
    let irnet = IrnetConfig::new(ClassifierArch::Vgg16)
        .init(&device)
        .unwrap();
    let (_, report) = import_trunk(irnet, &path, ChannelOrder::Bgr).unwrap();
    assert_eq!(report.applied.len(), 26);
}
