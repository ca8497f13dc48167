//! The triplet rule: two thresholds and an area.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::DataConfig;

use super::Config;
use super::ranges::share;

/// The triplet rule of the winners of SIIM-ACR Pneumothorax: where enough of an image lies above a high threshold, the
/// mask is what lies above a low one, `segmenter.threshold`; elsewhere it is empty, and the image counts as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Triplet {
    /// The high threshold, a probability not below `segmenter.threshold`.
    pub top: f64,
    /// Share of the image's pixels that must lie above `top`, all regions together.
    pub min_area: f64,
}

impl Triplet {
    /// Whether `sure` of an image's `pixels`, those above `top`, are enough for a mask.
    pub fn is_met(&self, sure: u64, pixels: u64) -> bool {
        sure as f64 >= self.min_area * pixels as f64
    }
}

impl Default for Triplet {
    /// 0.75 and 2000 of 1024² pixels, what the winners chose on their validation images.
    fn default() -> Self {
        Self {
            top: 0.75,
            min_area: 0.002,
        }
    }
}

impl Config {
    /// Whether the rule can be followed, in words that name the key, the value and the range where it cannot.
    pub(super) fn check_triplet(&self, triplet: &Triplet) -> Result<(), String> {
        share("segmenter.triplet.top", triplet.top)?;
        share("segmenter.triplet.min_area", triplet.min_area)?;
        if matches!(self.data, DataConfig::Voc(_)) {
            return Err(
                "segmenter.triplet is given, but the classes of data.kind = \"voc\" compete for the pixels and have no threshold; \
                 leave it out, or gate whole images with segmenter.gate"
                    .to_owned(),
            );
        }
        let threshold = self.segmenter.threshold;
        if triplet.top < threshold {
            return Err(format!(
                "segmenter.triplet.top ({}) lies below segmenter.threshold ({threshold}), the lower of the two; expected the same or more",
                triplet.top
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError, resolve, to_toml};
    use super::Triplet;

    fn of(kind: &str, sets: &[&str]) -> Result<Config, ConfigError> {
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        let table = format!("[data]\nkind = \"{kind}\"\nroot = \"set\"");
        resolve(table.parse().expect("TOML"), "t", None, &sets)
    }

    #[test]
    fn a_triplet_is_asked_for_by_a_table_that_may_be_empty() {
        let set = |sets: &[&str]| of("phantom", sets).map(|config| config.segmenter.triplet);
        assert_eq!(set(&[]).expect("valid"), None);
        let empty = set(&["segmenter.triplet={}"]).expect("valid");
        assert_eq!(empty, Some(Triplet::default()));
        let config = of("phantom", &["segmenter.triplet.top=0.9"]).expect("valid");
        let triplet = config.segmenter.triplet.expect("asked for");
        assert_eq!((triplet.top, triplet.min_area), (0.9, 0.002));
        let read = resolve(to_toml(&config).parse().expect("TOML"), "t", None, &[]);
        assert_eq!(read.expect("valid"), config);
    }

    /// What a step reads is digested as it is written: without the new keys that is what it was before there were any.
    #[test]
    fn runs_from_before_keep_their_digests() {
        let config = of("phantom", &[]).expect("valid");
        let segmenter = serde_json::to_value(&config.segmenter).expect("JSON");
        assert!(segmenter.get("triplet").is_none());
        let cams = serde_json::to_value(&config.cams).expect("JSON");
        assert_eq!(cams["threshold"], serde_json::json!(0.3));
    }

    #[test]
    fn triplets_that_cannot_be_are_named() {
        for (kind, sets, words) in [
            (
                "phantom",
                ["segmenter.triplet.top=1.1"],
                "segmenter.triplet.top is 1.1",
            ),
            (
                "phantom",
                ["segmenter.triplet.min_area=-1"],
                "segmenter.triplet.min_area is -1; expected 0 to 1",
            ),
            (
                "phantom",
                ["segmenter.triplet.top=0.4"],
                "segmenter.triplet.top (0.4) lies below segmenter.threshold (0.5)",
            ),
            (
                "phantom",
                ["segmenter.min_area=2"],
                "segmenter.min_area is 2",
            ),
            ("voc", ["segmenter.triplet={}"], "compete for the pixels"),
        ] {
            let message = of(kind, &sets).expect_err(words).to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn enough_is_a_share_of_all_pixels() {
        let triplet = Triplet {
            top: 0.7,
            min_area: 0.25,
        };
        assert!(triplet.is_met(4, 16) && !triplet.is_met(3, 16));
    }
}
