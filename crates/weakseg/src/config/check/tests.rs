//! Instances and maps.

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
