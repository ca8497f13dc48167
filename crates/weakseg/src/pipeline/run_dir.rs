//! A run's folder: what is finished, what it was made from, and who works in it now.
//!
//! A step is finished only when its `manifest.json` is there, written last and atomically. The manifest holds the
//! digest of what the step read; a finished step whose inputs are no longer those of the configuration is never reused
//! and never silently thrown away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use weakseg_data::atomic;

use super::claim::{Claim, check_folder};
use super::inventory::Inventory;
use super::outputs::{self, Outputs};
use super::run_error::RunError;
use super::run_record::{
    CONFIG, MANIFEST, Manifest, RECORD, RunRecord, STARTED, Started, StepRecord, folder_of,
    format_in, made_nothing, other_seed, parse, started,
};
use super::sections::Sections;
use super::{METHOD, Step, Work};
use crate::config::{Config, to_toml};
use crate::digest::{digest, digest_folder};
use crate::files::{io, make_folder, relative};
use crate::versions::versions;

/// What the step `report` writes beside its folder.
pub(super) const REPORT: [&str; 2] = ["report.json", "report.html"];

/// An opened and locked run folder.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    base: PathBuf,
    device: String,
    seed: u64,
    data: Inventory,
    format: u32,
    sections: Sections,
    _claim: Claim,
}

/// Whether `root` can be opened for `config`, as far as can be told without the data: before any work, and before
/// anything is made. `from` as in [`RunDir::outdated`].
///
/// # Errors
/// See [`RunError`].
pub(super) fn check(root: &Path, config: &Config, from: usize) -> Result<(), RunError> {
    check_folder(root)?;
    let sections = Sections::of(config, format_in(root)?);
    let seed = other_seed(root, config.seed)?;
    for step in &METHOD[..from] {
        let Some(started) = started(root, step)? else {
            continue;
        };
        let mut changed = sections.changed(step, &started.sections);
        changed.extend(seed.clone());
        if !changed.is_empty() && !made_nothing(root, step)? {
            return Err(other_run(root, step, &changed));
        }
    }
    Ok(())
}

impl RunDir {
    /// Opens the folder of `claim` for `config`, whose paths start from `base`, and `data`. What lies in it stays as it
    /// is until [`RunDir::write`].
    ///
    /// # Errors
    /// When `base` is not there, or `run.json` cannot be read.
    pub fn open(
        claim: Claim,
        config: &Config,
        base: &Path,
        data: Inventory,
        device: &str,
    ) -> Result<Self, RunError> {
        let format = format_in(claim.root())?;
        Ok(Self {
            root: claim.root().to_owned(),
            base: relative(claim.root(), base)?,
            device: device.to_owned(),
            seed: config.seed,
            data,
            format,
            sections: Sections::of(config, format),
            _claim: claim,
        })
    }

    /// The steps that were begun with other settings or data than those noted `before`, with what differs. Those from
    /// number `from` on are about to be repeated, earlier ones must fit, but for those that made nothing: they can
    /// begin again.
    ///
    /// # Errors
    /// [`RunError::OtherRun`], and when a file about the run cannot be read.
    pub fn outdated(
        &self,
        before: Option<&Inventory>,
        from: usize,
    ) -> Result<Vec<(&'static Step, String)>, RunError> {
        let root = &self.root;
        let mut labels = Vec::new();
        let (mut images, mut truth) = (Vec::new(), Vec::new());
        if let Some(before) = before {
            labels = self.data.other_labels(before);
            images = self.data.other_images(before);
            truth = self.data.other_truth(before);
        }
        let seed = Vec::from_iter(other_seed(root, self.seed)?);
        let mut outdated = Vec::new();
        for (number, step) in METHOD.iter().enumerate() {
            let Some(started) = started(root, step)? else {
                continue;
            };
            let mut changed = images.clone();
            if matches!(step.work, Work::Score(_)) {
                changed.extend(truth.iter().cloned());
            }
            if started.inputs != self.inputs(step) {
                let sections = self.sections.changed(step, &started.sections);
                changed = [sections, seed.clone(), labels.clone(), changed].concat();
                if changed.is_empty() {
                    changed.push("the data, the seed or an earlier step".to_owned());
                }
            }
            if changed.is_empty() {
                continue;
            }
            if number < from && !made_nothing(root, step)? {
                return Err(other_run(root, step, &changed));
            }
            outdated.push((step, some_of(&changed)));
        }
        Ok(outdated)
    }

    /// The error of a step that was begun with other settings or data, which are named.
    pub(super) fn other_run(&self, step: &Step, changed: &str) -> RunError {
        other_run(&self.root, step, &[changed.to_owned()])
    }

    /// Writes `run.json`, `config.toml` and `data.json`. They go with every step that was begun: the outdated ones are
    /// cleared before.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn write(&self, config: &Config) -> Result<(), RunError> {
        // First: a folder without it is no run's.
        self.write_record(None)?;
        let file = self.root.join(CONFIG);
        atomic::write_durably(&file, to_toml(config).as_bytes())?;
        Ok(self.data.write(&self.root)?)
    }

    /// The run's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of a step, `NN-NAME`.
    pub fn folder(&self, name: &str) -> PathBuf {
        folder_of(&self.root, name)
    }

    /// The manifest of a finished step, none if it is not finished.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn finished(&self, step: &Step) -> Result<Option<Manifest>, RunError> {
        let path = self.folder(step.name).join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let manifest: Manifest = parse(&path)?;
        Ok(Some(manifest))
    }

    /// Begins or goes on with a step: its folder, with the digest of what it reads noted in it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(&self, step: &Step) -> Result<PathBuf, RunError> {
        let folder = self.folder(step.name);
        make_folder(&folder)?;
        sweep_all(&folder)?;
        let before = started(&self.root, step)?.map_or(0.0, |started| started.seconds);
        self.write_started(step, before)?;
        self.write_record(Some(step))?;
        Ok(folder)
    }

    /// Compares what a finished step wrote with what lies there: all names and lengths, contents of what speaks of all
    /// cases, and with `contents` those of single cases too. Nothing is said of a step that is not finished.
    ///
    /// # Errors
    /// [`RunError::OtherOutputs`], and when a file cannot be read.
    pub fn check_outputs(&self, step: &Step, contents: bool) -> Result<(), RunError> {
        let Some(manifest) = self.finished(step)? else {
            return Ok(());
        };
        let folder = self.folder(step.name);
        let list = folder.join(outputs::LIST);
        let mut differing = Vec::new();
        if list.exists() {
            let written: Outputs = parse(&list)?;
            if written.digest() != manifest.outputs {
                differing.push(format!("`{}` holds something else", outputs::LIST));
            }
            differing.extend(written.differences(&folder, contents)?);
        } else if digest_folder(&folder, MANIFEST)? != manifest.outputs {
            // Earlier versions noted the digest over all files and no list.
            differing.push("its files do not have the digest in manifest.json".to_owned());
        }
        if differing.is_empty() {
            return Ok(());
        }
        Err(RunError::OtherOutputs {
            path: self.root.clone(),
            step: step.name,
            what: some_of(&differing),
        })
    }

    /// Which files of the finished step `report` are no longer there.
    pub(super) fn missing_reports(&self) -> Vec<&'static str> {
        let mut names = REPORT.to_vec();
        names.retain(|name| !self.root.join(name).is_file());
        names
    }

    /// Notes that a step was left after `seconds` of work, to go on later.
    ///
    /// # Errors
    /// When the note cannot be read or written.
    pub fn pause(&self, step: &Step, seconds: f64) -> Result<(), RunError> {
        let before = started(&self.root, step)?.map_or(0.0, |started| started.seconds);
        self.write_started(step, before + seconds)
    }

    fn write_started(&self, step: &Step, seconds: f64) -> Result<(), RunError> {
        let started = Started {
            inputs: self.inputs(step),
            sections: self.sections.read_by(step),
            seconds,
        };
        let text = serde_json::to_string(&started).expect("plain fields");
        let path = self.folder(step.name).join(STARTED);
        Ok(atomic::write_durably(&path, text.as_bytes())?)
    }

    /// Writes the manifest: from now on the step is finished, after `seconds` of work in this sitting.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn finish(
        &self,
        step: &Step,
        seconds: f64,
        cases: usize,
        peak_rss_bytes: Option<u64>,
    ) -> Result<(), RunError> {
        let folder = self.folder(step.name);
        let before = started(&self.root, step)?.map_or(0.0, |started| started.seconds);
        // The digest of the outputs is to tell of what was made, not of how long it took.
        self.write_started(step, 0.0)?;
        // Of the report's files that with the figures: its page is drawn from them.
        let above: &[&str] = if step.name == "report" {
            &REPORT[..1]
        } else {
            &[]
        };
        let outputs = Outputs::of(&folder, &[MANIFEST, outputs::LIST], above)?;
        let text = serde_json::to_string(&outputs).expect("plain fields");
        atomic::write_durably(&folder.join(outputs::LIST), text.as_bytes())?;
        let manifest = Manifest {
            step: step.name.to_owned(),
            inputs: self.inputs(step),
            outputs: outputs.digest(),
            seconds: before + seconds,
            cases,
            peak_rss_bytes,
            device: step.runs_networks().then(|| self.device.clone()),
            threads: rayon::current_num_threads(),
            versions: versions(),
        };
        let text = serde_json::to_string_pretty(&manifest).expect("plain fields");
        atomic::write_durably(&folder.join(MANIFEST), text.as_bytes())?;
        self.write_record(None)
    }

    /// Removes all that a step has written, so that it is done again.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn clear(&self, step: &Step) -> Result<(), RunError> {
        let folder = self.folder(step.name);
        if step.name == "report" {
            for name in REPORT {
                let file = self.root.join(name);
                if file.exists() {
                    std::fs::remove_file(&file).map_err(io(&file, "remove"))?;
                }
            }
        }
        if folder.exists() {
            let manifest = folder.join(MANIFEST);
            if manifest.exists() {
                // First, so that a kill in the middle of the rest cannot leave a finished step without its files.
                std::fs::remove_file(&manifest).map_err(io(&manifest, "remove"))?;
            }
            std::fs::remove_dir_all(&folder).map_err(io(&folder, "remove"))?;
        }
        Ok(())
    }

    /// Digest of the settings a step reads, of the data, and of the steps it needs.
    pub(crate) fn inputs(&self, step: &Step) -> String {
        let mut text = format!("{}\n{}\n{}\n", step.name, self.data.digest, self.seed);
        text.push_str(&self.sections.text(step));
        for needed in step.needs {
            text.push_str(
                &self.inputs(super::step(needed).expect("needs name steps of the table")),
            );
        }
        digest(text.as_bytes())
    }

    /// The manifests of the finished steps, in order.
    pub(super) fn manifests(&self) -> Result<Vec<Manifest>, RunError> {
        let finished = METHOD.iter().map(|step| self.finished(step));
        finished.filter_map(Result::transpose).collect()
    }

    /// Where the networks of the `finished` steps ran, and what these steps were computed with: several after each
    /// other where that was not always the same. With a step that is `running`, or where none tells, this process is
    /// among them. The report computes nothing.
    pub(super) fn made_with(
        &self,
        finished: &[Manifest],
        running: Option<&Step>,
    ) -> (String, BTreeMap<String, String>) {
        let (mut devices, mut parts) = (Vec::new(), Vec::new());
        for manifest in finished.iter().filter(|m| m.step != "report") {
            devices.extend(manifest.device.clone());
            parts.push(manifest.versions.clone());
        }
        if devices.is_empty() || running.is_some_and(Step::runs_networks) {
            devices.push(self.device.clone());
        }
        if running.is_some() || parts.iter().all(BTreeMap::is_empty) {
            parts.push(versions());
        }
        let names = parts.iter().flat_map(BTreeMap::keys);
        let versions = names.map(|name| {
            let versions = parts.iter().filter_map(|part| part.get(name).cloned());
            (name.clone(), distinct(versions))
        });
        (distinct(devices.into_iter()), versions.collect())
    }

    fn write_record(&self, running: Option<&Step>) -> Result<(), RunError> {
        let manifests = self.manifests()?;
        let steps = METHOD.iter().map(|step| {
            let finished = manifests.iter().find(|m| m.step == step.name);
            let status = match finished {
                Some(_) => "finished",
                None if running.is_some_and(|running| running.name == step.name) => "running",
                None => "pending",
            };
            StepRecord {
                step: step.name.to_owned(),
                status: status.to_owned(),
                inputs: finished.map(|m| m.inputs.clone()),
                outputs: finished.map(|m| m.outputs.clone()),
            }
        });
        let (device, versions) = self.made_with(&manifests, running);
        let record = RunRecord {
            format: self.format,
            versions,
            device,
            seed: self.seed,
            data: self.data.digest.clone(),
            base: Some(self.base.to_string_lossy().into_owned()),
            steps: steps.collect(),
        };
        let text = serde_json::to_string_pretty(&record).expect("plain fields");
        Ok(atomic::write_durably(
            &self.root.join(RECORD),
            text.as_bytes(),
        )?)
    }
}

/// Removes files that a kill left half-written beside their places; nobody else writes here, for the run is locked.
pub(super) fn sweep(folder: &Path) -> Result<(), RunError> {
    for entry in std::fs::read_dir(folder).map_err(io(folder, "list"))? {
        let path = entry.map_err(io(folder, "list"))?.path();
        let scratch = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(".tmp"));
        if scratch && path.is_file() {
            std::fs::remove_file(&path).map_err(io(&path, "remove"))?;
        }
    }
    Ok(())
}

/// As [`sweep`], in the folders below too.
fn sweep_all(folder: &Path) -> Result<(), RunError> {
    sweep(folder)?;
    for entry in std::fs::read_dir(folder).map_err(io(folder, "list"))? {
        let entry = entry.map_err(io(folder, "list"))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_all(&entry.path())?;
        }
    }
    Ok(())
}

fn other_run(root: &Path, step: &Step, changed: &[String]) -> RunError {
    RunError::OtherRun {
        path: root.to_owned(),
        step: step.name,
        changed: some_of(changed),
    }
}

/// Words without those that came before.
fn distinct(words: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        if !all.contains(&word) {
            all.push(word);
        }
    }
    all.join("; ")
}

/// The first of many words.
fn some_of(words: &[String]) -> String {
    const SOME: usize = 5;
    let mut text = words[..words.len().min(SOME)].join(", ");
    if words.len() > SOME {
        text += &format!(" and {} more", words.len() - SOME);
    }
    text
}
