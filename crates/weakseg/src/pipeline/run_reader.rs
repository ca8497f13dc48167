//! [`RunReader`]: what a run has made of its cases, for those who only look at it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weakseg_data::mask_store::MaskStore;
use weakseg_data::{Case, Cases, DataError, Mask, Truth};

use super::inventory::data_digest;
use super::run_dir::REPORT;
use super::run_error::RunError;
use super::run_record::{RunRecord, finished_folder};
use super::steps::make_pseudo_labels::SCORES;
use super::steps::{ClassMaps, Heat};
use super::{Inventory, StepError};
use crate::config::Config;

/// A run's folder, which is neither locked nor changed, and its data. Of a step that is not finished it shows nothing.
///
/// It is not handed to any step: what it opens of the truth is for a person's eyes.
#[derive(Debug)]
pub struct RunReader {
    root: PathBuf,
    cases: Cases,
    truth: Truth,
}

impl RunReader {
    /// Opens the run in `root`, made with `config`, whose relative paths start from `base`. Phantoms that are not there
    /// any more are made again, as whenever their set is opened.
    ///
    /// # Errors
    /// When the folder is no run, when its data cannot be opened, or are others than the run was made from.
    pub fn open(root: &Path, config: &Config, base: &Path) -> Result<Self, StepError> {
        let cases = cases_of(root, config, base)?;
        Ok(Self {
            root: root.to_owned(),
            truth: config.data.open_truth(base, &cases)?,
            cases,
        })
    }

    /// Images and image-level labels.
    pub fn cases(&self) -> &Cases {
        &self.cases
    }

    /// The file `report.html`, if there is one. A link is none, for it may lead out of the run's folder.
    pub fn report(&self) -> Option<PathBuf> {
        let file = self.root.join(REPORT[1]);
        let about = std::fs::symlink_metadata(&file);
        about.is_ok_and(|about| about.is_file()).then_some(file)
    }

    /// Where the classifier looked.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn cam(&self, case: &Case) -> Result<Option<Heat>, DataError> {
        let folder = finished_folder(&self.root, "make-cams");
        heat(folder, case)
    }

    /// The same maps after their walk over IRNet's affinities.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn walked(&self, case: &Case) -> Result<Option<Heat>, DataError> {
        let folder = finished_folder(&self.root, "make-pseudo-labels");
        heat(folder.map(|folder| folder.join(SCORES)), case)
    }

    /// What the segmentation network learnt from.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn pseudo_label(&self, case: &Case) -> Result<Option<Mask>, DataError> {
        self.mask("make-pseudo-labels", case)
    }

    /// What the segmentation network said, of held-out cases.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn prediction(&self, case: &Case) -> Result<Option<Mask>, DataError> {
        self.mask("evaluate", case)
    }

    /// The true mask, where the set has one.
    ///
    /// # Errors
    /// Those of [`Truth::mask`].
    pub fn truth(&self, case: &Case) -> Result<Option<Mask>, DataError> {
        self.truth.mask(&case.id)
    }

    fn mask(&self, step: &str, case: &Case) -> Result<Option<Mask>, DataError> {
        let Some(folder) = finished_folder(&self.root, step) else {
            return Ok(None);
        };
        let store = MaskStore::new(folder, self.cases.classes.clone());
        match store.exists(&case.id) {
            true => store.read(&case.id).map(Some),
            false => Ok(None),
        }
    }
}

/// The cases of the run in `root`, without those that it left out because their image cannot be read.
///
/// # Errors
/// When the folder is no run, when its data cannot be opened, or are others than the run was made from.
pub(crate) fn cases_of(root: &Path, config: &Config, base: &Path) -> Result<Cases, StepError> {
    let record = RunRecord::read(root)?;
    let then = Inventory::of_run(root)?;
    let none = BTreeMap::new();
    let unreadable = then.as_ref().map_or(&none, |then| &then.unreadable);
    let cases = config.data.open_readable_cases(base, unreadable)?;
    if record.data != data_digest(&cases) {
        let changed = then.map(|then| Inventory::of_cases(&cases).other_labels(&then));
        return Err(RunError::OtherData {
            path: root.to_owned(),
            changed: changed.unwrap_or_default(),
        }
        .into());
    }
    Ok(cases)
}

/// That of the maps in `folder`.
fn heat(folder: Option<PathBuf>, case: &Case) -> Result<Option<Heat>, DataError> {
    match folder {
        Some(folder) if ClassMaps::path(&folder, &case.id).is_file() => {
            Ok(Heat::of(&ClassMaps::read(&folder, &case.id)?))
        }
        _ => Ok(None),
    }
}
