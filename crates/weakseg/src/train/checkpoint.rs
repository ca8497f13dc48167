//! One checkpoint = one folder that appears whole: network, moving average, optimizer and [`State`], each file with its
//! digest.
//!
//! | folder under `checkpoints/` | holds |
//! |---|---|
//! | `EEEEE-SSSSSS/` | where training stood after EEEEE epochs and SSSSSS batches of the next; the newest two are kept, of a finished training the last |
//! | `best/EEEEE/` | the end of the best epoch so far, and that of an older one while a kept checkpoint speaks of it |
//! | `every/EEEEE/` | the ends of every so many epochs, if asked for |
//!
//! All are of one form: one from `best/` or `every/` that is copied to `EEEEE-000000/`, with later ones removed, is
//! gone on from.

use std::path::{Path, PathBuf};

use burn::module::Module;
use weakseg_data::DataError;
use weakseg_models::weights::{Metadata, load_safetensors, save_safetensors};

use super::Place;
pub use super::error::CheckpointError;
use super::error::without;
pub use super::state::State;
use super::state::{ANOTHER, damaged, part, place_of};
use crate::digest::digest;
use crate::files::{io, make_folder, read};
use crate::optim::Optimizer;

/// A training between two steps: all that a checkpoint holds.
pub struct Course<M> {
    /// The network as it learns.
    pub network: M,
    /// The moving average of its weights, without autodiff, where one is kept; none before the first step.
    pub average: Option<M>,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The rest.
    pub state: State,
}

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To go on from.
    Last,
    /// The best epoch.
    Best,
    /// One of every so many epochs.
    Every,
}

const NETWORK: &str = "network.safetensors";
const AVERAGE: &str = "average.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const BEST: &str = "best";
const EVERY: &str = "every";
/// Ending of a folder that is being written.
const SCRATCH: &str = "tmp";
/// Ending of a folder that is being removed.
const DOOMED: &str = "old";

/// Writes a checkpoint under `folder`. One of the kind [`Kind::Last`] then takes the place of the one before the last,
/// and of the best ones that no checkpoint speaks of any more.
///
/// # Errors
/// When a file cannot be written; earlier checkpoints are then as they were.
pub fn save<M: Module>(
    folder: &Path,
    kind: Kind,
    course: &Course<M>,
    meta: &Metadata,
) -> Result<(), CheckpointError> {
    let Place { epoch, step } = course.state.place;
    let place = match kind {
        Kind::Last => folder.join(format!("{epoch:05}-{step:06}")),
        Kind::Best => best(folder, epoch),
        Kind::Every => folder.join(EVERY).join(format!("{epoch:05}")),
    };
    let scratch = place.with_extension(SCRATCH);
    let _ = std::fs::remove_dir_all(&scratch); // what an earlier kill left behind
    make_folder(&scratch)?;
    if let Err(error) = write(&scratch, course, meta) {
        let _ = std::fs::remove_dir_all(&scratch); // on a full disk it would be in the way
        return Err(error);
    }
    if place.exists() {
        discard(&place)?; // the same place again, after a stop at once after resuming
    }
    std::fs::rename(&scratch, &place).map_err(io(&place, "rename the checkpoint to"))?;
    if kind == Kind::Last {
        prune(folder, 2)?;
    }
    Ok(())
}

/// Writes the files of a checkpoint into a folder, [`State`] last.
fn write<M: Module>(
    folder: &Path,
    course: &Course<M>,
    meta: &Metadata,
) -> Result<(), CheckpointError> {
    let network = |network: &M, name: &str| -> Result<String, CheckpointError> {
        save_safetensors(network, &folder.join(name), meta)?;
        Ok(digest(&read(&folder.join(name))?))
    };
    let mut state = course.state.clone();
    state.network = network(&course.network, NETWORK)?;
    state.average = match &course.average {
        Some(average) => Some(network(average, AVERAGE)?),
        None => None,
    };
    course.optimizer.save(&folder.join(OPTIMIZER))?;
    state.optimizer = digest(&read(&folder.join(OPTIMIZER))?);
    Ok(state.write(folder)?)
}

/// Removes what only a training that is not finished needs: all but the last checkpoint, and the best one that it
/// speaks of. Where others lie depends on when a training was stopped, or how fast it went, and equal trainings are to
/// leave equal folders.
///
/// # Errors
/// When a checkpoint cannot be removed.
pub fn close(folder: &Path) -> Result<(), CheckpointError> {
    sweep(folder)?;
    prune(folder, 1)
}

/// Removes all but the newest `number` checkpoints to go on from, and the best ones that none of them speaks of.
fn prune(folder: &Path, number: usize) -> Result<(), CheckpointError> {
    let all = list(folder)?;
    let (old, kept) = all.split_at(all.len().saturating_sub(number));
    for old in old {
        discard(old)?;
    }
    let mut spoken_of = Vec::new();
    for path in kept {
        let (epoch, _) = match State::read(path) {
            Ok(state) => state.record.best.unwrap_or_default(),
            Err(_) => return Ok(()), // it cannot say; resuming will
        };
        spoken_of.push(best(folder, epoch));
    }
    for path in list(&folder.join(BEST))? {
        if !spoken_of.contains(&path) {
            discard(&path)?;
        }
    }
    Ok(())
}

/// Removes a checkpoint so that a kill leaves it whole or as [`sweep`] knows it.
fn discard(path: &Path) -> Result<(), DataError> {
    let doomed = path.with_extension(DOOMED);
    let _ = std::fs::remove_dir_all(&doomed); // what an earlier kill left behind
    std::fs::rename(path, &doomed).map_err(io(path, "rename"))?;
    std::fs::remove_dir_all(&doomed).map_err(io(&doomed, "remove"))
}

/// Removes what a kill left half-written or half-removed.
fn sweep(folder: &Path) -> Result<(), DataError> {
    for folder in [folder, &folder.join(BEST), &folder.join(EVERY)] {
        for path in folders(folder)? {
            if [SCRATCH, DOOMED]
                .iter()
                .any(|end| path.extension() == Some(end.as_ref()))
            {
                std::fs::remove_dir_all(&path).map_err(io(&path, "remove"))?;
            }
        }
    }
    Ok(())
}

/// Whether there is a checkpoint in `folder` to go on from.
///
/// # Errors
/// When it cannot be listed.
pub fn is_there(folder: &Path) -> Result<bool, DataError> {
    Ok(!list(folder)?.is_empty())
}

/// The training of a step where its newest checkpoint in `folder` stands, or at its start if there is none.
///
/// # Errors
/// When it is damaged or does not fit the network: training never starts over silently.
pub fn resume<M: Module>(
    folder: &Path,
    network: M,
    mut optimizer: Optimizer,
) -> Result<Course<M>, CheckpointError> {
    sweep(folder)?;
    let Some(path) = list(folder)?.pop() else {
        return Ok(Course {
            network,
            average: None,
            optimizer,
            state: State::new(),
        });
    };
    let state = trusted(&path).map_err(|error| match error {
        CheckpointError::Damaged {
            path, file, why, ..
        } => CheckpointError::Damaged {
            remedy: match list(folder) {
                Ok(all) if all.len() > 1 => {
                    "remove this folder to go on from the one before it".to_owned()
                }
                _ => format!(
                    "there is none before it: put it back, or {}",
                    without(&path)
                ),
            },
            path,
            file,
            why,
        },
        other => other,
    })?;
    let average = match &state.average {
        Some(_) => Some(load_safetensors(network.valid(), &path.join(AVERAGE))?.0),
        None => None,
    };
    let (network, _) = load_safetensors(network, &path.join(NETWORK))?;
    optimizer.load(&path.join(OPTIMIZER), &network)?;
    Ok(Course {
        network,
        average,
        optimizer,
        state,
    })
}

/// The network of a step's best epoch, without autodiff: its moving average where one was kept. `network` gives the
/// form.
///
/// # Errors
/// When the checkpoint is gone, damaged or of another network.
pub fn best_network<M: Module>(
    folder: &Path,
    epoch: usize,
    network: &M,
) -> Result<M, CheckpointError> {
    let path = best(folder, epoch);
    let no_best = |why: String| CheckpointError::NoBest {
        path: path.clone(),
        why,
    };
    if !path.exists() {
        return Err(no_best("is gone".to_owned()));
    }
    let state = trusted(&path).map_err(|error| match error {
        CheckpointError::Damaged { file, why, .. } => no_best(format!("is damaged ({file} {why})")),
        other => other,
    })?;
    let file = match state.average {
        Some(_) => AVERAGE,
        None => NETWORK,
    };
    Ok(load_safetensors(network.valid(), &path.join(file))?.0)
}

/// The state of a checkpoint all of whose files have their digests.
fn trusted(path: &Path) -> Result<State, CheckpointError> {
    let state = State::read(path)?;
    let average = state.average.iter().map(|digest| (AVERAGE, digest));
    for (file, expected) in [(NETWORK, &state.network), (OPTIMIZER, &state.optimizer)]
        .into_iter()
        .chain(average)
    {
        if digest(&part(path, file)?) != *expected {
            return Err(damaged(path, file, ANOTHER));
        }
    }
    Ok(state)
}

fn best(folder: &Path, epoch: usize) -> PathBuf {
    folder.join(BEST).join(format!("{epoch:05}"))
}

/// Finished checkpoints, oldest first.
fn list(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = folders(folder)?;
    found.retain(|path| place_of(path).is_some());
    found.sort_by_key(|path| place_of(path));
    Ok(found)
}

/// All folders in `folder`.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder, "list"))? {
        let path = entry.map_err(io(folder, "list"))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}
