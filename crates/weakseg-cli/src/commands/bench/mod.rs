//! `weakseg bench`: how fast this machine is.

mod step;
mod subject;

use anyhow::Result;
use clap::Subcommand;

use crate::args::Settings;
use crate::exit::Done;

/// `weakseg bench …`
#[derive(Debug, Subcommand)]
pub enum Bench {
    Step(step::Step),
}

impl Bench {
    /// Does it.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        match self {
            Self::Step(step) => step.run(settings),
        }
    }
}
