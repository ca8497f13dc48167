//! OUT/model.json: which model the predictions of a folder are of, so that no two models' lie in one.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use weakseg::mask_rule::MaskRule;
use weakseg::predict::Predictor;
use weakseg_data::{Tone, View, atomic};

use crate::exit::usage;

/// What decides a mask, beside its image.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeBy {
    /// The model as it was named: for the reader, another path may lead to the same.
    model: String,
    /// SHA-256 of the segmentation network's file, which has all settings but the rule.
    segmenter: String,
    /// SHA-256 of the classifier's file, if it gates.
    classifier: Option<String>,
    /// Its gate is 0 where nothing is gated.
    #[serde(flatten)]
    rule: MaskRule,
    size: usize,
    tone: Tone,
    frame: Option<NonZeroU32>,
}

impl MadeBy {
    /// A model that was opened, and what it is shown of its images.
    pub fn of(model: &Path, predictor: &Predictor, view: View) -> Result<Self> {
        let (segmenter, classifier) = predictor.digests()?;
        let card = predictor.card();
        Ok(Self {
            model: model.display().to_string(),
            segmenter,
            classifier,
            rule: MaskRule {
                gate: predictor.gate().unwrap_or(0.0),
                ..card.rule.clone()
            },
            size: card.size,
            tone: view.tone,
            frame: view.frame,
        })
    }

    /// Whether a folder says that there are predictions in it.
    pub fn is_noted(out: &Path) -> bool {
        note(out).exists()
    }

    /// Refuses a folder whose predictions are of another model. One without a note is taken: it may be the user's own.
    ///
    /// # Errors
    /// [`crate::exit::Usage`]; another error where the note cannot be read.
    pub fn check(&self, out: &Path) -> Result<()> {
        let path = note(out);
        if !path.exists() {
            return Ok(());
        }
        let unread = || {
            format!(
                "{}: cannot read which model the predictions here are of; give another folder",
                path.display()
            )
        };
        let text = std::fs::read(&path).with_context(unread)?;
        let found: Self = serde_json::from_slice(&text).with_context(unread)?;
        let differ = self.differ(&found);
        if differ.is_empty() {
            return Ok(());
        }
        usage(format!(
            "--out {} holds predictions of {}, and those of {} differ in {}; give another folder, or remove this one first",
            out.display(),
            found.model,
            self.model,
            differ.join(", ")
        ))
    }

    /// Notes it in the folder.
    pub fn write(&self, out: &Path) -> Result<()> {
        Ok(atomic::write(
            &note(out),
            &serde_json::to_vec_pretty(self)?,
        )?)
    }

    /// What decides and is not the same, by name.
    fn differ(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            ("segmenter", self.segmenter == other.segmenter),
            ("classifier", self.classifier == other.classifier),
            ("threshold", self.rule.threshold == other.rule.threshold),
            ("triplet", self.rule.triplet == other.rule.triplet),
            ("min_area", self.rule.min_area == other.rule.min_area),
            ("gate", self.rule.gate == other.rule.gate),
            ("flip", self.rule.flip == other.rule.flip),
            ("crf", self.rule.crf == other.rule.crf),
            ("size", self.size == other.size),
            ("tone", self.tone == other.tone),
            ("frame", self.frame == other.frame),
        ];
        let differ = same.into_iter().filter(|(_, same)| !same);
        differ.map(|(name, _)| name).collect()
    }
}

fn note(out: &Path) -> PathBuf {
    out.join("model.json")
}
