//! How the outputs of a segmentation network become masks.

use serde::{Deserialize, Serialize};

use crate::config::{Crf, SegmenterStep, Triplet};

/// The settings of `[segmenter]` that are read where masks are made, and by no training: to change one, the
/// segmentation network is used again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskRule {
    /// Probability above which a pixel belongs to a finding.
    pub threshold: f64,
    /// Triplet rule of findings, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triplet: Option<Triplet>,
    /// Regions below this share of the image are removed.
    #[serde(default)]
    pub min_area: f64,
    /// Classifier probability that a class must exceed to be in the mask; 0 for no gate.
    pub gate: f64,
    /// Average with the mirrored image; so where nothing is said, as in the notes of earlier versions.
    #[serde(default = "yes")]
    pub flip: bool,
    /// Dense CRF over the probabilities, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crf: Option<Crf>,
}

fn yes() -> bool {
    true
}

impl MaskRule {
    /// The keys of `[segmenter]` that it is made of.
    pub(crate) const KEYS: [&str; 6] = ["threshold", "triplet", "min_area", "gate", "flip", "crf"];

    /// That of a configuration.
    pub fn of(config: &SegmenterStep) -> Self {
        Self {
            threshold: config.threshold,
            triplet: config.triplet,
            min_area: config.min_area,
            gate: config.gate,
            flip: config.flip,
            crf: config.crf.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setting that is left out of the keys would be read by nobody's digest.
    #[test]
    fn its_keys_are_its_fields_and_the_configurations() {
        let rule = MaskRule::of(&SegmenterStep {
            triplet: Some(Triplet::default()),
            crf: Some(Crf::default()),
            ..SegmenterStep::default()
        });
        let all = SegmenterStep {
            triplet: rule.triplet,
            crf: rule.crf.clone(),
            ..SegmenterStep::default()
        };
        let rule = serde_json::to_value(&rule).expect("JSON");
        let all = serde_json::to_value(all).expect("JSON");
        let fields = rule.as_object().expect("an object");
        assert_eq!(fields.len(), MaskRule::KEYS.len());
        for key in MaskRule::KEYS {
            assert_eq!(fields.get(key), all.get(key), "{key}");
            assert!(fields.contains_key(key), "{key}");
        }
    }
}
