//! What can be wrong with a weight file.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::LoadReport;

/// Why weights were not read or written.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The file could not be read.
    #[error("cannot read the weights {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file could not be written; nothing is left under its name.
    #[error("cannot write the weights {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No file of weights, or cut off, or changed, or its header lies about its contents.
    #[error("{path} is not a sound file of weights: {reason}; fetch or write it again", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pickle names an object that weights are not made of.
    #[error(
        "{path} is refused: its pickle asks for `{global}`, which weights are not made of. Nothing of it was run. If you trust \
         its origin, open it in PyTorch and save model.state_dict() alone, best as safetensors",
        path = path.display()
    )]
    Global {
        /// The file.
        path: PathBuf,
        /// The object, as `module.name`.
        global: String,
    },
    /// A library has no network with these names.
    #[error("{reason}")]
    Names {
        /// Why, and what there is.
        reason: String,
    },
    /// A tensor's element type is not a float.
    #[error("{key} in {path} has the type {dtype}; expected F16, BF16, F32 or F64", path = path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor holds NaN or infinity.
    #[error("{key} in {path} holds NaN or infinity at element {index}; the training that wrote it failed, use an earlier checkpoint", path = path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Position of the first bad element.
        index: usize,
    },
    /// The file holds weights and nothing about the run they are from.
    #[error("{path} holds weights alone, without the classes, the input size and the thresholds that a run notes with its networks; expected a run's folder or its model.safetensors", path = path.display())]
    NoMetadata {
        /// The file.
        path: PathBuf,
    },
    /// File and network do not fit key by key.
    #[error("{path} does not fit the network: {report}; check network name, classes and width", path = path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What fits and what does not.
        report: Box<LoadReport>,
    },
    /// A network about to be saved holds NaN or infinity.
    #[error("{key} holds NaN or infinity, so {path} was not written; the training has diverged, lower the learning rate", path = path.display())]
    Diverged {
        /// The file that was to be written.
        path: PathBuf,
        /// The parameter.
        key: String,
    },
}

impl WeightsError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn format(path: &Path, reason: impl ToString) -> Self {
        Self::Format {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
