//! What each step reads of the configuration, and what its digest is made of.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Step, Work};
use crate::config::Config;

/// Key of the settings of `data` that only truth is read by.
const TRUTH: &str = "truth";

/// The sections of a configuration by their names. Settings that only truth is read by are taken out of `data`: what is trained
/// does not depend on them, and to correct one must not cost a trained network. Those that are given are a section of their own.
#[derive(Debug)]
pub(super) struct Sections(BTreeMap<String, Value>);

impl Sections {
    /// Those of a configuration.
    pub(super) fn of(config: &Config) -> Self {
        let whole = serde_json::to_value(config).expect("a configuration is JSON");
        let Value::Object(mut whole) = whole else {
            unreachable!("a configuration is an object")
        };
        let learnt = serde_json::to_value(config.data.without_truth()).expect("data are JSON");
        let mut truth = Map::new();
        if let Some(Value::Object(data)) = whole.insert("data".to_owned(), learnt.clone()) {
            truth.extend(
                data.into_iter()
                    .filter(|(key, value)| learnt.get(key) != Some(value)),
            );
        }
        if !truth.is_empty() {
            whole.insert(TRUTH.to_owned(), Value::Object(truth));
        }
        Self(whole.into_iter().collect())
    }

    /// Those that a step reads: the ones that it names and, if it scores, what its truth is read by.
    fn names(step: &Step) -> impl Iterator<Item = &'static str> {
        let truth = matches!(step.work, Work::Score(_)).then_some(TRUTH);
        step.sections.iter().copied().chain(truth)
    }

    /// What a step's digest has of them. A section that is not there leaves no trace: digests of runs that were made before
    /// there was such a section stay the same.
    pub(super) fn text(&self, step: &Step) -> String {
        let there = Self::names(step).filter_map(|name| self.0.get(name));
        there.map(|section| format!("{section}\n")).collect()
    }

    /// Those that a step reads, to be noted.
    pub(super) fn read_by(&self, step: &Step) -> BTreeMap<String, Value> {
        let there = Self::names(step).filter_map(|name| Some((name, self.0.get(name)?)));
        there
            .map(|(name, section)| (name.to_owned(), section.clone()))
            .collect()
    }

    /// The settings in which a step differs from what was noted `before`, in words; empty if it differs in none.
    pub(super) fn changed(&self, step: &Step, before: &BTreeMap<String, Value>) -> Vec<String> {
        let mut differing = Vec::new();
        for name in Self::names(step) {
            // Of `truth` each key is told, whether any was given before or not.
            let (path, none) = match name {
                TRUTH => ("data", Value::Object(Map::new())),
                name => (name, Value::Null),
            };
            let [before, after] = [before, &self.0].map(|all| all.get(name).unwrap_or(&none));
            compare(path, before, after, &mut differing);
        }
        differing
    }
}

/// Lists the dotted keys in which two JSON values differ, with both values.
fn compare(path: &str, a: &Value, b: &Value, out: &mut Vec<String>) {
    match (a.as_object(), b.as_object()) {
        (Some(x), Some(y)) => {
            for key in x.keys().chain(y.keys().filter(|k| !x.contains_key(*k))) {
                compare(&format!("{path}.{key}"), &a[key], &b[key], out);
            }
        }
        _ if a != b => out.push(format!("{path} was {a}, is {b}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve;
    use crate::pipeline::{METHOD, step};

    fn of(kind: &str, sets: &[&str]) -> Sections {
        let table = format!("[data]\nkind = \"{kind}\"\nroot = \"set\"");
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let config = resolve(table.parse().expect("TOML"), "t", None, &sets);
        Sections::of(&config.expect("valid"))
    }

    fn text(sections: &Sections, name: &str) -> String {
        sections.text(step(name).expect("a step"))
    }

    /// As they were before `truth` was a section: each section's JSON and a line's end.
    #[test]
    fn without_settings_of_truth_digests_are_those_of_the_sections() {
        for kind in ["phantom", "table", "voc"] {
            let table = format!("[data]\nkind = \"{kind}\"\nroot = \"set\"");
            let config = resolve(table.parse().expect("TOML"), "t", None, &[]).expect("valid");
            let whole = serde_json::to_value(&config).expect("JSON");
            let sections = Sections::of(&config);
            for step in &METHOD {
                let before = step
                    .sections
                    .iter()
                    .map(|name| format!("{}\n", whole[name]));
                assert_eq!(
                    sections.text(step),
                    before.collect::<String>(),
                    "{}",
                    step.name
                );
            }
        }
        // As runs have noted it that were made before there were `resize_masks` and `instances`.
        let data = of("table", &[]).0["data"].to_string();
        let noted = [
            r#"{"boxed_patients_held_out":false,"boxes":null,"csv":"labels.csv","findings":null,"images":"images","#,
            r#""kind":"table","masks":null,"root":"set","split_seed":0,"test_fraction":0.0,"tone":"window","#,
            r#""val_fraction":0.2}"#,
        ];
        assert_eq!(data, noted.concat());
    }

    #[test]
    fn settings_of_truth_are_read_where_there_is_truth() {
        let plain = of("table", &[]);
        for set in [
            "data.resize_masks=nearest",
            "data.masks=masks",
            "data.boxes=boxes.csv",
            "data.instances=none",
        ] {
            let given = of("table", &[set]);
            for step in &METHOD {
                let scores = matches!(step.work, Work::Score(_));
                assert_eq!(
                    given.text(step) != plain.text(step),
                    scores,
                    "{set} {}",
                    step.name
                );
            }
        }
        let given = of("voc", &["data.masks=SegmentationClassAug"]);
        assert!(text(&given, "evaluate").ends_with("{\"masks\":\"SegmentationClassAug\"}\n"));
        // What training reads stays.
        let tone = of("table", &["data.tone=raw"]);
        assert_ne!(
            text(&tone, "train-classifier"),
            text(&plain, "train-classifier")
        );
        assert_eq!(text(&tone, "evaluate"), text(&plain, "evaluate"));
    }

    #[test]
    fn what_changed_is_told_by_the_keys_that_are_set() {
        let (plain, given) = (
            of("table", &[]),
            of(
                "table",
                &["data.resize_masks=nearest", "evaluate.bootstrap=9"],
            ),
        );
        let step = step("eval-cams").expect("a step");
        assert_eq!(
            given.changed(step, &plain.read_by(step)),
            [
                "evaluate.bootstrap was 1000, is 9",
                "data.resize_masks was null, is \"nearest\"",
            ]
        );
        assert!(given.changed(step, &given.read_by(step)).is_empty());
    }
}
