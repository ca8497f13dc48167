//! One checkpoint = one folder that appears whole: network, optimizer and place, each with its digest.

use std::path::{Path, PathBuf};

use burn::module::Module;
use serde::{Deserialize, Serialize};
use weakseg_data::{DataError, atomic};
use weakseg_models::weights::{Metadata, WeightsError, load_safetensors, save_safetensors};

use super::Place;
use crate::digest::digest;
use crate::files::{io, make_folder, read};
use crate::optim::{OptimError, Optimizer};

/// A checkpoint that cannot be written or trusted.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file.
    #[error(transparent)]
    File(#[from] DataError),
    /// The network's weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The optimizer's state.
    #[error(transparent)]
    Optimizer(#[from] OptimError),
    /// The files do not have the digests that were written with them.
    #[error("{}: damaged ({what} does not match its digest); remove this folder to go on from the one before it", path.display())]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// The file.
        what: &'static str,
    },
}

/// What a checkpoint says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where training stood.
    pub place: Place,
    /// Sums of the loss terms over the epoch under way, and the number of steps in them.
    pub sums: Vec<(String, f64)>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// SHA-256 of the network's file.
    pub network: String,
    /// SHA-256 of the optimizer's file.
    pub optimizer: String,
}

const NETWORK: &str = "network.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";

/// Writes the checkpoint of `state.place` under `folder` and removes all but the newest two.
///
/// # Errors
/// When a file cannot be written; earlier checkpoints are then as they were.
pub fn save<M: Module>(
    folder: &Path,
    network: &M,
    meta: &Metadata,
    optimizer: &Optimizer,
    mut state: State,
) -> Result<(), CheckpointError> {
    make_folder(folder)?;
    let name = format!("{:05}-{:06}", state.place.epoch, state.place.step);
    let scratch = folder.join(format!("{name}.tmp"));
    let place = folder.join(&name);
    let _ = std::fs::remove_dir_all(&scratch); // what an earlier kill left behind
    make_folder(&scratch)?;
    save_safetensors(network, &scratch.join(NETWORK), meta)?;
    optimizer.save(&scratch.join(OPTIMIZER))?;
    state.network = digest(&read(&scratch.join(NETWORK))?);
    state.optimizer = digest(&read(&scratch.join(OPTIMIZER))?);
    atomic::write_durably(
        &scratch.join(STATE),
        serde_json::to_string_pretty(&state)
            .expect("plain fields")
            .as_bytes(),
    )?;
    let _ = std::fs::remove_dir_all(&place); // the same place again, after a stop at once after resuming
    std::fs::rename(&scratch, &place).map_err(io(&place, "rename the checkpoint to"))?;
    for old in list(folder)?.iter().rev().skip(2) {
        std::fs::remove_dir_all(old).map_err(io(old, "remove"))?;
    }
    Ok(())
}

/// The newest checkpoint of `folder`, if there is one.
///
/// # Errors
/// When it is damaged or does not fit the network: training never starts over silently.
pub fn resume<M: Module>(
    folder: &Path,
    network: M,
    optimizer: &mut Optimizer,
) -> Result<(M, Option<State>), CheckpointError> {
    let Some(path) = list(folder)?.pop() else {
        return Ok((network, None));
    };
    let text = read(&path.join(STATE))?;
    let state: State = serde_json::from_slice(&text).map_err(|_| CheckpointError::Damaged {
        path: path.clone(),
        what: STATE,
    })?;
    for (file, expected) in [(NETWORK, &state.network), (OPTIMIZER, &state.optimizer)] {
        if digest(&read(&path.join(file))?) != *expected {
            return Err(CheckpointError::Damaged { path, what: file });
        }
    }
    let (network, _) = load_safetensors(network, &path.join(NETWORK))?;
    optimizer.load(&path.join(OPTIMIZER), &network)?;
    Ok((network, Some(state)))
}

/// Finished checkpoints, oldest first.
fn list(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder, "list"))? {
        let path = entry.map_err(io(folder, "list"))?.path();
        if path.is_dir() && path.extension().is_none() && path.join(STATE).exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
