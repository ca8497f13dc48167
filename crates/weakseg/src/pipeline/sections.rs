//! What each step reads of the configuration, and what its digest is made of.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Step, Work};
use crate::config::Config;
use crate::digest::digest;
use crate::mask_rule::MaskRule;

/// Key of the settings of `data` that only truth is read by.
const TRUTH: &str = "truth";

/// Keys that only some readers of a section depend on: the section, the keys, and their name as a section of their own.
/// A key that only turns results into masks must not cost a trained network, one that only the report shows must not
/// cost a score, and how many cases may be left out changes no result.
const APART: [(&str, &[&str], &str); 4] = [
    ("cams", &["threshold"], "cams.rule"),
    ("segmenter", &MaskRule::KEYS, "segmenter.rule"),
    ("evaluate", &["gallery"], "evaluate.gallery"),
    ("evaluate", &["allow_skips"], "evaluate.allow_skips"),
];

/// The first format of a run's folder whose digests know of [`APART`].
const SINCE: u32 = 2;

/// The sections of a configuration by their names. Settings that only truth is read by are taken out of `data`: what is
/// trained does not depend on them, and to correct one must not cost a trained network. Those that are given are a
/// section of their own, and so are those that not every step of their section reads.
#[derive(Debug)]
pub(super) struct Sections(BTreeMap<String, Value>);

impl Sections {
    /// Those of a configuration, for a run whose folder has this format.
    pub(super) fn of(config: &Config, format: u32) -> Self {
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
        let apart = APART.into_iter().filter(|_| format >= SINCE);
        for (section, keys, name) in apart {
            if let Some(Value::Object(settings)) = whole.get_mut(section) {
                let taken = keys.iter().filter_map(|key| settings.remove_entry(*key));
                let taken = taken.collect();
                whole.insert(name.to_owned(), Value::Object(taken));
            }
        }
        Self(whole.into_iter().collect())
    }

    /// Those that a step reads: the ones that it names and, if it scores, what its truth is read by.
    fn names(step: &Step) -> impl Iterator<Item = &'static str> {
        let truth = matches!(step.work, Work::Score(_)).then_some(TRUTH);
        step.sections.iter().copied().chain(truth)
    }

    /// What a step's digest has of them. A section that is not there leaves no trace: digests of runs that were made
    /// before there was such a section stay the same.
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
                name => (name.split('.').next().unwrap_or(name), Value::Null),
            };
            let [before, after] = [before, &self.0].map(|all| all.get(name).unwrap_or(&none));
            compare(path, before, after, &mut differing);
        }
        differing
    }
}

/// Digest of the settings by which the results of a section, `cams` or `segmenter`, become masks.
pub(crate) fn rule_digest(config: &Config, section: &str) -> String {
    let sections = Sections::of(config, SINCE);
    let rule = sections.0.get(&format!("{section}.rule"));
    digest(rule.map(Value::to_string).unwrap_or_default().as_bytes())
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
    use crate::pipeline::run_record::FORMAT;
    use crate::pipeline::{METHOD, step};

    fn of(kind: &str, sets: &[&str]) -> Sections {
        let table = format!("[data]\nkind = \"{kind}\"\nroot = \"set\"");
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let config = resolve(table.parse().expect("TOML"), "t", None, &sets);
        Sections::of(&config.expect("valid"), FORMAT)
    }

    fn text(sections: &Sections, name: &str) -> String {
        sections.text(step(name).expect("a step"))
    }

    /// Every setting but those of truth is read by some step.
    #[test]
    fn sections_and_rules_hold_the_whole_configuration() {
        for kind in ["phantom", "table", "voc"] {
            let sections = of(kind, &["segmenter.crf={}"]);
            for (section, keys, name) in APART {
                let apart = sections.0[name].as_object().expect("an object");
                // A triplet rule is of findings alone, and there is none.
                let there = keys.iter().filter(|key| **key != "triplet");
                assert!(there.clone().all(|key| apart.contains_key(*key)), "{name}");
                assert_eq!(apart.len(), there.count(), "{name}");
                let rest = sections.0[section].as_object().expect("an object");
                assert!(!keys.iter().any(|key| rest.contains_key(*key)), "{section}");
            }
            for name in sections.0.keys() {
                // Nothing hangs on how it is loaded, or on what is kept in memory.
                let read = METHOD.iter().any(|step| step.sections.contains(&&**name));
                let free = [
                    "loader",
                    "seed",
                    "gradient_checkpointing",
                    "evaluate.allow_skips",
                ];
                let free = free.contains(&&**name);
                assert!(read != free, "{name}");
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
    fn what_stands_apart_has_one_reader() {
        let plain = of("table", &[]);
        for (set, reader) in [
            ("cams.threshold=otsu", "eval-cams"),
            ("segmenter.threshold=0.3", "evaluate"),
            ("segmenter.triplet.top=0.9", "evaluate"),
            ("segmenter.min_area=0.01", "evaluate"),
            ("segmenter.gate=0.1", "evaluate"),
            ("segmenter.flip=false", "evaluate"),
            ("segmenter.crf={}", "evaluate"),
            ("evaluate.gallery=3", "report"),
            ("evaluate.allow_skips=3", "nobody"),
        ] {
            let given = of("table", &[set]);
            for step in &METHOD {
                let differs = given.text(step) != plain.text(step);
                assert_eq!(differs, step.name == reader, "{set} {}", step.name);
            }
        }
        let wider = of("table", &["segmenter.width=0.5"]);
        assert_ne!(
            text(&wider, "train-segmenter"),
            text(&plain, "train-segmenter")
        );
        assert_eq!(text(&wider, "evaluate"), text(&plain, "evaluate"));
    }

    /// A run that was made before goes on as it did: its steps have noted whole sections.
    #[test]
    fn digests_of_the_first_format_are_of_whole_sections() {
        let table = "[data]\nkind = \"table\"\nroot = \"set\"";
        let config = resolve(table.parse().expect("TOML"), "t", None, &[]).expect("valid");
        let whole = serde_json::to_value(&config).expect("JSON");
        let sections = Sections::of(&config, 1);
        for step in &METHOD {
            let before = step.sections.iter().filter(|name| !name.contains('.'));
            let before = before.map(|name| match *name {
                "data" => format!("{}\n", sections.0["data"]),
                name => format!("{}\n", whole[name]),
            });
            assert_eq!(
                sections.text(step),
                before.collect::<String>(),
                "{}",
                step.name
            );
        }
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
