//! The networks that are timed.

use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use weakseg_models::encoder::{Encoder, Trunk};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, HeadKind, IrnetConfig, Network, Output, SegmenterArch,
    SegmenterConfig,
};

/// Classes of PASCAL VOC, without the background.
const CLASSES: usize = 20;

/// A network with random weights.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, made once for many runs"
)]
pub enum Subject {
    /// A trunk alone.
    Trunk(Trunk),
    /// A whole network.
    Network(Network),
}

impl Subject {
    /// The network of this name. VGG16 is timed as its published convolutions, five pools and no classifier, as
    /// torchvision's `vgg16().features`; classifiers with their published linear layer; DeepLabv3+ with separable
    /// convolutions, as segmentation_models_pytorch has it. IRNet learns its two heads, its trunk is frozen.
    ///
    /// # Errors
    /// If there is no such network.
    pub fn new(name: &str, device: &Device) -> Result<Self> {
        let segmenter = |arch, outputs, separable| {
            let config = SegmenterConfig {
                separable,
                ..SegmenterConfig::new(arch, outputs)
            };
            config.init(device).context(name.to_owned())
        };
        let vgg = match name {
            "vgg16" => Some(SegmenterArch::UnetVgg16),
            "vgg16-bn" => Some(SegmenterArch::UnetVgg16Bn),
            _ => None,
        };
        if let Some(arch) = vgg {
            return Ok(Self::Trunk(segmenter(arch, 1, false)?.encoder().clone()));
        }
        if let Ok(arch) = name.parse::<ClassifierArch>() {
            let config = ClassifierConfig {
                head: HeadKind::Linear,
                ..ClassifierConfig::new(arch, CLASSES)
            };
            return Ok(Self::Network(Network::Classifier(config.init(device)?)));
        }
        if let Ok(arch) = name.parse::<SegmenterArch>() {
            let plus = name.starts_with("deeplabv3plus");
            let outputs = if name.starts_with("unet") {
                1
            } else {
                CLASSES + 1
            };
            let network = segmenter(arch, outputs, plus)?;
            return Ok(Self::Network(Network::Segmenter(network)));
        }
        let irnets = ClassifierArch::ALL.map(IrnetConfig::new);
        if let Some(config) = irnets.iter().find(|config| config.name() == name) {
            return Ok(Self::Network(Network::Irnet(config.init(device)?)));
        }
        bail!("{name}: not timed; there are {}", Self::names().join(", "))
    }

    /// Every name.
    pub fn names() -> Vec<&'static str> {
        Network::names()
    }

    /// Mean of the squared outputs: a loss that asks a gradient of every output.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[1]`
    pub fn loss(&self, images: Tensor<4>) -> Tensor<1> {
        match self.forward(images) {
            Output::Logits(logits) => logits.square().mean(),
            Output::Map(map) => map.square().mean(),
            Output::Boundaries { edge, displacement } => {
                edge.square().mean() + displacement.square().mean()
            }
        }
    }

    /// What the network gives.
    pub fn forward(&self, images: Tensor<4>) -> Output {
        match self {
            Self::Trunk(trunk) => {
                let last = trunk.features(images).pop();
                Output::Map(last.expect("a trunk has stages"))
            }
            Self::Network(network) => network.forward(images),
        }
    }
}
