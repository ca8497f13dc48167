//! `[classifier]`: the image-level classifier.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_models::layers::DropBlockForm;
use weakseg_models::weights::ChannelOrder;
use weakseg_models::{ClassifierArch, DropBlockPlace, HeadKind};

use super::ranges::positive;
use super::{SamplerKind, Training};
use crate::loss::ClassifierLoss;
use crate::pretrained::WeightsChoice;

/// `train-classifier` (paper §3.1; reference §1).
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
    /// What the trunk starts from: `"auto"`, the pretrained weights of the trunk, but none for phantoms and where
    /// `width` is not 1; `"none"`, noise; a name of `weakseg weights list`; or a file with torchvision's names,
    /// safetensors or PyTorch's, relative to the configuration file.
    #[schemars(with = "String")]
    pub weights: WeightsChoice,
    /// Order of the colours that the weights of a file were trained on.
    pub weights_channels: ChannelOrder,
    /// Blocks at the start of the trunk that stay as loaded.
    pub frozen_blocks: usize,
    /// Batch norm keeps the running statistics it is loaded with, as in IRNet's CAM network. For pretrained weights
    /// only.
    pub fixed_statistics: bool,
    /// DropBlock; probability 0 switches it off.
    pub dropblock: DropBlockStep,
    /// What is minimised.
    pub loss: ClassifierLoss,
    /// Weight of positive labels in `bce` and `soft-margin`; 1 where nothing is said. Above 1 the classifier calls more
    /// images positive, so `cams.gate` and `segmenter.gate` let more through.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pos_weight: Option<LabelWeight>,
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
            pos_weight: None,
            training: Training::default(),
        }
    }
}

impl ClassifierStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        self.training.check("classifier")?;
        positive("classifier.width", self.width)?;
        if self.pos_weight.is_some() && !self.loss.takes_pos_weight() {
            return Err(
                "classifier.pos_weight is set, but classifier.loss = \"integral-attention\" weighs both kinds of labels alike by \
                 itself; leave one of them out"
                    .to_owned(),
            );
        }
        let sampler = &self.training.sampler;
        if matches!(self.pos_weight, Some(LabelWeight::Rule(_))) && *sampler != SamplerKind::Shuffle
        {
            return Err(format!(
                "classifier.pos_weight is \"from-labels\" and classifier.training.sampler is {}: both balance the labels, and together they \
                 do it twice; leave one of them out, or give the weight as a number",
                serde_json::json!(sampler)
            ));
        }
        match &self.pos_weight {
            Some(LabelWeight::Value(weight)) => positive("classifier.pos_weight", *weight)?,
            Some(LabelWeight::Each(weights)) => {
                for (class, weight) in weights.iter().enumerate() {
                    positive(&format!("classifier.pos_weight[{class}]"), *weight)?;
                }
            }
            Some(LabelWeight::Rule(_)) | None => {}
        }
        self.dropblock.check()
    }
}

/// Weight of positive labels: `"from-labels"`, a number above 0 for all classes, or a list of one a class (reference
/// §1.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"from-labels\", a number above 0, or a list of one a class"
)]
pub enum LabelWeight {
    /// Taken from the labels that are learned from.
    Rule(LabelWeightRule),
    /// A number given.
    Value(f64),
    /// One of each class, in their order.
    Each(Vec<f64>),
}

/// How a weight is taken from the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelWeightRule {
    /// Training images without the finding over those with it, each finding for itself.
    FromLabels,
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
    /// Epochs over which the probability rises in equal steps, from 0 in the first to `probability` in the last of
    /// them; 0 or 1 for the whole probability from the first epoch on.
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

impl DropBlockStep {
    /// The probability of an epoch, counted from 0: the values of `linspace(0, probability, ramp_epochs)`, then the
    /// last of them.
    ///
    /// Departs from the reference, which takes a step every forward pass, those of validation too (reference §1.2):
    /// because its ramp is over after ten batches, before the head has learned anything.
    pub fn probability_at(&self, epoch: usize) -> f64 {
        match self.ramp_epochs.saturating_sub(1) {
            0 => self.probability,
            last => self.probability * (epoch.min(last) as f64 / last as f64),
        }
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.probability) {
            return Err(format!(
                "classifier.dropblock.probability is {}; expected 0 to below 1",
                self.probability
            ));
        }
        if self.block == 0 {
            return Err("classifier.dropblock.block is 0; expected at least 1".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::DropBlockStep;
    use crate::config::{LabelWeight, resolve};

    #[test]
    fn weights_of_labels_are_a_rule_a_number_or_a_list() {
        let of = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
            let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
            let config = resolve(table, "t", None, &sets).map_err(|e| e.to_string())?;
            Ok::<_, String>(config.classifier.pos_weight)
        };
        let set = "classifier.pos_weight";
        assert_eq!(of(&[]), Ok(None));
        let number = of(&[&format!("{set}=3")]);
        assert_eq!(number, Ok(Some(LabelWeight::Value(3.0))));
        let list = of(&[&format!("{set}=[1, 2.5]")]);
        assert_eq!(list, Ok(Some(LabelWeight::Each(vec![1.0, 2.5]))));
        let rule = format!("{set}=from-labels");
        assert!(matches!(of(&[&rule]), Ok(Some(LabelWeight::Rule(_)))));
        for (sets, words) in [
            (&[&format!("{set}=0")[..]][..], "classifier.pos_weight is 0"),
            (
                &[&format!("{set}=[1, -2]")],
                "classifier.pos_weight[1] is -2",
            ),
            (
                &[&format!("{set}=from-label")],
                "expected \"from-labels\", a number",
            ),
            (
                &[&rule, "classifier.training.sampler=balanced"],
                "do it twice",
            ),
            (
                &[&rule, "classifier.loss=integral-attention"],
                "leave one of them out",
            ),
        ] {
            let error = of(sets).expect_err(words);
            assert!(error.contains(words), "{words} is not in: {error}");
        }
    }

    fn of(ramp_epochs: usize) -> Vec<f64> {
        let drop = DropBlockStep {
            probability: 0.27,
            ramp_epochs,
            ..DropBlockStep::default()
        };
        (0..12).map(|epoch| drop.probability_at(epoch)).collect()
    }

    /// linspace(0, 0.27, 10) has steps of 0.03.
    #[test]
    fn the_ramp_has_the_ten_values_of_the_reference() {
        let expected = [
            0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27, 0.27, 0.27,
        ];
        for (found, expected) in of(10).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(of(2)[..3], [0.0, 0.27, 0.27]);
    }

    #[test]
    fn without_a_ramp_the_probability_is_whole_from_the_start() {
        for ramp_epochs in [0, 1] {
            assert_eq!(of(ramp_epochs), [0.27; 12]);
        }
    }
}
