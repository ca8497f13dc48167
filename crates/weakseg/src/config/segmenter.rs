//! `[segmenter]`: the segmentation network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_models::SegmenterArch;
use weakseg_models::weights::ChannelOrder;

use super::ranges::{self, positive, share};
use super::{Crf, Training, Triplet};
use crate::loss::SegmentationLoss;
use crate::pretrained::WeightsChoice;

/// `train-segmenter` (paper §3.4; reference §6).
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
    /// Factors on the image's size whose greatest logits are taken, in training and use; `[1.0]` is the network as
    /// published.
    pub scales: Vec<f64>,
    /// What the encoder starts from.
    pub encoder: EncoderStart,
    /// The file of `encoder = "weights"`, written as `classifier.weights` is: `"auto"`, the pretrained weights of the
    /// encoder's own trunk, a name or a file. By default those that the classifier started from. Not read with another
    /// `encoder`.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub weights: Option<WeightsChoice>,
    /// Order of the colours that the weights of such a file were trained on.
    // Left out where it is the usual one, as `weights`.
    #[serde(skip_serializing_if = "is_rgb")]
    pub weights_channels: ChannelOrder,
    /// Losses whose weighted sum is minimised, at least one. With several, the log shows each one's share of the sum.
    pub losses: Vec<SegmentationLoss>,
    /// Weight of positive pixels in binary cross-entropies: of findings, or in `bce` of classes against the rest. Where
    /// these are the only losses, it is taken back from the finished network's logits, so that `threshold` is a
    /// probability without it.
    pub pos_weight: PosWeight,
    /// Probability above which a pixel belongs to a finding.
    pub threshold: f64,
    /// Triplet rule: a finding that is nowhere sure gets an empty mask; not asked where nothing is said. For findings
    /// alone. The empty table will do.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triplet: Option<Triplet>,
    /// Predicted regions smaller than this share of the image are removed. For findings alone.
    pub min_area: f64,
    /// Classifier probability that a class must exceed to be in the mask of an image; 0 asks the segmentation network
    /// alone.
    pub gate: f64,
    /// Average over the mirrored image when predicting.
    pub flip: bool,
    /// Dense CRF over the probabilities when predicting, on the network's grid; none where nothing is said, and the
    /// empty table will do. Lengths are pixels of the network's input.
    // Left out where there is none, as `triplet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crf: Option<Crf>,
    /// How training runs.
    pub training: Training,
}

fn is_rgb(channels: &ChannelOrder) -> bool {
    *channels == ChannelOrder::Rgb
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
            weights_channels: ChannelOrder::Rgb,
            losses: vec![SegmentationLoss::CrossEntropy { weight: 1.0 }],
            pos_weight: PosWeight::Rule(PosWeightRule::FromPixels),
            threshold: 0.5,
            triplet: None,
            min_area: 0.0,
            gate: 0.0,
            flip: true,
            crf: None,
            training: Training {
                head_lr_factor: 10.0,
                ..Training::default()
            },
        }
    }
}

impl SegmenterStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        self.training.check("segmenter")?;
        positive("segmenter.width", self.width)?;
        if self.scales.is_empty() {
            return Err("segmenter.scales is empty; expected at least one, as in [1.0]".to_owned());
        }
        for &scale in &self.scales {
            ranges::scale("segmenter.scales", scale)?;
        }
        share("segmenter.threshold", self.threshold)?;
        share("segmenter.gate", self.gate)?;
        share("segmenter.min_area", self.min_area)?;
        if let Some(crf) = &self.crf {
            crf.check("segmenter.crf")?;
        }
        match self.pos_weight {
            PosWeight::Value(weight) => positive("segmenter.pos_weight", weight),
            PosWeight::Rule(_) => Ok(()),
        }
    }
}

/// What a segmentation network's encoder starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderStart {
    /// The classifier's trunk where the architectures agree, else an error.
    Classifier,
    /// The weights that `segmenter.weights` names, else those that the classifier started from.
    Weights,
    /// Noise.
    Random,
}

/// Weight of positive pixels in the BCE: `"from-pixels"` or a number above 0.
///
/// The paper weighs positives but does not say by how much (reference §13).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"from-pixels\" or a number above 0")]
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
    /// Square root of negative over positive pixels, per finding or class: the full ratio trades too many false alarms
    /// for overlap.
    FromPixels,
}
