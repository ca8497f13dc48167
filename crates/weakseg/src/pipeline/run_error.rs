//! Why a folder cannot be used for a run.

use std::path::{Path, PathBuf};

use weakseg_data::DataError;

use super::run_record::FORMAT;

/// Why a folder cannot be used for a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process works in it.
    #[error("{}: locked by {by}; wait for it, or give another --out", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Which process that is, and since when, where it is told.
        by: String,
    },
    /// It is a file.
    #[error("{}: a file, and a run needs a folder; give another --out", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("{}: not empty and not a run of weakseg (it has no run.json); give another --out", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A finished or begun step was made from other settings, or other data.
    #[error(
        "{}: step {step} was made with other settings or data ({changed}); bring those back, give another --out, or repeat from there: `weakseg run` with {}",
        path.display(), repetition(step)
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The first step that does not fit.
        step: &'static str,
        /// What differs.
        changed: String,
    },
    /// The data are not those that the run was made from.
    #[error(
        "{}: the data set has other cases, labels or splits than when the run was made{}; bring back the set, or make a new run",
        path.display(), in_brackets(changed)
    )]
    OtherData {
        /// The run's folder.
        path: PathBuf,
        /// What differs; nothing where the run, of an earlier version, did not note it.
        changed: Vec<String>,
    },
    /// The files of a finished step are no longer those that it wrote.
    #[error(
        "{}: step {step} is finished, but not all that it wrote is there as it was ({what}); put these files back, or make them \
         again: `weakseg run` with --from {step}",
        path.display()
    )]
    OtherOutputs {
        /// The run's folder.
        path: PathBuf,
        /// The step.
        step: &'static str,
        /// Which files, and what about them.
        what: String,
    },
    /// A step that a later one needs is not finished.
    #[error(
        "step {step} needs {needs}, which is not finished; run it first: `weakseg run` without --from and --only, or with --from \
         {needs}"
    )]
    Unfinished {
        /// The step.
        step: &'static str,
        /// The one it needs.
        needs: &'static str,
    },
    /// Written by a later version.
    #[error(
        "{}: a run of a later version of weakseg (format {found} in run.json, this one knows up to {FORMAT}); go on with that \
         version, or give another --out",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// `run.json` or another file about the run or a step cannot be understood.
    #[error("{}: damaged or from another version ({why}); {}", path.display(), remedy(path))]
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

/// How a step is repeated, and those behind it that do not fit either. Scores alone are repeated without the trainings
/// between them.
fn repetition(step: &str) -> String {
    match super::step(step).map(|step| &step.work) {
        Some(super::Work::Score(_)) => format!("--only {step}, and then without it"),
        _ => format!("--from {step}"),
    }
}

/// What is to be done about a damaged file: those of the run are written anew by every call, those of a step say what
/// its files were made from, so that they are worth nothing without.
fn remedy(path: &Path) -> String {
    let step = path
        .parent()
        .filter(|folder| super::step_of(folder).is_some());
    match step {
        Some(folder) => format!(
            "remove the folder {} to do its step again",
            folder.display()
        ),
        None => "remove it: `weakseg run` writes it anew".to_owned(),
    }
}

/// What differs, behind what it differs from; nothing where nothing is said.
fn in_brackets(changed: &[String]) -> String {
    match changed {
        [] => String::new(),
        changed => format!(" ({})", changed.join("; ")),
    }
}
