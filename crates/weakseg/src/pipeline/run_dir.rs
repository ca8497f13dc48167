//! A run's folder: what is finished, what it was made from, and who works in it now.
//!
//! A step is finished only when its `manifest.json` is there, written last and atomically. The manifest holds the digest
//! of what the step read; a finished step whose inputs are no longer those of the configuration is never reused and never
//! silently thrown away.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weakseg_data::{DataError, atomic};

use super::sections::Sections;
use super::{METHOD, Step};
use crate::config::{Config, to_toml};
use crate::digest::{digest, digest_folder};
use crate::files::{io, make_folder, read};
use crate::versions::versions;

const MANIFEST: &str = "manifest.json";
const STARTED: &str = "started.json";
/// What the step `report` writes beside its folder.
pub(super) const REPORT: [&str; 2] = ["report.json", "report.html"];

/// Why a folder cannot be used for a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process works in it.
    #[error("{}: another weakseg is at work in this folder; wait for it, or give another --out", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("{}: not empty and not a run of weakseg (it has no run.json); give another --out", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A finished or begun step was made from other settings.
    #[error(
        "{}: step {step} was made with other settings ({changed}); give another --out, or repeat from there with --from {step}",
        path.display()
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The first step that does not fit.
        step: &'static str,
        /// What differs.
        changed: String,
    },
    /// A step that a later one needs is not finished.
    #[error(
        "step {step} needs {needs}, which is not finished; run it first (leave out --from and --only, or start with --from {needs})"
    )]
    Unfinished {
        /// The step.
        step: &'static str,
        /// The one it needs.
        needs: &'static str,
    },
    /// `run.json` or a manifest cannot be understood.
    #[error("{}: damaged or from another version ({why}); remove it to do its step again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] DataError),
}

/// What a finished step says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The step's name.
    pub step: String,
    /// Digest of the settings and steps it was made from.
    pub inputs: String,
    /// Digest over all its files.
    pub outputs: String,
    /// Seconds of work, over all sittings; what was done between the last stop and a kill is not counted.
    pub seconds: f64,
    /// Cases worked on.
    pub cases: usize,
    /// Greatest memory of the process while it ran, in bytes; none where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
    /// Cases left out, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// `started.json`: what a step that was begun is being made from.
#[derive(Debug, Serialize, Deserialize)]
struct Started {
    /// Digest of what it reads.
    inputs: String,
    /// The settings it reads.
    sections: BTreeMap<String, serde_json::Value>,
    /// Seconds of earlier sittings; 0 once the manifest has them.
    #[serde(default)]
    seconds: f64,
}

/// `run.json`: the run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Of this file.
    pub format: u32,
    /// Versions of the program and of what decides its numbers.
    pub versions: BTreeMap<String, String>,
    /// Where the networks ran.
    pub device: String,
    /// Seed.
    pub seed: u64,
    /// Digest of the images' names, labels and splits.
    pub data: String,
    /// Folder that relative paths of the configuration start from, seen from the run's folder; noted by the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Steps in order: `pending`, `running` or `finished`, with digests once finished.
    pub steps: Vec<StepRecord>,
}

/// One step in `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's name.
    pub step: String,
    /// `pending`, `running` or `finished`.
    pub status: String,
    /// Digest of what it reads.
    pub inputs: Option<String>,
    /// Digest of what it wrote.
    pub outputs: Option<String>,
}

/// An opened and locked run folder.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    device: String,
    seed: u64,
    data: String,
    sections: Sections,
    _lock: File,
}

impl RunDir {
    /// Opens `root` for `config`, making it if it is not there, and writes `config.toml` and `run.json`.
    ///
    /// Steps from number `from` on are about to be repeated if their settings changed; earlier ones must fit.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn open(
        root: &Path,
        config: &Config,
        data: String,
        device: &str,
        from: usize,
    ) -> Result<Self, RunError> {
        make_folder(root)?;
        let lock_path = root.join(".lock");
        let known = root.join("run.json").exists();
        let foreign = std::fs::read_dir(root)
            .map_err(io(root, "list"))?
            .filter_map(Result::ok)
            .any(|entry| entry.file_name() != ".lock");
        if foreign && !known {
            return Err(RunError::NotARun {
                path: root.to_owned(),
            });
        }
        let lock = File::create(&lock_path).map_err(io(&lock_path, "create"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked {
                    path: root.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(&lock_path, "lock")(source).into()),
        }
        sweep(root)?;
        let run = Self {
            root: root.to_owned(),
            device: device.to_owned(),
            seed: config.seed,
            data,
            sections: Sections::of(config),
            _lock: lock,
        };
        for (number, step) in METHOD.iter().enumerate() {
            if let Some(started) = run.started(step)?
                && started.inputs != run.inputs(step)
            {
                if number < from && !run.made_nothing(step)? {
                    let changed = run.changed(step, &started);
                    return Err(RunError::OtherRun {
                        path: root.to_owned(),
                        step: step.name,
                        changed,
                    });
                }
                run.clear(step)?;
            }
        }
        atomic::write_durably(&root.join("config.toml"), to_toml(config).as_bytes())?;
        run.write_record(None)?;
        Ok(run)
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
    /// When a step it needs is not finished, or the folder cannot be written.
    pub fn begin(&self, step: &Step) -> Result<PathBuf, RunError> {
        for needed in step.needs {
            let other = super::step(needed).expect("needs name steps of the table");
            if self.finished(other)?.is_none() {
                return Err(RunError::Unfinished {
                    step: step.name,
                    needs: other.name,
                });
            }
        }
        let folder = self.folder(step.name);
        make_folder(&folder)?;
        sweep(&folder)?;
        let before = self.started(step)?.map_or(0.0, |started| started.seconds);
        self.write_started(step, before)?;
        self.write_record(Some(step.name))?;
        Ok(folder)
    }

    /// Whether a step was begun and ended before it made anything, as when its weights are refused: then it can begin
    /// again with other settings.
    fn made_nothing(&self, step: &Step) -> Result<bool, RunError> {
        let folder = self.folder(step.name);
        let entries = std::fs::read_dir(&folder).map_err(io(&folder, "list"))?;
        for entry in entries {
            if entry.map_err(io(&folder, "list"))?.file_name() != STARTED {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes that a step was left after `seconds` of work, to go on later.
    ///
    /// # Errors
    /// When the note cannot be read or written.
    pub fn pause(&self, step: &Step, seconds: f64) -> Result<(), RunError> {
        let before = self.started(step)?.map_or(0.0, |started| started.seconds);
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
        skipped: Vec<(String, String)>,
    ) -> Result<(), RunError> {
        let folder = self.folder(step.name);
        let before = self.started(step)?.map_or(0.0, |started| started.seconds);
        // The digest of the outputs is to tell of what was made, not of how long it took.
        self.write_started(step, 0.0)?;
        let manifest = Manifest {
            step: step.name.to_owned(),
            inputs: self.inputs(step),
            outputs: digest_folder(&folder, MANIFEST)?,
            seconds: before + seconds,
            cases,
            peak_rss_bytes,
            skipped,
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
    fn inputs(&self, step: &Step) -> String {
        let mut text = format!("{}\n{}\n{}\n", step.name, self.data, self.seed);
        text.push_str(&self.sections.text(step));
        for needed in step.needs {
            text.push_str(
                &self.inputs(super::step(needed).expect("needs name steps of the table")),
            );
        }
        digest(text.as_bytes())
    }

    /// The settings in which `step` differs from what it was begun with, in words.
    fn changed(&self, step: &Step, before: &Started) -> String {
        let mut differing = self.sections.changed(step, &before.sections);
        if differing.is_empty() {
            differing.push("the data, the seed or an earlier step".to_owned());
        }
        differing.truncate(5);
        differing.join(", ")
    }

    fn started(&self, step: &Step) -> Result<Option<Started>, RunError> {
        let path = self.folder(step.name).join(STARTED);
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(parse(&path)?))
    }

    fn write_record(&self, running: Option<&str>) -> Result<(), RunError> {
        let mut steps = Vec::new();
        for step in &METHOD {
            let finished = self.finished(step)?;
            steps.push(StepRecord {
                step: step.name.to_owned(),
                status: match &finished {
                    Some(_) => "finished",
                    None if running == Some(step.name) => "running",
                    None => "pending",
                }
                .to_owned(),
                inputs: finished.as_ref().map(|m| m.inputs.clone()),
                outputs: finished.map(|m| m.outputs),
            });
        }
        let path = self.root.join("run.json");
        let base = match path.exists() {
            true => parse::<RunRecord>(&path)?.base,
            false => None,
        };
        let record = RunRecord {
            format: 1,
            versions: versions(),
            device: self.device.clone(),
            seed: self.seed,
            data: self.data.clone(),
            base,
            steps,
        };
        let text = serde_json::to_string_pretty(&record).expect("plain fields");
        Ok(atomic::write_durably(
            &self.root.join("run.json"),
            text.as_bytes(),
        )?)
    }
}

/// Folder of a step in the run's folder, `NN-NAME`.
pub(super) fn folder_of(run: &Path, name: &str) -> PathBuf {
    let number = METHOD
        .iter()
        .position(|s| s.name == name)
        .expect("steps are named in the table");
    run.join(format!("{:02}-{name}", number + 1))
}

/// The record of a run that is only looked at.
pub(crate) fn record(root: &Path) -> Result<RunRecord, RunError> {
    parse(&root.join("run.json"))
}

/// Folder of a step that is finished, in the folder of such a run.
pub(crate) fn finished_folder(root: &Path, step: &str) -> Option<PathBuf> {
    let folder = folder_of(root, step);
    folder.join(MANIFEST).is_file().then_some(folder)
}

/// Digest of what a finished step of such a run has written.
pub(crate) fn finished_outputs(root: &Path, step: &str) -> Result<Option<String>, RunError> {
    let Some(folder) = finished_folder(root, step) else {
        return Ok(None);
    };
    let manifest: Manifest = parse(&folder.join(MANIFEST))?;
    Ok(Some(manifest.outputs))
}

/// Removes files that a kill left half-written beside their places; nobody else writes here, for the run is locked.
fn sweep(folder: &Path) -> Result<(), RunError> {
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

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    serde_json::from_slice(&read(path)?).map_err(|e| RunError::Damaged {
        path: path.to_owned(),
        why: e.to_string(),
    })
}
