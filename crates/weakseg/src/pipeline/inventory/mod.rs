//! [`Inventory`]: what the data of a run are, as `data.json` in its folder: labels and splits of the cases, and a fingerprint
//! of every image and every file of truth.
//!
//! A fingerprint is the SHA-256 of the whole file: a set that is copied to another disk has new times, and is the same set.
//! Reading all of it before each call would take as long as a disk needs for it, so that a file whose length and times are
//! those of `data.json` is not read again. The first call of a run reads all; so does its first step.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use weakseg_data::{Cases, DataError, Split, Truth, atomic, counted};

use super::run_error::RunError;
use super::run_record::parse;
use super::{StepError, data_digest};
use crate::digest::digest_file;
use crate::files::{io, times};
use crate::progress::{Progress, Stop};

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
    images: BTreeMap<String, Fingerprint>,
    /// By names from the configuration's folder; none while no step that scores was asked for.
    truth: Option<BTreeMap<String, Fingerprint>>,
}

/// What is said of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    labels: Vec<bool>,
    split: Split,
}

/// A file, by its contents and by what tells without reading it that they are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fingerprint {
    bytes: u64,
    /// When contents, and where the system says so name or owner, last changed; nanoseconds since 1970.
    times: [i64; 2],
    sha256: String,
}

impl Inventory {
    /// Takes it. Files that are as they were in the inventory `before` are not read; truth that is not looked at is as it was.
    ///
    /// # Errors
    /// When a file cannot be read, or if it was asked to stop.
    pub fn take(
        cases: &Cases,
        truth: Option<&Truth>,
        base: &Path,
        before: Option<&Self>,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<Self, StepError> {
        let take = |what: &str,
                    files: Vec<(String, PathBuf)>,
                    known: Option<&BTreeMap<String, Fingerprint>>| {
            fingerprints(what, files, known, progress, stop)
        };
        let images = cases
            .cases
            .iter()
            .map(|case| (case.id.clone(), case.image.clone()));
        let images = take(
            "digests of images",
            images.collect(),
            before.map(|b| &b.images),
        )?;
        let truth = match truth {
            None => before.and_then(|before| before.truth.clone()),
            Some(truth) => {
                let files = truth.files().into_iter().map(|path| {
                    let name = path.strip_prefix(base).unwrap_or(&path);
                    (name.to_string_lossy().into_owned(), path)
                });
                let known = before.and_then(|b| b.truth.as_ref());
                Some(take("digests of masks", files.collect(), known)?)
            }
        };
        let told = cases.cases.iter().map(|case| {
            let told = Told {
                labels: case.labels.clone(),
                split: case.split,
            };
            (case.id.clone(), told)
        });
        Ok(Self {
            digest: data_digest(cases),
            classes: cases.classes.names.clone(),
            cases: told.collect(),
            images,
            truth,
        })
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
        let changed: Vec<&String> = changed.map(|(id, _)| id).collect();
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
            let [a, b] = [other, id].map(|id| self.cases[id].split);
            if a != b {
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

fn fingerprints(
    what: &str,
    files: Vec<(String, PathBuf)>,
    known: Option<&BTreeMap<String, Fingerprint>>,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<BTreeMap<String, Fingerprint>, StepError> {
    let look = |(name, path): (String, PathBuf)| {
        let found = std::fs::metadata(&path).map_err(io(&path, "look at"))?;
        let (bytes, times) = (found.len(), times(&found));
        let known = known.and_then(|known| known.get(&name));
        let known = known
            .filter(|known| (known.bytes, known.times) == (bytes, times))
            .cloned();
        Ok((name, path, bytes, times, known))
    };
    let looks: Vec<_> = files
        .into_par_iter()
        .map(look)
        .collect::<Result<_, DataError>>()?;
    let unknown = looks.iter().filter(|look| look.4.is_none()).count();
    if unknown > 0 {
        progress.begin(what, unknown as u64);
    }
    let over = AtomicU64::new(0);
    let found = looks.into_par_iter().map(|(name, path, _, times, known)| {
        if let Some(known) = known {
            return Ok((name, known));
        }
        if stop.asked() {
            return Err(StepError::Stopped);
        }
        let (bytes, sha256) = digest_file(&path)?;
        progress.at(over.fetch_add(1, Ordering::Relaxed) + 1, &name);
        let print = Fingerprint {
            bytes,
            times,
            sha256,
        };
        Ok((name, print))
    });
    let found: Result<BTreeMap<String, Fingerprint>, StepError> = found.collect();
    if unknown > 0 {
        progress.end();
    }
    found
}
