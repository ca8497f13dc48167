//! `weakseg report`: the report of a finished run, anew.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use weakseg::config;
use weakseg::pipeline::{METHOD, Span};

use super::run::execute;
use crate::args::Settings;
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
}

impl Report {
    /// Does the last step again.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let record = self.run.join("run.json");
        if !record.is_file() {
            bail!(
                "{}: not a run of weakseg (it has no run.json); give the --out folder of a run",
                self.run.display()
            );
        }
        let config = config::load(&self.run.join("config.toml"), None, &[])?;
        let last = METHOD.len() - 1;
        let span = Span {
            from: last,
            until: last,
            again: true,
        };
        execute(
            &config,
            &self.base(&record)?,
            &self.run,
            span,
            None,
            settings,
        )
    }

    /// The folder that relative paths of the run's configuration start from, as the run noted it.
    fn base(&self, record: &Path) -> Result<PathBuf> {
        let text = std::fs::read_to_string(record)
            .with_context(|| format!("{}: cannot read", record.display()))?;
        let noted: Noted = serde_json::from_str(&text)
            .with_context(|| format!("{}: damaged or from another version", record.display()))?;
        Ok(self.run.join(noted.base))
    }
}

/// The part of run.json that is needed here.
#[derive(Deserialize)]
struct Noted {
    /// From the run's folder; the run's folder itself if it is not noted.
    #[serde(default)]
    base: PathBuf,
}
