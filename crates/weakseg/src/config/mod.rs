//! The resolved configuration of a run: every value spelled out, nothing left to a default at run time.
//!
//! Decisions are data: a run folder holds the [`Config`] that made it. Layers, later wins: built-in defaults, a preset,
//! the file, then each `--set a.b=value` ([`load`]). Unknown keys are refused with the nearest known one.

mod cams;
mod card;
mod check;
mod classifier;
mod crf;
mod error;
mod evaluate;
mod image;
mod ir_labels;
mod irn;
mod keys;
mod layers;
mod loader;
mod precision;
mod presets;
mod pseudo_labels;
mod ranges;
mod segmenter;
mod settings;
mod training;
mod triplet;
mod weights;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::DataConfig;

pub use cams::CamStep;
pub use classifier::{ClassifierStep, DropBlockStep, LabelWeight, LabelWeightRule};
pub use crf::Crf;
pub use error::ConfigError;
pub use evaluate::{EvaluateStep, Prior};
pub use image::{ImageConfig, NormalisationName};
pub use ir_labels::IrLabelStep;
pub use irn::IrnStep;
pub use layers::{load, resolve, schema, to_toml};
pub use loader::LoaderConfig;
pub use precision::Precision;
pub use presets::{PRESETS, preset};
pub use pseudo_labels::{InstanceStep, MOST_STEPS, PseudoLabelStep};
pub use ranges::MOST_RADIUS;
pub use segmenter::{EncoderStart, PosWeight, PosWeightRule, SegmenterStep};
pub use settings::Settings;
pub use training::{SamplerKind, Training};
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
    /// Whether a training step keeps less from its forward pass and does cheap operations again in the backward pass.
    /// No result depends on it, so that it may change while a run is under way.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// Where the images and their image-level labels are.
    pub data: DataConfig,
    /// The grid the networks see.
    #[serde(default)]
    pub image: ImageConfig,
    /// The image-level classifier.
    #[serde(default)]
    pub classifier: ClassifierStep,
    /// Its activation maps.
    #[serde(default)]
    pub cams: CamStep,
    /// Confident foreground, background and ignored pixels for IRNet.
    #[serde(default)]
    pub ir_labels: IrLabelStep,
    /// IRNet.
    #[serde(default)]
    pub irn: IrnStep,
    /// The random walk to pseudo-labels.
    #[serde(default)]
    pub pseudo_labels: PseudoLabelStep,
    /// The segmentation network.
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
