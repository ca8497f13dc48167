//! Weights in and out: safetensors under the names torchvision and smp use.
//!
//! Loading is strict by default and never silent: [`load_safetensors`] refuses a file that does not
//! fit key by key, [`load_partial`] says in its [`LoadReport`] what it took and what it left. Files
//! are written beside their name and renamed, so a half-written file is never found under it.

mod apply;
mod error;
mod file;
mod host_tensor;
mod import;
mod metadata;
mod names;
mod normalisation;
mod report;

pub use error::WeightsError;
pub use file::{load_partial, load_safetensors, read_metadata, save_safetensors};
pub use import::{ChannelOrder, import_trunk};
pub use metadata::Metadata;
pub use names::{Parameter, count_parameters, parameters};
pub use normalisation::Normalisation;
pub use report::{LoadReport, Misshapen};

pub(crate) use apply::copy_trunk;
