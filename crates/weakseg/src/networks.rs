//! From settings to networks and back: how each is built, started, named in its file, and opened again.

use std::fmt;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use weakseg_data::{Classes, LabelSpace, Plane, Stack, View};
use weakseg_models::weights::{
    ChannelOrder, Metadata, WeightsError, import_trunk, load_safetensors, read_metadata,
};
use weakseg_models::{
    Classifier, ClassifierArch, ClassifierConfig, DropBlockConfig, HeadKind, Irnet, IrnetConfig,
    ModelError, Normalisation, Segmenter, SegmenterArch, SegmenterConfig,
};

use crate::config::{EncoderStart, NormalisationName, Settings};
use crate::mask_rule::MaskRule;
use crate::pipeline::{Bench, StepError};
use crate::pretrained::{WeightsChoice, entry};
use crate::progress::Progress;

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Image-level labels and maps.
    Classifier,
    /// Boundaries and displacements.
    Irnet,
    /// Masks.
    Segmenter,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classifier => "classifier",
            Self::Irnet => "irnet",
            Self::Segmenter => "segmenter",
        })
    }
}

/// What a weights file says of its network: enough to build it again and to use it as the run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// What it is for.
    pub role: Role,
    /// Architecture, by its name on the command line.
    pub arch: String,
    /// Factor on channel counts.
    pub width: f64,
    /// What follows a classifier's trunk.
    #[serde(default)]
    pub head: HeadKind,
    /// Stages of a classifier's trunk.
    #[serde(default = "all_stages")]
    pub stages: usize,
    /// scSE in a segmentation network's decoder.
    #[serde(default)]
    pub attention: bool,
    /// Separable convolutions in a segmentation network's head.
    #[serde(default)]
    pub separable: bool,
    /// Scales whose greatest logits a segmentation network takes; none is the image as it is.
    #[serde(default)]
    pub scales: Vec<f64>,
    /// Classes, in the order of the outputs.
    pub classes: Classes,
    /// Side of the square input.
    pub size: usize,
    /// Input convention.
    pub normalisation: NormalisationName,
    /// How a segmentation network's masks are made, as it was set when the network was trained.
    #[serde(flatten)]
    pub rule: MaskRule,
    /// How the images that it learned from were seen; none of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// Digest of the settings, the data and the steps that it was trained from, as in `run.json` of its run; none of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
}

fn all_stages() -> usize {
    5
}

/// Key of the card in a weights file.
const CARD: &str = "card";

impl ModelCard {
    fn new(config: Settings<'_>, classes: &Classes, role: Role, arch: String, width: f64) -> Self {
        Self {
            role,
            arch,
            width,
            head: config.classifier.head,
            stages: config.classifier.stages,
            attention: config.segmenter.attention,
            separable: config.segmenter.separable,
            scales: config.segmenter.scales.clone(),
            classes: classes.clone(),
            size: config.image.size,
            normalisation: config.image.normalisation,
            rule: match role {
                Role::Segmenter => MaskRule::of(config.segmenter),
                // It makes no masks.
                Role::Classifier | Role::Irnet => MaskRule {
                    gate: 0.0,
                    crf: None,
                    ..MaskRule::of(config.segmenter)
                },
            },
            view: None,
            inputs: None,
        }
    }

    /// The classifier of these settings.
    pub fn classifier(config: Settings<'_>, classes: &Classes) -> Self {
        Self::new(
            config,
            classes,
            Role::Classifier,
            config.classifier.arch.to_string(),
            config.classifier.width,
        )
    }

    /// IRNet on the trunk of the classifier.
    pub fn irnet(config: Settings<'_>, classes: &Classes) -> Self {
        Self::new(
            config,
            classes,
            Role::Irnet,
            config.classifier.arch.to_string(),
            config.classifier.width,
        )
    }

    /// The segmentation network.
    pub fn segmenter(config: Settings<'_>, classes: &Classes) -> Self {
        Self::new(
            config,
            classes,
            Role::Segmenter,
            config.segmenter.arch.to_string(),
            config.segmenter.width,
        )
    }

    /// Input convention in numbers.
    pub fn normalisation(&self) -> Normalisation {
        statistics(self.normalisation)
    }

    /// Outputs of a segmentation network: background and classes, or findings.
    pub fn outputs(&self) -> usize {
        match self.classes.space {
            LabelSpace::Exclusive => self.classes.len() + 1,
            LabelSpace::Findings => self.classes.len(),
        }
    }

    /// What is written into the file.
    pub fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new(
            &self.arch,
            self.classes.len(),
            self.width,
            self.normalisation(),
        );
        let card = serde_json::to_string(self).expect("plain fields");
        metadata.extra.insert(CARD.to_owned(), card);
        metadata
    }

    /// Reads the card of a file that weakseg wrote.
    ///
    /// # Errors
    /// When the file is no safetensors file or holds no card, or one that no run wrote: the file's digest is of its
    /// numbers alone.
    pub fn read(path: &Path) -> Result<Self, NetworkError> {
        let metadata = read_metadata(path)?;
        let text = metadata.extra.get(CARD);
        let text = text.ok_or_else(|| NetworkError::NoCard {
            path: path.to_owned(),
        })?;
        let card = serde_json::from_str(text).map_err(|error| error.to_string());
        card.and_then(|card: Self| card.check().map(|()| card))
            .map_err(|why| NetworkError::Card {
                path: path.to_owned(),
                why,
            })
    }
}

/// Why a network cannot be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Settings.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file of weights alone.
    #[error("{}: weights without a model card; expected a file that a weakseg run wrote (model.safetensors)", path.display())]
    NoCard {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A card that says what cannot be.
    #[error("{}: its model card is damaged ({why}); copy the file again, or repeat the step that wrote it with --from", path.display())]
    Card {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl From<NetworkError> for StepError {
    fn from(error: NetworkError) -> Self {
        Self::Other(error.to_string())
    }
}

/// The numbers of an input convention.
pub fn statistics(name: NormalisationName) -> Normalisation {
    match name {
        NormalisationName::Imagenet => Normalisation::IMAGENET,
        NormalisationName::Caffe => Normalisation::CAFFE,
        NormalisationName::Pneumothorax => Normalisation::XRAY,
        NormalisationName::Float => Normalisation::UNIT,
        NormalisationName::Binary => Normalisation::BINARY,
        NormalisationName::None => Normalisation::NONE,
    }
}

/// How the classifier of these settings is built, for `classes` logits.
pub(crate) fn classifier_config(config: Settings<'_>, classes: usize) -> ClassifierConfig {
    let step = config.classifier;
    let drop = &step.dropblock;
    ClassifierConfig {
        head: step.head,
        stages: step.stages,
        width: step.width,
        dropblock: (drop.probability > 0.0).then_some(DropBlockConfig {
            block_size: drop.block,
            form: drop.form,
            place: drop.place,
        }),
        frozen_blocks: step.frozen_blocks,
        fixed_statistics: step.fixed_statistics,
        ..ClassifierConfig::new(step.arch, classes)
    }
}

/// How the segmentation network of these settings is built, for `outputs` logits a pixel.
pub(crate) fn segmenter_config(config: Settings<'_>, outputs: usize) -> SegmenterConfig {
    let step = config.segmenter;
    SegmenterConfig {
        width: step.width,
        attention: step.attention,
        separable: step.separable,
        ..SegmenterConfig::new(step.arch, outputs)
    }
}

/// The classifier with fresh weights, or its trunk from the file of the settings.
pub(crate) fn new_classifier(
    bench: &Bench<'_>,
    seed: u64,
    device: &Device,
) -> Result<Classifier, StepError> {
    let step = bench.config.classifier;
    let network = ClassifierConfig {
        seed,
        ..classifier_config(bench.config, bench.cases.classes.len())
    }
    .init(device)
    .map_err(NetworkError::from)?;
    match &bench.weights {
        Some(path) => trunk_from_file(network, path, step.weights_channels, bench.progress),
        None => {
            let why = match step.width == 1.0 {
                true => "classifier.weights is \"none\"",
                false => "no published weights fit another classifier.width than 1",
            };
            bench.progress.note(&format!("    trunk from noise: {why}"));
            Ok(network)
        }
    }
}

fn trunk_from_file<M: Module>(
    network: M,
    path: &Path,
    order: ChannelOrder,
    progress: &dyn Progress,
) -> Result<M, StepError> {
    let (network, report) = import_trunk(network, path, order).map_err(NetworkError::from)?;
    progress.note(&format!("    trunk from {}: {report}", path.display()));
    Ok(network)
}

/// IRNet with fresh heads on the classifier's trunk.
pub(crate) fn new_irnet(
    bench: &Bench<'_>,
    classifier: &Classifier,
    seed: u64,
    device: &Device,
) -> Result<Irnet, StepError> {
    let step = bench.config.classifier;
    let config = IrnetConfig {
        trunk: step.arch,
        width: step.width,
        seed,
    };
    let irnet = config.init(device).map_err(NetworkError::from)?;
    Ok(irnet
        .init_trunk_from(classifier)
        .map_err(NetworkError::from)?
        .0)
}

/// The segmentation network with its encoder started as the settings say.
pub(crate) fn new_segmenter(
    bench: &Bench<'_>,
    seed: u64,
    device: &Device,
) -> Result<Segmenter, StepError> {
    let step = bench.config.segmenter;
    let outputs = ModelCard::segmenter(bench.config, &bench.cases.classes).outputs();
    let network = SegmenterConfig {
        seed,
        ..segmenter_config(bench.config, outputs)
    }
    .init(device)
    .map_err(NetworkError::from)?;
    match step.encoder {
        EncoderStart::Random => {
            let note = "    encoder from noise: segmenter.encoder is \"random\"";
            bench.progress.note(note);
            Ok(network)
        }
        EncoderStart::Classifier => {
            let file = bench
                .run
                .folder("train-classifier")
                .join(crate::pipeline::steps::MODEL);
            let classifier = open_classifier(&file, &ModelCard::read(&file)?, device)?;
            bench
                .progress
                .note("    encoder from the classifier's trunk");
            Ok(network
                .init_encoder_from(&classifier)
                .map_err(NetworkError::from)?
                .0)
        }
        EncoderStart::Weights => {
            let path = bench.encoder_weights.as_ref().ok_or_else(|| {
                StepError::Other(
                    "segmenter.encoder is \"weights\" but segmenter.weights is not given and classifier.weights is \"none\"; set it, or use \"classifier\" or \"random\""
                        .to_owned(),
                )
            })?;
            let channels = match &step.weights {
                Some(WeightsChoice::Named(name)) => {
                    entry(name).map_or(ChannelOrder::Rgb, |entry| entry.channels)
                }
                Some(_) => step.weights_channels,
                None => bench.config.classifier.weights_channels,
            };
            trunk_from_file(network, path, channels, bench.progress)
        }
    }
}

/// Opens a classifier.
///
/// # Errors
/// When the file does not hold the network its card describes.
pub fn open_classifier(
    path: &Path,
    card: &ModelCard,
    device: &Device,
) -> Result<Classifier, NetworkError> {
    let arch: ClassifierArch = card.arch.parse()?;
    let config = ClassifierConfig {
        head: card.head,
        stages: card.stages,
        width: card.width,
        ..ClassifierConfig::new(arch, card.classes.len())
    };
    Ok(load_safetensors(config.init(device)?, path)?.0)
}

/// Opens an IRNet.
///
/// # Errors
/// When the file does not hold the network its card describes.
pub fn open_irnet(path: &Path, card: &ModelCard, device: &Device) -> Result<Irnet, NetworkError> {
    let config = IrnetConfig {
        width: card.width,
        ..IrnetConfig::new(card.arch.parse()?)
    };
    Ok(load_safetensors(config.init(device)?, path)?.0)
}

/// Opens a segmentation network.
///
/// # Errors
/// When the file does not hold the network its card describes.
pub fn open_segmenter(
    path: &Path,
    card: &ModelCard,
    device: &Device,
) -> Result<Segmenter, NetworkError> {
    let arch: SegmenterArch = card.arch.parse()?;
    let config = SegmenterConfig {
        width: card.width,
        attention: card.attention,
        separable: card.separable,
        ..SegmenterConfig::new(arch, card.outputs())
    };
    Ok(load_safetensors(config.init(device)?, path)?.0)
}

/// The image seen in a mirror.
pub fn mirror(image: &Stack<u8>) -> Stack<u8> {
    let width = image.width();
    let values = image
        .as_slice()
        .chunks(width)
        .flat_map(|row| row.iter().rev().copied())
        .collect();
    Stack::new(image.channels(), image.height(), width, values).expect("the size of the image")
}

/// All values of a tensor, in order.
pub fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// [B, 1, H, W] → B planes.
pub fn planes(tensor: Tensor<4>) -> Vec<Plane<f32>> {
    let [_, _, height, width] = tensor.dims();
    to_vec(tensor)
        .chunks(height * width)
        .map(|values| Plane::new(height, width, values.to_vec()).expect("a chunk of that size"))
        .collect()
}

/// [B, C, H, W] → B stacks of C planes.
pub fn stacks(tensor: Tensor<4>) -> Vec<Stack<f32>> {
    let [_, channels, height, width] = tensor.dims();
    to_vec(tensor)
        .chunks(channels * height * width)
        .map(|values| {
            Stack::new(channels, height, width, values.to_vec()).expect("a chunk of that size")
        })
        .collect()
}
