//! Any network by its name on the command line.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{
    Classifier, ClassifierArch, ClassifierConfig, Irnet, IrnetConfig, ModelError, Segmenter,
    SegmenterArch, SegmenterConfig,
};

/// A network of any family.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one network lives in a program, and Module derives only for plain fields"
)]
pub enum Network {
    /// Image-level labels.
    Classifier(Classifier),
    /// Masks.
    Segmenter(Segmenter),
    /// Boundaries and displacements.
    Irnet(Irnet),
}

/// What a network gives.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time")]
pub enum Output {
    /// `[B, classes]`.
    Logits(Tensor<2>),
    /// `[B, outputs, H, W]`.
    Map(Tensor<4>),
    /// IRNet's.
    Edge {
        /// `[B, 1, h, w]`.
        edge: Tensor<4>,
        /// `[B, 2, h, w]`.
        displacement: Tensor<4>,
    },
}

impl Network {
    /// Every name.
    pub const NAMES: [&str; 11] = [
        "vgg16",
        "vgg16-bn",
        "resnet50-os8",
        "unet-vgg16",
        "unet-vgg16-bn",
        "unet-resnet50",
        "deeplabv3-vgg16",
        "deeplabv3-resnet50",
        "deeplabv3plus-resnet50-os8",
        "irnet-resnet50",
        "irnet-vgg16",
    ];

    /// The network of this name whose number of outputs fits the keys of a file.
    ///
    /// # Errors
    /// As the configs' `init`.
    pub fn for_weights(
        name: &str,
        shapes: &BTreeMap<String, Vec<usize>>,
        width: f64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let outputs = [
            "extra_linear.weight",
            "segmentation_head.0.weight",
            "classifier.4.weight",
            "classifier.classifier.3.weight",
        ]
        .into_iter()
        .find_map(|key| shapes.get(key)?.first().copied())
        .unwrap_or(1);
        if let Some(trunk) = name.strip_prefix("irnet-") {
            let trunk = match trunk {
                "resnet50" => ClassifierArch::Resnet50Os8,
                other => other.parse()?,
            };
            let config = IrnetConfig {
                width,
                ..IrnetConfig::new(trunk)
            };
            return Ok(Self::Irnet(config.init(device)?));
        }
        if let Ok(arch) = name.parse::<ClassifierArch>() {
            let config = ClassifierConfig {
                width,
                ..ClassifierConfig::new(arch, outputs)
            };
            return Ok(Self::Classifier(config.init(device)?));
        }
        let arch: SegmenterArch = name.parse()?;
        let config = SegmenterConfig {
            width,
            ..SegmenterConfig::new(arch, outputs)
        };
        Ok(Self::Segmenter(config.init(device)?))
    }

    /// What it gives for normalised images `[B, 3, H, W]`.
    pub fn forward(&self, images: Tensor<4>) -> Output {
        match self {
            Self::Classifier(network) => Output::Logits(network.forward(images, None)),
            Self::Segmenter(network) => Output::Map(network.forward(images)),
            Self::Irnet(network) => {
                let levels = network.levels(images);
                Output::Edge {
                    edge: network.edge(&levels),
                    displacement: network.displacement(&levels),
                }
            }
        }
    }
}
