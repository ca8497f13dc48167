//! What can be wrong with a weight file.

use std::io;
use std::path::PathBuf;

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
    /// Not a safetensors file, or cut off, or its header lies about its contents.
    #[error("{path} is not a sound safetensors file: {reason}; fetch or write it again", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
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
    /// The file has no weakseg metadata.
    #[error("{path} has no `weakseg` metadata: it was not written by weakseg; say which network it is for", path = path.display())]
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
