//! Ranges of single steps, and what kinds of data allow.

use super::super::{Config, ConfigError, InstanceStep, resolve, to_toml};
use crate::cam::Threshold;
use crate::instance::coco::MaskForm;

fn set(sets: &[&str]) -> Result<Config, ConfigError> {
    let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
    let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
    resolve(table, "t", None, &sets)
}

#[test]
fn instances_are_asked_for_by_a_table_that_may_be_empty() {
    let asked = |sets: &[&str]| set(sets).map(|config| config.pseudo_labels.instances);
    assert_eq!(asked(&[]).expect("valid"), None);
    let empty = asked(&["pseudo_labels.instances={}"]).expect("valid");
    assert_eq!(empty, Some(InstanceStep::default()));
    let sets = [
        "pseudo_labels.instances.masks=polygons",
        "pseudo_labels.instances={}",
    ];
    let config = set(&sets).expect("valid");
    let instances = config.pseudo_labels.instances.clone().expect("asked for");
    assert_eq!(instances.masks, MaskForm::Polygons, "nothing is taken back");
    let text = to_toml(&config);
    let read = resolve(text.parse().expect("TOML"), "t", None, &[]).expect("valid");
    assert_eq!(read, config);
    // Runs from before there were instances keep their digests.
    let without = serde_json::to_value(set(&[]).expect("valid").pseudo_labels);
    assert!(without.expect("JSON").get("instances").is_none());
}

fn of(kind: &str, set: &str) -> Result<Config, ConfigError> {
    let table = format!("[data]\nkind = \"{kind}\"\nroot = \"set\"");
    resolve(table.parse().expect("TOML"), "t", None, &[set.to_owned()])
}

#[test]
fn a_map_is_cut_at_a_number_or_by_otsu() {
    for (value, expected) in [
        ("0.25", Threshold::Fixed(0.25)),
        ("0", Threshold::Fixed(0.0)),
        ("otsu", Threshold::OTSU),
    ] {
        for kind in ["phantom", "voc"] {
            let config = of(kind, &format!("cams.threshold={value}")).expect(value);
            assert_eq!(config.cams.threshold, expected);
            let read = resolve(to_toml(&config).parse().expect("TOML"), "t", None, &[]);
            assert_eq!(read.expect("valid"), config, "the resolved file holds it");
        }
    }
    for value in ["1.5", "ozu", "true"] {
        let set = format!("cams.threshold={value}");
        let message = of("phantom", &set).expect_err(value).to_string();
        assert!(message.contains("threshold"), "{value}: {message}");
    }
}

/// Found before the first step, not after hours of it.
#[test]
fn numbers_of_later_steps_out_of_range_are_named() {
    for (set, words) in [
        (
            "pseudo_labels.beta=-1",
            "pseudo_labels.beta is -1; expected a number above 0",
        ),
        ("pseudo_labels.beta=0", "pseudo_labels.beta is 0"),
        ("pseudo_labels.beta=nan", "pseudo_labels.beta is NaN"),
        (
            "pseudo_labels.min_area=5",
            "pseudo_labels.min_area is 5; expected 0 to 1",
        ),
        (
            "pseudo_labels.min_confidence=-3",
            "pseudo_labels.min_confidence is -3; expected 0 to 1",
        ),
        (
            "pseudo_labels.steps=9000000000000000000",
            "pseudo_labels.steps is 9000000000000000000; expected 0 to 10000",
        ),
        (
            "pseudo_labels.instances.centroid_steps=10001",
            "pseudo_labels.instances.centroid_steps is 10001; expected 0 to 10000",
        ),
        (
            "evaluate.bootstrap=5000000000000000000",
            "evaluate.bootstrap is 5000000000000000000; expected 0 to 100000",
        ),
        (
            "ir_labels.gt_prob=0.1",
            "ir_labels.gt_prob is 0.1; expected above 0.5 and below 1",
        ),
        ("ir_labels.gt_prob=0.5", "ir_labels.gt_prob is 0.5"),
        (
            "evaluate.gallery=25",
            "evaluate.gallery is 25; expected 0 to 24",
        ),
        ("ir_labels.gt_prob=1", "ir_labels.gt_prob is 1"),
        (
            r#"irn.training.optimizer={ kind = "sgd-reference", weight_decay = 3.0 }"#,
            "irn.training.optimizer.weight_decay is 3, and with kind \"sgd-reference\" the momentum too",
        ),
    ] {
        let message = of("phantom", set).expect_err(set).to_string();
        assert!(message.contains(words), "{set}: {message}");
    }
}

#[test]
fn regions_of_competing_classes_are_not_removed_from_predictions() {
    let set = "segmenter.min_area=0.01";
    of("phantom", set).expect("findings");
    let message = of("voc", set).expect_err(set).to_string();
    assert!(message.contains("pseudo_labels.min_area"), "{message}");
    of("voc", "segmenter.min_area=0").expect("off");
    of("voc", "pseudo_labels.min_area=0.01").expect("classes too");
}
