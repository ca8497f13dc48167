//! Parameter counts of the published networks.

use burn::tensor::Device;
use weakseg_models::weights::{count_parameters, parameters};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, IrnetConfig, SegmenterArch, SegmenterConfig,
};

fn classifier(arch: ClassifierArch, classes: usize) -> weakseg_models::Classifier {
    ClassifierConfig::new(arch, classes)
        .init(&Device::flex())
        .unwrap()
}

fn segmenter(arch: SegmenterArch, outputs: usize) -> usize {
    let config = SegmenterConfig::new(arch, outputs);
    count_parameters(&config.init(&Device::flex()).unwrap())
}

#[test]
fn classifiers() {
    let vgg = classifier(ClassifierArch::Vgg16Bn, 20);
    assert_eq!(count_parameters(&vgg), 21_812_820);
    assert_eq!(count_parameters(&vgg.trunk), 14_723_136);
    let single = classifier(ClassifierArch::Vgg16Bn, 1);
    assert_eq!(count_parameters(&single), 21_803_073);
    let resnet = classifier(ClassifierArch::Resnet50Os8, 20);
    assert_eq!(count_parameters(&resnet), 37_675_604);
    assert_eq!(count_parameters(&resnet.trunk), 23_508_032);
    // VGG16-BN less the scale and shift of its 4224 channels.
    let plain = classifier(ClassifierArch::Vgg16, 20);
    assert_eq!(count_parameters(&plain), 21_812_820 - 2 * 4224);
}

#[test]
fn irnet() {
    let network = IrnetConfig::new(ClassifierArch::Resnet50Os8)
        .init(&Device::flex())
        .unwrap();
    assert_eq!(count_parameters(&network), 24_902_561);
    let count = |head: &str| -> usize {
        parameters(&network.heads)
            .iter()
            .filter(|p| p.name.starts_with(head))
            .map(|p| p.shape.iter().product::<usize>())
            .sum()
    };
    assert_eq!(count("edge."), 125_409);
    assert_eq!(count("displacement."), 1_269_120);
}

#[test]
fn segmenters() {
    assert_eq!(segmenter(SegmenterArch::UnetResnet50, 1), 32_521_105);
    assert_eq!(segmenter(SegmenterArch::Deeplabv3Resnet50, 21), 39_638_869);
    assert_eq!(
        segmenter(SegmenterArch::Deeplabv3PlusResnet50Os8, 21),
        39_761_845
    );
    // segmentation_models_pytorch 0.6.0, Unet("vgg16", classes=1)
    assert_eq!(segmenter(SegmenterArch::UnetVgg16, 1), 23_748_241);
}
