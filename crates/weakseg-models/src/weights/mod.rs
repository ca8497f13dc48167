//! Weights in and out: PyTorch's checkpoints and safetensors in, safetensors out, under the names
//! torchvision, timm and smp use.
//!
//! Loading is strict and never silent: [`load_safetensors`] refuses a file that does not fit key by key,
//! [`import_trunk`] one whose trunk does not, with a [`LoadReport`]. Files are written beside their name
//! and renamed, so a half-written file is never found under it.

mod apply;
mod archive;
mod contents;
mod error;
mod file;
mod host_tensor;
mod import;
mod metadata;
mod names;
mod naming;
mod normalisation;
mod pickle;
mod pytorch;
mod report;
mod stored;

pub use contents::{WeightsFile, WeightsFormat};
pub use error::WeightsError;
pub use file::{export_safetensors, load_safetensors, read_metadata, save_safetensors};
pub use import::{ChannelOrder, import_trunk};
pub use metadata::Metadata;
pub use names::{Parameter, parameters};
pub use naming::Names;
pub use normalisation::Normalisation;
pub use report::{LoadReport, Misshapen};

pub(crate) use apply::copy_trunk;
