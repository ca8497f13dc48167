//! `weakseg demo`: the whole method on made chest X-rays.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use weakseg::config;
use weakseg::pipeline::Span;

use super::run::execute;
use crate::args::Settings;
use crate::exit::Done;

/// Run the whole method on made chest X-rays: no data, no weights, no network, no GPU.
///
/// Makes images in some of which a lung has collapsed (a pneumothorax), trains on which they are, and scores where the
/// method finds it against masks that no training step sees. Takes a few minutes on two cores.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg demo --out weakseg-demo     then open weakseg-demo/report.html")]
pub struct Demo {
    /// The run's folder.
    #[arg(long, value_name = "DIR", default_value = "weakseg-demo")]
    out: PathBuf,
}

impl Demo {
    /// Runs every step.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let sets: Vec<String> = settings
            .seed
            .iter()
            .map(|seed| format!("seed={seed}"))
            .collect();
        let config = config::resolve(Default::default(), "demo", Some("demo"), &sets)?;
        execute(
            &config,
            Path::new("."),
            &self.out,
            Span::default(),
            None,
            settings,
        )
    }
}
