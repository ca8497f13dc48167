//! `weakseg report`: the report of a finished run, anew.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use weakseg::config;
use weakseg::pipeline::{METHOD, Span};

use super::run::execute;
use crate::args::Settings;
use crate::base;
use crate::devices::Devices;
use crate::exit::Done;

/// Write report.html and report.json of a finished run anew, from what its steps have written.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg report runs/first")]
pub struct Report {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Cases that may be left out before the command ends with exit code 3; the run's configuration's by default.
    #[arg(long, value_name = "N")]
    allow_skips: Option<usize>,
}

impl Report {
    /// Does the last step again.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let base = base::noted(&self.run)?;
        let config = config::load(&self.run.join("config.toml"), None, &[])?;
        let last = METHOD.len() - 1;
        let span = Span {
            from: last,
            until: last,
            again: true,
        };
        let devices = Devices::default();
        execute(
            &config,
            &base,
            &self.run,
            span,
            self.allow_skips,
            &devices,
            settings,
        )
    }
}
