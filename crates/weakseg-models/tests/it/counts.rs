//! Parameter counts of the published networks.

use burn::module::Module;
use burn::tensor::Device;
use weakseg_models::weights::parameters;
use weakseg_models::{
    ClassifierArch, ClassifierConfig, HeadKind, IrnetConfig, SegmenterArch, SegmenterConfig,
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

/// Number of trainable values, as PyTorch counts `module.parameters()`: buffers left out, frozen
/// parameters counted. (Burn's `num_params` counts buffers too.)
fn count_parameters(network: &impl Module) -> usize {
    below(network, "")
}

/// [`count_parameters`] of the modules whose path starts so.
fn below(network: &impl Module, path: &str) -> usize {
    parameters(network)
        .iter()
        .filter(|p| p.trainable && p.name.starts_with(path))
        .map(|p| p.shape.iter().product::<usize>())
        .sum()
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
    let linear = |arch, stages, classes| {
        let config = ClassifierConfig {
            head: HeadKind::Linear,
            stages,
            ..ClassifierConfig::new(arch, classes)
        };
        config.init(&Device::flex()).unwrap()
    };
    for arch in [ClassifierArch::Resnet50Os8, ClassifierArch::Resnet50Os32] {
        assert_eq!(count_parameters(&linear(arch, 5, 20)), 23_549_012);
        assert_eq!(count_parameters(&linear(arch, 5, 1)), 23_510_081);
        assert_eq!(count_parameters(&linear(arch, 4, 1).trunk), 8_543_296);
    }
    let gap = ClassifierConfig {
        stages: 4,
        ..ClassifierConfig::new(ClassifierArch::Resnet50Os8, 20)
    };
    assert_eq!(
        count_parameters(&gap.init(&Device::flex()).unwrap()),
        17_992_276
    );
    let cam = crate::irn_cam(20).init(&Device::flex()).unwrap();
    assert_eq!(count_parameters(&cam), 23_548_992);
    let senet = classifier(ClassifierArch::SeResnext50, 1);
    assert_eq!(count_parameters(&senet.trunk), 25_510_896);
    // torchvision 0.26, resnet34(num_classes=1000)
    assert_eq!(
        count_parameters(&linear(ClassifierArch::Resnet34, 5, 1000)),
        21_797_672
    );
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
    assert_eq!(below(&network.heads, "edge."), 125_409);
    assert_eq!(below(&network.heads, "displacement."), 1_269_120);
}

#[test]
fn segmenters() {
    let config = SegmenterConfig::new(SegmenterArch::UnetResnet50, 1);
    let unet = config.init(&Device::flex()).unwrap();
    assert_eq!(count_parameters(&unet), 32_521_105);
    assert_eq!(below(&unet, "encoder."), 23_508_032);
    let decoder = below(&unet, "decoder.");
    assert_eq!(decoder + below(&unet, "segmentation_head."), 9_013_073);
    assert_eq!(segmenter(SegmenterArch::UnetSeResnext50, 1), 34_523_969);
    // segmentation_models_pytorch 0.6.0, Unet("resnet34", classes=1)
    assert_eq!(segmenter(SegmenterArch::UnetResnet34, 1), 24_436_369);
    assert_eq!(segmenter(SegmenterArch::Deeplabv3Resnet50, 21), 39_638_869);
    for arch in [
        SegmenterArch::Deeplabv3PlusResnet50Os8,
        SegmenterArch::Deeplabv3PlusResnet50Os16,
    ] {
        assert_eq!(segmenter(arch, 21), 39_761_845);
    }
    // segmentation_models_pytorch 0.6.0, Unet("vgg16", classes=1)
    assert_eq!(segmenter(SegmenterArch::UnetVgg16, 1), 23_748_241);
}
