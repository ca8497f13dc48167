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
    List(list::List),
    Fetch(fetch::Fetch),
    Convert(convert::Convert),
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
