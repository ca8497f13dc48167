//! `weakseg weights`: pretrained trunks, and weights from and for other libraries.

mod convert;
mod fetch;
mod list;
mod network;
mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::args::Settings;
use crate::exit::Done;

/// `weakseg weights …`
#[derive(Debug, Subcommand)]
pub enum Weights {
    /// List the pretrained weights that a run can start from, and which of them are here.
    List(list::List),
    /// Fetch pretrained weights into the cache, so that runs need no network.
    Fetch(fetch::Fetch),
    /// Write weights as safetensors, with the names that other libraries use.
    Convert(convert::Convert),
    /// Check a file of weights against a network, and its outputs against outputs that are known.
    Verify(verify::Verify),
}

impl Weights {
    /// Does it.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        match self {
            Self::List(list) => list.run(settings),
            Self::Fetch(fetch) => fetch.run(settings),
            Self::Convert(convert) => convert.run(settings),
            Self::Verify(verify) => verify.run(settings),
        }
    }
}
