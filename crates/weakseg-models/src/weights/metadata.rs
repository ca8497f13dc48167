//! What a weight file says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Normalisation;

/// Written into the safetensors header under the one key `weakseg`, as JSON, so that the same
/// weights always give the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The network's name on the command line, e.g. `vgg16` or `irnet-resnet50`.
    pub arch: String,
    /// Number of classes or outputs.
    pub classes: usize,
    /// The width factor.
    pub width: f64,
    /// The input the weights expect, RGB.
    pub normalisation: Normalisation,
    /// Version of weakseg that wrote the file.
    pub version: String,
    /// Whatever else the writer wants to find again, e.g. class names or the input size.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
}

impl Metadata {
    /// Header key.
    pub(super) const KEY: &'static str = "weakseg";

    /// Metadata of this version without extras.
    pub fn new(
        arch: impl ToString,
        classes: usize,
        width: f64,
        normalisation: Normalisation,
    ) -> Self {
        Self {
            arch: arch.to_string(),
            classes,
            width,
            normalisation,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extra: BTreeMap::new(),
        }
    }
}
