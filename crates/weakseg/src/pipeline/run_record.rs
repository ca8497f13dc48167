//! What a run's folder says of itself: `run.json`, and `started.json` and `manifest.json` of its steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run_error::RunError;
use super::{METHOD, Step};
use crate::files::{io, read};
use crate::format::format_of;

/// Says that a step is finished.
pub(super) const MANIFEST: &str = "manifest.json";
/// Says that it was begun.
pub(super) const STARTED: &str = "started.json";
/// The run's settings, every value spelled out.
pub(crate) const CONFIG: &str = "config.toml";
/// Of the run.
pub(super) const RECORD: &str = "run.json";

/// What a finished step says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The step's name.
    pub step: String,
    /// Digest of the settings and steps it was made from.
    pub inputs: String,
    /// Digest over its files but for checkpoints, which are listed in `outputs.json`; of earlier versions, over all
    /// files.
    pub outputs: String,
    /// Seconds of work, over all sittings; what was done between the last stop and a kill is not counted.
    pub seconds: f64,
    /// Cases worked on.
    pub cases: usize,
    /// Greatest memory of the process while it ran, in bytes; none where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
    /// Where its networks ran; none of a step without, and of earlier versions.
    #[serde(default)]
    pub device: Option<String>,
    /// Threads that the machine's work was shared among; 0 of earlier versions.
    #[serde(default)]
    pub threads: usize,
    /// Versions of what it was computed with; none of earlier versions.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
}

/// `started.json`: what a step that was begun is being made from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Started {
    /// Digest of what it reads.
    pub(super) inputs: String,
    /// The settings it reads.
    pub(super) sections: BTreeMap<String, serde_json::Value>,
    /// Seconds of earlier sittings; 0 once the manifest has them.
    #[serde(default)]
    pub(super) seconds: f64,
}

/// Format of a run's folder; since the second, what only turns results into masks is in no training's digest.
pub(super) const FORMAT: u32 = 2;

/// `run.json`: the run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Of the run's folder.
    pub format: u32,
    /// Versions of the program and of what decides its numbers, several where steps were done with several.
    pub versions: BTreeMap<String, String>,
    /// Where the networks ran, likewise.
    pub device: String,
    /// Seed.
    pub seed: u64,
    /// Digest of the images' names, labels and splits.
    pub data: String,
    /// Folder that relative paths of the configuration start from, seen from the run's folder, so that both may be
    /// moved together; none of earlier versions.
    #[serde(default)]
    pub base: Option<String>,
    /// Steps in order: `pending`, `running` or `finished`, with digests once finished.
    pub steps: Vec<StepRecord>,
}

impl RunRecord {
    /// Reads that of the run in `root`.
    ///
    /// # Errors
    /// [`RunError::Newer`], [`RunError::Damaged`], and when it cannot be read.
    pub fn read(root: &Path) -> Result<Self, RunError> {
        let path = root.join(RECORD);
        let found = format_of(&read(&path)?).map_err(damaged(&path))?;
        if found > u64::from(FORMAT) {
            return Err(RunError::Newer {
                path: root.to_owned(),
                found,
            });
        }
        parse(&path)
    }
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

/// Folder of a step in the run's folder, `NN-NAME`.
pub(super) fn folder_of(run: &Path, name: &str) -> PathBuf {
    let number = METHOD
        .iter()
        .position(|s| s.name == name)
        .expect("steps are named in the table");
    run.join(format!("{:02}-{name}", number + 1))
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

/// Whether any step of a run was begun in `root`.
pub(super) fn is_begun(root: &Path) -> bool {
    let mut steps = METHOD.iter();
    steps.any(|step| folder_of(root, step.name).join(STARTED).is_file())
}

/// The step whose folder this is, by its name.
pub(super) fn step_of(folder: &Path) -> Option<&'static Step> {
    let root = folder.parent()?;
    METHOD
        .iter()
        .find(|step| folder_of(root, step.name) == folder)
}

pub(super) fn started(root: &Path, step: &Step) -> Result<Option<Started>, RunError> {
    let path = folder_of(root, step.name).join(STARTED);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(parse(&path)?))
}

/// Whether a step was begun and ended before it made anything, as when its weights are refused: then it can begin again
/// with other settings.
pub(super) fn made_nothing(root: &Path, step: &Step) -> Result<bool, RunError> {
    let folder = folder_of(root, step.name);
    let entries = std::fs::read_dir(&folder).map_err(io(&folder, "list"))?;
    for entry in entries {
        if entry.map_err(io(&folder, "list"))?.file_name() != STARTED {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Format of the run in `root`, which it keeps: as `run.json` says or, where it was removed, as its steps have noted
/// what they read; that of new ones where there is none yet.
pub(super) fn format_in(root: &Path) -> Result<u32, RunError> {
    if root.join(RECORD).exists() {
        return Ok(RunRecord::read(root)?.format);
    }
    for step in &METHOD {
        // What stands apart since the second format has a name with a dot; the gallery's settings stood apart before.
        let apart = |name: &&&str| name.contains('.') && !name.ends_with("gallery");
        if let (Some(name), Some(started)) =
            (step.sections.iter().find(apart), started(root, step)?)
        {
            return Ok(if started.sections.contains_key(*name) {
                FORMAT
            } else {
                1
            });
        }
        let section = match step.name {
            "make-cams" => "cams",
            "train-segmenter" => "segmenter",
            _ => continue,
        };
        if let Some(started) = started(root, step)? {
            let whole = started.sections.get(section);
            let whole = whole.is_some_and(|section| section.get("threshold").is_some());
            return Ok(if whole { 1 } else { FORMAT });
        }
    }
    Ok(FORMAT)
}

/// In words, that the run in `root` has another seed; none if it has this one, or none yet.
pub(super) fn other_seed(root: &Path, seed: u64) -> Result<Option<String>, RunError> {
    if !root.join(RECORD).exists() {
        return Ok(None);
    }
    let before = RunRecord::read(root)?.seed;
    Ok((before != seed).then(|| format!("seed was {before}, is {seed}")))
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    serde_json::from_slice(&read(path)?).map_err(damaged(path))
}

fn damaged(path: &Path) -> impl FnOnce(serde_json::Error) -> RunError + '_ {
    |error| RunError::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::outputs::LIST;
    use crate::pipeline::steps::make_pseudo_labels::{DISPLACEMENTS, EDGES, SCORES};
    use crate::pipeline::steps::scoring::ROWS;

    /// Of several findings each has a folder of its name in a step's folder.
    #[test]
    fn no_finding_has_the_name_of_a_file_of_the_steps() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = [MANIFEST, STARTED, LIST, ROWS, SCORES, EDGES, DISPLACEMENTS];
        for name in own {
            let table = format!("image,mass,{name}\n");
            std::fs::write(folder.path().join("labels.csv"), table).expect("written");
            let set = weakseg_data::DataConfig::Table(weakseg_data::TableConfig::default());
            let text = set.open_cases(folder.path()).expect_err(name).to_string();
            assert!(text.contains(&format!("`{name}` is taken")), "{text}");
        }
    }
}
