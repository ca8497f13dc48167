//! [`Inventory`]: what the data of a run are, as `data.json` in its folder: labels and splits of the cases, and a
//! fingerprint of every image and every file of truth. Images that cannot be read are noted with the reason, and their
//! cases are none.
//!
//! A fingerprint is the SHA-256 of the whole file: a set that is copied to another disk has new times, and is the same
//! set. Reading all of it before each call would take as long as a disk needs for it, so that a file whose length and
//! times are those of `data.json` is not read again. The first call of a run reads all, and decodes the images, so that
//! one that is damaged does not end the run in the middle; so does its first step.

mod fingerprint;
mod images;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use weakseg_data::{Cases, DataError, Split, Truth, View, atomic, counted};

use super::StepError;
use super::run_error::RunError;
use super::run_record::parse;
use crate::digest::{digest, digest_file};
use crate::progress::{Progress, Stop};
use fingerprint::{Fingerprints, fingerprints};
pub(super) use images::Images;

/// The file, in the run's folder.
const FILE: &str = "data.json";

/// What the data of a run are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Of every id, label and split, as in `run.json`.
    pub(super) digest: String,
    classes: Vec<String>,
    cases: BTreeMap<String, Told>,
    /// By ids.
    images: Fingerprints,
    /// In which view they were decoded; none of earlier versions, which did not.
    #[serde(default)]
    view: Option<View>,
    /// Why images cannot be read, by the ids of what would be their cases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) unreadable: BTreeMap<String, String>,
    /// By names from the configuration's folder; none while no step that scores was asked for.
    truth: Option<Fingerprints>,
}

/// What is said of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    labels: Vec<bool>,
    split: Split,
}

impl Inventory {
    /// Takes it of cases whose `images` were looked at. Files of truth that are as they were in the inventory `before`
    /// are not read; truth that is not looked at is as it was.
    ///
    /// # Errors
    /// When a file cannot be read, or if it was asked to stop.
    pub(super) fn take(
        cases: &Cases,
        images: Images,
        truth: Option<&Truth>,
        base: &Path,
        before: Option<&Self>,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<Self, StepError> {
        let truth = match truth {
            None => before.and_then(|before| before.truth.clone()),
            Some(truth) => {
                let files = truth.files().into_iter().map(|path| {
                    let name = path.strip_prefix(base).unwrap_or(&path);
                    (name.to_string_lossy().into_owned(), path)
                });
                let known = before.and_then(|b| b.truth.as_ref());
                let read = |path: &Path, _: Option<&_>| digest_file(path);
                let what = "digests of masks";
                let (prints, _) = fingerprints(what, files.collect(), known, read, progress, stop)?;
                Some(prints)
            }
        };
        Ok(Self {
            images: images.prints,
            view: Some(images.view),
            unreadable: images.unreadable,
            truth,
            ..Self::of_cases(cases)
        })
    }

    /// That of cases of whose files nothing is known.
    pub(super) fn of_cases(cases: &Cases) -> Self {
        let told = cases.cases.iter().map(|case| {
            let told = Told {
                labels: case.labels.clone(),
                split: case.split,
            };
            (case.id.clone(), told)
        });
        Self {
            digest: data_digest(cases),
            classes: cases.classes.names.clone(),
            cases: told.collect(),
            ..Self::default()
        }
    }

    /// That of a run when it was last opened; none where earlier versions took none.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub fn of_run(root: &Path) -> Result<Option<Self>, RunError> {
        let path = root.join(FILE);
        match path.exists() {
            true => parse(&path).map(Some),
            false => Ok(None),
        }
    }

    /// Writes it into a run's folder.
    pub(super) fn write(&self, root: &Path) -> Result<(), DataError> {
        let text = serde_json::to_string(self).expect("plain fields");
        atomic::write_durably(&root.join(FILE), text.as_bytes())
    }

    /// Images with other contents than before, in words.
    pub(super) fn other_images(&self, before: &Self) -> Vec<String> {
        // Those that came or went are other cases.
        let changed = self.images.iter().filter(|(id, now)| {
            before
                .images
                .get(*id)
                .is_some_and(|then| then.sha256 != now.sha256)
        });
        let changed = changed.map(|(id, _)| id);
        let broken = self.unreadable.keys().filter(|id| {
            // It could be read then.
            before.view == self.view && before.images.contains_key(*id)
        });
        let changed: Vec<&String> = changed.chain(broken).collect();
        some(&changed, "another image of")
    }

    /// Masks, boxes and objects with other contents than before, in words. Empty where they were not looked at.
    pub(super) fn other_truth(&self, before: &Self) -> Vec<String> {
        let (Some(now), Some(then)) = (&self.truth, &before.truth) else {
            return Vec::new();
        };
        let names =
            |of: &mut dyn Iterator<Item = &String>, what| some(&of.collect::<Vec<_>>(), what);
        let changed = now.iter().filter(|(name, now)| {
            then.get(*name)
                .is_some_and(|then| then.sha256 != now.sha256)
        });
        [
            names(&mut changed.map(|(name, _)| name), "other contents of"),
            names(
                &mut then.keys().filter(|name| !now.contains_key(*name)),
                "gone:",
            ),
            names(
                &mut now.keys().filter(|name| !then.contains_key(*name)),
                "new:",
            ),
        ]
        .concat()
    }

    /// Cases, labels and splits that are others than before, in words.
    pub(super) fn other_labels(&self, before: &Self) -> Vec<String> {
        let (now, then) = (&self.cases, &before.cases);
        let mut words = Vec::new();
        if self.classes != before.classes {
            let [then, now] = [before, self].map(|of| of.classes.join(", "));
            words.push(format!("the classes were {then}, are {now}"));
        }
        let split = |told: &Told| told.split.name().to_owned();
        let labels = |told: &Told| {
            let zeros_and_ones = told
                .labels
                .iter()
                .map(|&label| if label { "1" } else { "0" });
            zeros_and_ones.collect::<Vec<_>>().join(",")
        };
        let mut told = |what: &str, text: &dyn Fn(&Told) -> String| {
            let differing = now.iter().filter_map(|(id, told)| {
                let [then, now] = [text(then.get(id)?), text(told)];
                (then != now).then(|| format!("{what} of `{id}`: {then} before, {now} now"))
            });
            let differing: Vec<String> = differing.collect();
            words.extend(differing.iter().take(SOME).cloned());
            if differing.len() > SOME {
                words.push(format!("{what} of {} more", differing.len() - SOME));
            }
        };
        told("labels", &labels);
        told("split", &split);
        let without = |a: &BTreeMap<String, Told>, b: &BTreeMap<String, Told>, what| {
            let ids: Vec<String> = a
                .keys()
                .filter(|id| !b.contains_key(*id))
                .cloned()
                .collect();
            some(&ids.iter().collect::<Vec<_>>(), what)
        };
        words.extend(without(then, now, "gone: the cases"));
        words.extend(without(now, then, "new: the cases"));
        words
    }

    /// A warning of files that lie in two splits under two ids; none if there are none.
    pub(super) fn shared_by_splits(&self) -> Option<String> {
        let mut first: HashMap<&str, &String> = HashMap::new();
        let mut pairs = Vec::new();
        for (id, image) in &self.images {
            let Some(other) = first.insert(&image.sha256, id) else {
                continue;
            };
            let split = |id: &String| self.cases.get(id).map(|told| told.split);
            if let (Some(a), Some(b)) = (split(other), split(id))
                && a != b
            {
                pairs.push(format!("`{other}` ({a}) and `{id}` ({b})"));
            }
        }
        let number = pairs.len();
        pairs.truncate(SOME);
        (number > 0).then(|| {
            format!(
                "{}, the very same file in another split: {}{}; scores on images that were learnt from flatter, keep one of each",
                counted(number, "image"),
                pairs.join(", "),
                if number > SOME { ", …" } else { "" }
            )
        })
    }
}

/// Names shown of many.
const SOME: usize = 3;

/// A sentence about some of many names; none about no names.
fn some(names: &[&String], what: &str) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    let shown: Vec<String> = names
        .iter()
        .take(SOME)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match names.len() {
        all if all > SOME => format!(" and {} more", all - SOME),
        _ => String::new(),
    };
    vec![format!("{what} {}{more}", shown.join(", "))]
}

/// Digest of what a set is: every id, label and split, but not the folder it lies in.
pub(in crate::pipeline) fn data_digest(cases: &Cases) -> String {
    let listing: Vec<(&str, &[bool], Split)> = cases
        .cases
        .iter()
        .map(|c| (c.id.as_str(), c.labels.as_slice(), c.split))
        .collect();
    let text = serde_json::to_string(&listing).expect("plain fields");
    digest(text.as_bytes())
}
