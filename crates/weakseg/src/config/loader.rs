//! `[loader]`: how batches are made ahead of the training.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges::at_most;

/// How batches are made: threads, and what they keep. Batches are the same, byte for byte, whatever is set here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Threads that read, decode and change images, beside those that the program computes with; 0 for as many as
    /// those, so that there are twice as many in all.
    pub workers: usize,
    /// Batches that are made before they are asked for, at least 1.
    pub ahead: usize,
    /// Decoded images at the network's size that are kept in memory, in MiB; what does not fit is decoded again when it
    /// is asked for.
    pub memory: usize,
    /// Folder for decoded images at the network's size, kept from run to run, relative to the configuration file; none
    /// where nothing is said. An image whose file has changed is decoded again, and all are by another version of the
    /// program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
}

impl LoaderConfig {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        at_most("loader.workers", self.workers, 1024)?;
        match self.ahead {
            0 => Err("loader.ahead is 0; expected at least 1".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Default for LoaderConfig {
    fn default() -> Self {
        // 4 GiB hold SIIM-ACR at 512 pixels: 10,675 images of one channel take 2.7.
        Self {
            workers: 0,
            ahead: 2,
            memory: 4096,
            cache: None,
        }
    }
}
