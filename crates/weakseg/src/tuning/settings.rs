//! What a rule is in a run's configuration.

use super::document::Stage;
use super::rule::Rule;
use crate::cam::Threshold;

/// Keys to be set otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `KEY=VALUE`, as for `--set`.
    pub set: Vec<String>,
    /// What is to be known of them, in words.
    pub remarks: Vec<String>,
}

/// The keys in which a rule differs from the run's own.
pub fn settings(stage: Stage, own: &Rule, rule: &Rule) -> Settings {
    let section = stage.section();
    let mut set = Vec::new();
    let mut remarks = Vec::new();
    if rule.threshold != own.threshold {
        set.push(format!("{section}.threshold={}", rule.threshold));
    }
    if rule.gate != own.gate {
        set.push(format!("{section}.gate={}", rule.gate));
    }
    match (rule.triplet, own.triplet) {
        (triplet, own) if triplet == own => {}
        (Some(triplet), _) => {
            set.push(format!("{section}.triplet.top={}", triplet.top));
            set.push(format!("{section}.triplet.min_area={}", triplet.min_area));
        }
        (None, own) => {
            // A key cannot be unset by `--set`, and a top below the threshold is refused.
            if let (Threshold::Fixed(threshold), Some(own)) = (rule.threshold, own)
                && own.top < threshold
            {
                set.push(format!("{section}.triplet.top={threshold}"));
            }
            set.push(format!("{section}.triplet.min_area=0"));
            remarks.push(format!(
                "It does without the triplet rule: an area of 0 asks for nothing, and so does a file without {section}.triplet."
            ));
        }
    }
    if !set.is_empty() {
        remarks.push(cost(stage, rule.gate != own.gate).to_owned());
    }
    Settings { set, remarks }
}

/// What another value of a rule does again.
fn cost(stage: Stage, gate: bool) -> &'static str {
    match (stage, gate) {
        (Stage::Cam, false) => {
            "With RUN/config.toml and --only eval-cams this run's maps are scored so: cams.threshold changes that alone, not the \
             pseudo-labels and not the network."
        }
        (Stage::Cam, true) => {
            "cams.threshold and cams.gate change how eval-cams scores the maps, not the pseudo-labels and not the network; but \
             cams.gate belongs to make-cams, and another value does that step and all after it again."
        }
        (Stage::Segmentation, _) => {
            "With RUN/config.toml and --from evaluate this run's network is used so: nothing is trained for it."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Triplet, resolve};

    const OWN: Rule = Rule {
        threshold: Threshold::Fixed(0.5),
        gate: 0.0,
        triplet: None,
    };

    const TRIPLET: Triplet = Triplet {
        top: 0.6,
        min_area: 0.005,
    };

    #[test]
    fn what_differs_is_set() {
        let rule = Rule {
            threshold: Threshold::Fixed(0.3),
            gate: 0.6,
            triplet: Some(TRIPLET),
        };
        let found = settings(Stage::Segmentation, &OWN, &rule);
        assert_eq!(
            found.set,
            [
                "segmenter.threshold=0.3",
                "segmenter.gate=0.6",
                "segmenter.triplet.top=0.6",
                "segmenter.triplet.min_area=0.005"
            ]
        );
        assert!(found.remarks[0].contains("nothing is trained"));
        let same = settings(Stage::Cam, &rule, &rule);
        assert_eq!(same, Settings::default());
        let otsu = Rule {
            threshold: Threshold::OTSU,
            ..OWN
        };
        let found = settings(Stage::Cam, &OWN, &otsu);
        assert_eq!(found.set, ["cams.threshold=otsu"]);
        assert!(found.remarks[0].contains("--only eval-cams"));
        let found = settings(Stage::Cam, &OWN, &Rule { gate: 0.5, ..otsu });
        assert!(found.remarks[0].contains("belongs to make-cams"));
    }

    /// What is handed out is taken by a configuration, and makes the rule.
    #[test]
    fn a_triplet_rule_can_be_left_out() {
        let own = Rule {
            triplet: Some(TRIPLET),
            ..OWN
        };
        for (threshold, expected) in [
            (0.5, vec!["segmenter.triplet.min_area=0"]),
            (
                0.7,
                vec![
                    "segmenter.threshold=0.7",
                    "segmenter.triplet.top=0.7",
                    "segmenter.triplet.min_area=0",
                ],
            ),
        ] {
            let rule = Rule {
                threshold: Threshold::Fixed(threshold),
                ..OWN
            };
            let found = settings(Stage::Segmentation, &own, &rule);
            assert_eq!(found.set, expected);
            assert!(found.remarks[0].contains("without segmenter.triplet"));
            let before = [
                "segmenter.triplet.top=0.6".to_owned(),
                "segmenter.triplet.min_area=0.005".to_owned(),
            ];
            let sets = [&before[..], &found.set].concat();
            let table = "[data]\nkind = \"phantom\"\nroot = \"set\"";
            let config = resolve(table.parse().expect("TOML"), "t", None, &sets).expect("valid");
            assert_eq!(config.segmenter.threshold, threshold);
            let triplet = config.segmenter.triplet.expect("it is still there");
            assert!(triplet.is_met(0, 100), "and asks for nothing");
        }
    }
}
