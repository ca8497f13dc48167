//! Any network, by its name on the command line and the weights it is to hold.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::encoder::Backbone;
use crate::{
    Classifier, ClassifierArch, ClassifierConfig, HeadKind, ImagenetVgg, Irnet, IrnetConfig,
    ModelError, Segmenter, SegmenterArch, SegmenterConfig,
};

/// Classes of the published ImageNet networks, for weights without a classifier.
const IMAGENET: usize = 1000;

/// Any of the networks. In a checkpoint's keys the kind leaves no trace.
#[derive(Module, Debug)]
pub enum Network {
    /// Image-level labels.
    Classifier(Classifier),
    /// VGG16 with its ImageNet classifier.
    ImagenetVgg(ImagenetVgg),
    /// Boundaries and displacements.
    Irnet(Irnet),
    /// Masks.
    Segmenter(Segmenter),
}

/// What a network makes of images.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once for a batch and taken apart"
)]
pub enum Output {
    /// One logit a class, `[B, C]`.
    Logits(Tensor<2>),
    /// Logits of every pixel, `[B, C, H, W]`.
    Map(Tensor<4>),
    /// IRNet's boundary logits `[B, 1, ⌈H/4⌉, ⌈W/4⌉]` and displacements `[B, 2, ⌈H/4⌉, ⌈W/4⌉]`.
    Boundaries {
        /// Before the sigmoid.
        edge: Tensor<4>,
        /// (dy, dx), the mean shift taken off.
        displacement: Tensor<4>,
    },
}

impl Network {
    /// Every name, in the order of the command line's documentation.
    pub fn names() -> Vec<&'static str> {
        let classifiers = ClassifierArch::ALL.map(ClassifierArch::name);
        let segmenters = SegmenterArch::ALL.map(SegmenterArch::name);
        let mut names = Vec::from(classifiers);
        names.extend(segmenters);
        for arch in ClassifierArch::ALL {
            let name = IrnetConfig::new(arch).name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The network of this name whose head and number of outputs fit a weight file, with fresh weights.
    /// `shapes` are the file's keys, named as in our checkpoints, and their shapes; what does not fit
    /// beyond that, loading reports.
    ///
    /// A classifier gets the extra convolutions if the file has `extra_linear`, the 1x1 convolution if
    /// it has a `classifier.weight` of four dimensions, and otherwise its published classifier; a
    /// U-Net gets attention and DeepLabv3+ separable convolutions if the file has their keys.
    ///
    /// # Errors
    /// [`ModelError::UnknownArch`]; [`ModelError::OutOfRange`] for a width that is no factor.
    pub fn for_weights(
        name: &str,
        shapes: &BTreeMap<String, Vec<usize>>,
        width: f64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        // Outputs of the layer whose weight has this key.
        let outputs = |key: &str| shapes.get(key).and_then(|s| s.first()).copied();
        if let Ok(arch) = name.parse::<ClassifierArch>() {
            return Self::classifier(arch, shapes, width, device);
        }
        if let Ok(arch) = name.parse::<SegmenterArch>() {
            let last = [
                "segmentation_head.0.weight",
                "classifier.4.weight",
                "classifier.classifier.3.weight",
            ];
            let config = SegmenterConfig {
                width,
                attention: shapes.keys().any(|key| key.contains(".attention.cSE.")),
                separable: shapes.keys().any(|key| key.contains(".body.1.")),
                ..SegmenterConfig::new(arch, last.into_iter().find_map(outputs).unwrap_or(1))
            };
            return Ok(Self::Segmenter(config.init(device)?));
        }
        let trunk = ClassifierArch::ALL
            .into_iter()
            .find(|arch| IrnetConfig::new(*arch).name() == name)
            .ok_or_else(|| ModelError::UnknownArch {
                family: "network",
                name: name.to_owned(),
                valid: Self::names().join(", "),
            })?;
        let config = IrnetConfig {
            width,
            ..IrnetConfig::new(trunk)
        };
        Ok(Self::Irnet(config.init(device)?))
    }

    fn classifier(
        arch: ClassifierArch,
        shapes: &BTreeMap<String, Vec<usize>>,
        width: f64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let outputs = |key: &str| shapes.get(key).and_then(|s| s.first()).copied();
        let conv = shapes
            .get("classifier.weight")
            .filter(|shape| shape.len() == 4);
        let linear = ["fc.weight", "last_linear.weight"];
        let vgg = matches!(arch.backbone(), Backbone::Vgg16 | Backbone::Vgg16Bn);
        let (head, classes) = if let Some(classes) = outputs("extra_linear.weight") {
            (HeadKind::Extra, classes)
        } else if let Some(shape) = conv {
            (HeadKind::Conv, shape[0])
        } else if let Some(classes) = linear.into_iter().find_map(outputs) {
            (HeadKind::Linear, classes)
        } else if vgg {
            let classes = outputs("classifier.6.weight").unwrap_or(IMAGENET);
            let network = ImagenetVgg::new(arch, classes, width, device)?;
            return Ok(Self::ImagenetVgg(network));
        } else {
            (HeadKind::Linear, IMAGENET)
        };
        let resnet = matches!(arch.backbone(), Backbone::Resnet34 | Backbone::Resnet50);
        let has = |layer: &str| shapes.keys().any(|key| key.starts_with(layer));
        let ends_early = resnet && has("layer3.") && !has("layer4.");
        let config = ClassifierConfig {
            head,
            stages: if ends_early { 4 } else { 5 },
            width,
            ..ClassifierConfig::new(arch, classes)
        };
        Ok(Self::Classifier(config.init(device)?))
    }

    /// What the network makes of normalised images, in inference.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → see [`Output`]
    pub fn forward(&self, images: Tensor<4>) -> Output {
        match self {
            Self::Classifier(network) => Output::Logits(network.forward(images, None)),
            Self::ImagenetVgg(network) => Output::Logits(network.forward(images)),
            Self::Segmenter(network) => Output::Map(network.forward(images)),
            Self::Irnet(network) => {
                let levels = network.levels(images);
                Output::Boundaries {
                    edge: network.edge(&levels),
                    displacement: network.displacement(&levels),
                }
            }
        }
    }
}
