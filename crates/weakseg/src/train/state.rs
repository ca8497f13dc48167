//! [`State`]: what a checkpoint says about itself, and whether that is what was written.

use std::path::Path;

use serde::{Deserialize, Serialize};
use weakseg_data::{DataError, atomic};

use super::error::CheckpointError;
use super::{Place, Record};
use crate::digest::digest;
use crate::files::read;
use crate::format::format_of;
use crate::optim::Plateau;

/// Format of the folder: 2 brought the moving average, the plateau and the record.
pub(super) const FORMAT: u32 = 2;
const STATE: &str = "state.json";
/// Stands in a state while its digest is not known; as long as it.
const UNKNOWN: &str = "????????????????????????????????????????????????????????????????";
/// What is wrong with most damaged files.
pub(super) const ANOTHER: &str = "does not match its digest";

fn first_format() -> u32 {
    1
}

/// What a checkpoint says about itself, in `state.json`. Fields that earlier versions did not write have defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Of the folder; 1 where nothing is said.
    #[serde(default = "first_format")]
    pub format: u32,
    /// Where training stood, always between two optimizer steps.
    pub place: Place,
    /// Sums of the loss terms over the batches of the epoch under way.
    pub sums: Vec<(String, f64)>,
    /// Sum of the norms of the gradients (before clipping) over the optimizer steps of the epoch under way.
    #[serde(default)]
    pub norms: f64,
    /// Norm of the last gradient, before clipping.
    #[serde(default)]
    pub last_norm: Option<f64>,
    /// What the schedule `plateau` remembers.
    #[serde(default)]
    pub plateau: Plateau,
    /// The best epoch so far, and how long ago it was.
    #[serde(default)]
    pub record: Record,
    /// SHA-256 of the network's file.
    pub network: String,
    /// SHA-256 of the optimizer's file.
    pub optimizer: String,
    /// SHA-256 of the moving average's file, none where there is none.
    #[serde(default)]
    pub average: Option<String>,
    /// SHA-256 of this file with as many `?` in its place; none of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
}

impl State {
    /// Before the first step.
    pub fn new() -> Self {
        Self {
            format: FORMAT,
            place: Place { epoch: 0, step: 0 },
            sums: Vec::new(),
            norms: 0.0,
            last_norm: None,
            plateau: Plateau::default(),
            record: Record::default(),
            network: String::new(),
            optimizer: String::new(),
            average: None,
            own: None,
        }
    }

    /// Writes it into the checkpoint `folder`.
    pub(super) fn write(mut self, folder: &Path) -> Result<(), DataError> {
        self.format = FORMAT;
        self.own = Some(UNKNOWN.to_owned());
        let text = serde_json::to_string_pretty(&self).expect("plain fields");
        let text = text.replacen(UNKNOWN, &digest(text.as_bytes()), 1);
        atomic::write_durably(&folder.join(STATE), text.as_bytes())
    }

    /// Reads that of the checkpoint `path`, if it is what was written there.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`], [`CheckpointError::Newer`], [`CheckpointError::File`].
    pub(super) fn read(path: &Path) -> Result<Self, CheckpointError> {
        let no_json = |_| damaged(path, STATE, "is not the JSON that was written");
        let text = part(path, STATE)?;
        let found = format_of(&text).map_err(no_json)?;
        if found > u64::from(FORMAT) {
            return Err(CheckpointError::Newer {
                path: path.to_owned(),
                found,
            });
        }
        let state: Self = serde_json::from_slice(&text).map_err(no_json)?;
        if let Some(own) = &state.own {
            let before = String::from_utf8_lossy(&text).replacen(own.as_str(), UNKNOWN, 1);
            if digest(before.as_bytes()) != *own {
                return Err(damaged(path, STATE, ANOTHER));
            }
        }
        if place_of(path) != Some(state.place) {
            let why = "tells of another place than the folder's name";
            return Err(damaged(path, STATE, why));
        }
        if state.place.step > 0 && state.sums.is_empty() {
            let why = "has no losses of the batches that it tells of";
            return Err(damaged(path, STATE, why));
        }
        Ok(state)
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn damaged(path: &Path, file: &'static str, why: &'static str) -> CheckpointError {
    CheckpointError::Damaged {
        path: path.to_owned(),
        file,
        why,
        remedy: String::new(),
    }
}

/// The bytes of one of a checkpoint's files.
pub(super) fn part(path: &Path, file: &'static str) -> Result<Vec<u8>, CheckpointError> {
    match path.join(file).exists() {
        true => Ok(read(&path.join(file))?),
        false => Err(damaged(path, file, "is missing")),
    }
}

/// Where a training stood at a checkpoint, by the name of its folder; none of a folder that is no finished checkpoint.
pub(super) fn place_of(path: &Path) -> Option<Place> {
    let name = path.file_name()?.to_str()?;
    let (epoch, step) = name.split_once('-').unwrap_or((name, "0"));
    Some(Place {
        epoch: epoch.parse().ok()?,
        step: step.parse().ok()?,
    })
}
