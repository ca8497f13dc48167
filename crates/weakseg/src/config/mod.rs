//! The resolved configuration of a run: every value spelled out, nothing left to a default at run time.
//!
//! Decisions are data: a run folder holds the [`Config`] that made it. Layers, later wins: built-in defaults, a preset,
//! the file, then each `--set a.b=value` ([`load`]). Unknown keys are refused with the nearest known one.

mod check;
mod layers;
mod loader;
mod precision;
mod presets;
mod triplet;
mod weights;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::DataConfig;
use weakseg_data::augment::Augment;
use weakseg_models::layers::DropBlockForm;
use weakseg_models::weights::ChannelOrder;
use weakseg_models::{ClassifierArch, DropBlockPlace, HeadKind, SegmenterArch};

use crate::cam::{CamMethod, Normalise, Threshold};
use crate::instance::InstanceRule;
use crate::instance::coco::MaskForm;
use crate::loss::{ClassifierLoss, SegmentationLoss};
use crate::optim::{GroupConfig, OptimConfig, ScheduleConfig};
use crate::pretrained::WeightsChoice;
use crate::train::{Monitor, Select};

pub use layers::{ConfigError, load, resolve, schema, to_toml};
pub use loader::LoaderConfig;
pub use precision::Precision;
pub use presets::{PRESETS, preset};
pub use triplet::Triplet;

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Shown in the report.
    #[serde(default = "default_title")]
    pub title: String,
    /// Seed of everything that is drawn: initial weights, order, augmentation, DropBlock, bootstrap.
    #[serde(default)]
    pub seed: u64,
    /// Arithmetic of the convolutions on the CPU.
    #[serde(default)]
    pub precision: Precision,
    /// Whether a training step keeps less from its forward pass and does cheap operations again in the backward pass. No result depends on
    /// it, so that it may change while a run is under way.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// Where the images and their image-level labels are.
    pub data: DataConfig,
    /// The grid the networks see.
    #[serde(default)]
    pub image: ImageConfig,
    /// Step 1: the image-level classifier.
    #[serde(default)]
    pub classifier: ClassifierStep,
    /// Step 1: activation maps.
    #[serde(default)]
    pub cams: CamStep,
    /// Step 2: confident foreground, background and ignored pixels for IRNet.
    #[serde(default)]
    pub ir_labels: IrLabelStep,
    /// Step 2: IRNet.
    #[serde(default)]
    pub irn: IrnStep,
    /// Step 2: random walk to pseudo-labels.
    #[serde(default)]
    pub pseudo_labels: PseudoLabelStep,
    /// Step 3: the segmentation network.
    #[serde(default)]
    pub segmenter: SegmenterStep,
    /// Scores and report.
    #[serde(default)]
    pub evaluate: EvaluateStep,
    /// How batches are made: no result depends on it, so that it may change while a run is under way.
    #[serde(default)]
    pub loader: LoaderConfig,
}

fn default_title() -> String {
    "weakseg run".to_owned()
}

/// The grid the networks see: images are resized to `size` × `size`, masks are given back at the original size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Height and width of the network's input in pixels, a multiple of 16.
    pub size: usize,
    /// Colour statistics that the input is normalised with.
    pub normalisation: NormalisationName,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self {
            size: 256,
            normalisation: NormalisationName::Imagenet,
        }
    }
}

/// Names of input conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormalisationName {
    /// Mean .485/.456/.406, standard deviation .229/.224/.225 of values in 0..=1.
    Imagenet,
    /// Caffe's: 0..=255 minus 123.68/116.779/103.939, not divided. For the original VGG16 weights.
    Caffe,
    /// Mean .490, standard deviation .230 of values in 0..=1: the reference's for chest X-rays, which none of its runs uses.
    Pneumothorax,
    /// 0..=255 divided by 255.
    Float,
    /// 0 stays 0, all above is 1: for images that are masks.
    Binary,
    /// 0..=255 as they are.
    None,
}

/// Step 1, `train-classifier` (paper §3.1; reference §1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierStep {
    /// Network.
    pub arch: ClassifierArch,
    /// What follows the trunk: `extra` convolutions (the paper's), `linear` (ResNets as published) or `conv` (IRNet's).
    pub head: HeadKind,
    /// Stages of the trunk that are used: 5, or 4 for a ResNet that ends with `layer3`, on which no IRNet stands.
    pub stages: usize,
    /// Factor on every channel count; 1 is the published network.
    pub width: f64,
    /// What the trunk starts from: `"auto"`, the pretrained weights of the trunk, but none for phantoms and where `width`
    /// is not 1; `"none"`, noise; a name of `weakseg weights list`; or a file with torchvision's names, safetensors or
    /// PyTorch's, relative to the configuration file.
    #[schemars(with = "String")]
    pub weights: WeightsChoice,
    /// Order of the colours that the weights of a file were trained on.
    pub weights_channels: ChannelOrder,
    /// Blocks at the start of the trunk that stay as loaded.
    pub frozen_blocks: usize,
    /// Batch norm keeps the running statistics it is loaded with, as in IRNet's CAM network. For pretrained weights only.
    pub fixed_statistics: bool,
    /// DropBlock; probability 0 switches it off.
    pub dropblock: DropBlockStep,
    /// What is minimised.
    pub loss: ClassifierLoss,
    /// How training runs.
    pub training: Training,
}

impl Default for ClassifierStep {
    fn default() -> Self {
        Self {
            arch: ClassifierArch::Vgg16Bn,
            head: HeadKind::Extra,
            stages: 5,
            width: 1.0,
            weights: WeightsChoice::Auto,
            weights_channels: ChannelOrder::Rgb,
            frozen_blocks: 0,
            fixed_statistics: false,
            dropblock: DropBlockStep::default(),
            loss: ClassifierLoss::Bce,
            training: Training::default(),
        }
    }
}

/// DropBlock's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DropBlockStep {
    /// Share of the map that is dropped once the ramp is over, in 0..1.
    pub probability: f64,
    /// Side of a dropped square in cells of the map.
    pub block: usize,
    /// Paper-correct or as the reference code draws it.
    pub form: DropBlockForm,
    /// Before the head, or where the reference code has it.
    pub place: DropBlockPlace,
    /// Epochs over which the probability rises linearly from 0.
    pub ramp_epochs: usize,
}

impl Default for DropBlockStep {
    fn default() -> Self {
        // Reference §1.2: p 0.2, block 7 (the X-ray YAML); the paper does not state them.
        Self {
            probability: 0.2,
            block: 7,
            form: DropBlockForm::Paper,
            place: DropBlockPlace::BeforeExtra,
            ramp_epochs: 10,
        }
    }
}

/// Which cases an epoch draws, and in which order. Positives are cases with any label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SamplerKind {
    /// Each case once, in random order.
    Shuffle,
    /// With replacement, every label as often as every other, and cases without any label as often as one.
    Balanced,
    /// Each positive once, in random order, and nothing else.
    Positives,
    /// With replacement, this share of positives.
    Share(f64),
    /// With replacement, a share of positives that goes in a straight line from one to the other.
    Schedule {
        /// Share of positives in the first epoch.
        from: f64,
        /// Share of positives from epoch `epochs` on.
        to: f64,
        /// Epochs on the way, both ends counted.
        epochs: usize,
    },
}

/// What the three training steps share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images a batch.
    pub batch: usize,
    /// Batches an optimizer step: it is taken on the mean of their gradients. The last step of an epoch may have fewer.
    pub accumulate: usize,
    /// Optimizer and its base learning rate.
    pub optimizer: OptimConfig,
    /// Factor on the learning rate of the part that starts from noise (extra convolutions, heads, decoder). Not read where
    /// `groups` are given.
    pub head_lr_factor: f64,
    /// Parts with learning rates of their own, in place of `head_lr_factor`. A parameter belongs to the first group that
    /// holds it; what none holds has `optimizer.lr`.
    pub groups: Vec<GroupConfig>,
    /// How the learning rate falls.
    pub schedule: ScheduleConfig,
    /// Greatest L2 norm of the gradient of all parameters together; a greater one is scaled down to it. None where nothing
    /// is said.
    pub clip: Option<f64>,
    /// Decay of a moving average of the weights, such as 0.999; it is what is validated and kept as the step's network. None
    /// where nothing is said.
    pub ema: Option<f64>,
    /// Figure of the validation split by which epochs are compared: `loss`, and for the classifier `auroc` and `f1`. A step
    /// without such figures compares by its training loss.
    pub monitor: Monitor,
    /// The step's network is that of the `last` epoch or of the `best` by `monitor`.
    pub select: Select,
    /// Training ends after so many epochs without an improvement of `monitor`; 0 for never.
    pub patience: usize,
    /// Keep a checkpoint of every so many epochs, besides the last two and the best; 0 for none.
    pub keep_every: usize,
    /// Which cases are drawn, and in which order: `"shuffle"`, `"balanced"`, `"positives"`, `{ share = 0.5 }` or
    /// `{ schedule = { from = 0.8, to = 0.2, epochs = 10 } }`.
    pub sampler: SamplerKind,
    /// Random changes to each training image: a `scope` by name, a list of `steps`, or the keys after them.
    pub augment: Augment,
    /// Whether images are changed at their own size and brought to the network's afterwards, as the reference does. They are then
    /// kept and changed at their own size, which takes the memory and the time of as many pixels.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub augment_first: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 8,
            accumulate: 1,
            optimizer: OptimConfig::default(),
            head_lr_factor: 1.0,
            groups: Vec::new(),
            schedule: ScheduleConfig::default(),
            clip: None,
            ema: None,
            monitor: Monitor::Loss,
            select: Select::Last,
            patience: 0,
            keep_every: 0,
            sampler: SamplerKind::Shuffle,
            augment: Augment::default(),
            augment_first: false,
        }
    }
}

/// Step 1, `make-cams` and `eval-cams` (paper §3.2; reference §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CamStep {
    /// Activation map.
    pub method: CamMethod,
    /// Layer whose activations are weighted: `block1` to `block5` of VGG16, `stem`, `layer1` to `layer4` of the others, and
    /// `extra` where the head has extra convolutions. The last where nothing is said: it is the method's, and its maps come
    /// without a backward pass. An earlier one has finer cells and sees less around each, at one backward pass a class and image.
    pub layer: Option<String>,
    /// Scales of the input that are summed.
    pub scales: Vec<f64>,
    /// Add the map of the mirrored image.
    pub flip: bool,
    /// How each class's map is brought to 0..=1.
    pub normalise: Normalise,
    /// Probability above which a class counts as predicted.
    pub gate: f64,
    /// Where a map ends when it is scored as a mask: the constant background of the exclusive kind, the threshold of findings. A
    /// number, or `"otsu"` for Otsu's threshold of each map, which needs none.
    pub threshold: Threshold,
}

impl Default for CamStep {
    fn default() -> Self {
        Self {
            method: CamMethod::default(),
            layer: None,
            scales: vec![1.0],
            flip: true,
            normalise: Normalise::Max,
            gate: 0.5,
            threshold: Threshold::Fixed(0.3),
        }
    }
}

/// Step 2, `make-ir-labels` (reference §3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrLabelStep {
    /// Background value against which the confident foreground is taken.
    pub foreground: f32,
    /// Background value against which the confident background is taken.
    pub background: f32,
    /// Refine both maps by a dense CRF.
    pub crf: bool,
    /// Certainty of the labels that the CRF starts from, in 0.5..1.
    pub gt_prob: f32,
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in grey levels, and weight of the bilateral term.
    pub bilateral: [f32; 3],
}

impl Default for IrLabelStep {
    fn default() -> Self {
        Self {
            foreground: 0.30,
            background: 0.05,
            crf: true,
            gt_prob: 0.7,
            iterations: 10,
            gaussian: [3.0, 3.0],
            bilateral: [50.0, 5.0, 10.0],
        }
    }
}

/// Step 2, `train-irn` (reference §4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IrnStep {
    /// Search radius of the pairs, in cells of the stride-4 grid.
    pub radius: usize,
    /// How training runs; `head_lr_factor` multiplies the displacement head (reference: 10), which `groups` call `head`, and
    /// the boundary head is their `trunk`: the trunk of the network does not learn here.
    pub training: Training,
}

impl Default for IrnStep {
    fn default() -> Self {
        Self {
            radius: 10,
            training: Training {
                epochs: 3,
                optimizer: OptimConfig::sgd(0.1, 0.9, 1e-4),
                head_lr_factor: 10.0,
                ..Training::default()
            },
        }
    }
}

/// Step 2, `make-pseudo-labels` (reference §5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PseudoLabelStep {
    /// Radius of the walk's transitions, in cells of the stride-4 grid.
    pub radius: usize,
    /// Exponent on the affinities.
    pub beta: f32,
    /// Steps of the walk.
    pub steps: usize,
    /// Walk along the ridges of the boundary map alone: for images so small that boundaries cover much of an object.
    pub thin_edges: bool,
    /// Background of the exclusive kind, threshold of findings, after division by the maximum.
    pub threshold: f32,
    /// Refine the walked maps by a dense CRF on the network's grid; not done where nothing is said.
    pub crf: Option<Crf>,
    /// Regions smaller than this share of the image are removed.
    pub min_area: f32,
    /// Regions whose mean score is below this are removed.
    pub min_confidence: f32,
    /// Tell the objects of a class apart and write them as COCO annotations too; not done where nothing is said. The empty
    /// table will do.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<InstanceStep>,
}

impl Default for PseudoLabelStep {
    fn default() -> Self {
        Self {
            radius: 5,
            beta: 10.0,
            steps: 256,
            thin_edges: false,
            threshold: 0.25,
            crf: None,
            min_area: 0.0,
            min_confidence: 0.0,
            instances: None,
        }
    }
}

/// Instances of the pseudo-labels (reference §5.6): IRNet's displacements gather cells around centres, and the class maps
/// walk from each gathering alone, as far as the pseudo-labels' do and over the same boundaries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceStep {
    /// Greatest number of steps along the displacement field.
    pub centroid_steps: usize,
    /// Displacements shorter than this mark centres, in cells of the stride-4 grid. The published one suits images of 512
    /// pixels; smaller images need a smaller one.
    pub weak_displacement: f32,
    /// Value of the background after division by the maximum.
    pub threshold: f32,
    /// Segments that cover less than this share of the image are left out.
    pub min_area: f32,
    /// How masks are written: `rle`, COCO's compressed run lengths, or `polygons`, outlines along the sides of pixels.
    pub masks: MaskForm,
}

impl Default for InstanceStep {
    fn default() -> Self {
        let rule = InstanceRule::default();
        Self {
            centroid_steps: rule.steps,
            weak_displacement: rule.weak,
            threshold: rule.threshold,
            min_area: rule.min_area,
            masks: MaskForm::Rle,
        }
    }
}

/// A dense CRF (Krähenbühl and Koltun 2011) over scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Crf {
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in grey levels, and weight of the bilateral term.
    pub bilateral: [f32; 3],
}

impl Default for Crf {
    fn default() -> Self {
        Self {
            iterations: 10,
            gaussian: [3.0, 3.0],
            bilateral: [50.0, 5.0, 10.0],
        }
    }
}

/// Step 3, `train-segmenter` (paper §3.4; reference §6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SegmenterStep {
    /// Network.
    pub arch: SegmenterArch,
    /// Factor on every channel count.
    pub width: f64,
    /// Concurrent spatial and channel squeeze and excitation (scSE) in the decoder of a U-Net.
    pub attention: bool,
    /// Separable convolutions in the head of DeepLabv3+.
    pub separable: bool,
    /// Factors on the image's size whose greatest logits are taken, in training and use; `[1.0]` is the network as published.
    pub scales: Vec<f64>,
    /// What the encoder starts from.
    pub encoder: EncoderStart,
    /// The file of `encoder = "weights"`, written as `classifier.weights` is: `"auto"`, the pretrained weights of the encoder's
    /// own trunk, a name or a file. Those that step 1 started from where nothing is said. Not read with another `encoder`.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub weights: Option<WeightsChoice>,
    /// Losses whose weighted sum is minimised, at least one. With several, the log shows each one's share of the sum.
    pub losses: Vec<SegmentationLoss>,
    /// Weight of positive pixels in binary cross-entropies: of findings, or in `bce` of classes against the rest.
    pub pos_weight: PosWeight,
    /// Probability above which a pixel belongs to a finding.
    pub threshold: f64,
    /// Triplet rule: a finding that is nowhere sure gets an empty mask; not asked where nothing is said. For findings alone. The
    /// empty table will do.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triplet: Option<Triplet>,
    /// Predicted regions smaller than this share of the image are removed.
    pub min_area: f64,
    /// An image whose classifier probability lies below this gets an empty mask; 0 asks only the segmentation network.
    pub gate: f64,
    /// Average over the mirrored image when predicting.
    pub flip: bool,
    /// How training runs.
    pub training: Training,
}

impl Default for SegmenterStep {
    fn default() -> Self {
        Self {
            arch: SegmenterArch::UnetVgg16Bn,
            width: 1.0,
            attention: false,
            separable: false,
            scales: vec![1.0],
            encoder: EncoderStart::Classifier,
            weights: None,
            losses: vec![SegmentationLoss::CrossEntropy { weight: 1.0 }],
            pos_weight: PosWeight::Rule(PosWeightRule::FromPixels),
            threshold: 0.5,
            triplet: None,
            min_area: 0.0,
            gate: 0.0,
            flip: true,
            training: Training {
                head_lr_factor: 10.0,
                ..Training::default()
            },
        }
    }
}

/// What a segmentation network's encoder starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderStart {
    /// The trunk of step 1 where the architectures agree, else an error.
    Classifier,
    /// The weights that `segmenter.weights` names, else those that step 1 started from.
    Weights,
    /// Noise.
    Random,
}

/// Weight of positive pixels in the BCE: `"from-pixels"` or a number above 0.
///
/// The paper weighs positives but does not say by how much (reference §13).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PosWeight {
    /// Taken from the pseudo-labels.
    Rule(PosWeightRule),
    /// A number given.
    Value(f64),
}

/// How a weight is taken from the pseudo-labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PosWeightRule {
    /// Square root of negative over positive pixels, per finding or class: the full ratio trades too many false alarms for overlap.
    FromPixels,
}

/// `evaluate` and `report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateStep {
    /// Resamples of the 95 % bootstrap intervals; 0 leaves them out.
    pub bootstrap: usize,
    /// Rows of pictures in the report.
    pub gallery: usize,
    /// What the baseline that has not seen the image knows.
    pub prior: Prior,
    /// Cases that may be skipped before the run ends with exit code 3.
    pub allow_skips: usize,
}

impl Default for EvaluateStep {
    fn default() -> Self {
        Self {
            bootstrap: 1000,
            gallery: 12,
            prior: Prior::Masks,
            allow_skips: 0,
        }
    }
}

/// The third trivial baseline: one mask for every image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prior {
    /// Mean true mask of the training split, cut where it fits best; the centre where there are none.
    Masks,
    /// Middle of the image.
    Centre,
    /// Mean lung fields of 100 phantoms: for frontal chest X-rays without masks.
    Lungs,
}
