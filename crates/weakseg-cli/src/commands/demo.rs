//! `weakseg demo`: the whole method on made chest X-rays.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use weakseg::config;
use weakseg::pipeline::Span;

use super::run::execute;
use crate::args::Settings;
use crate::base;
use crate::devices::Devices;
use crate::exit::{Done, usage};

/// Run the whole method on made chest X-rays: no data, no weights, no network, no GPU.
///
/// Makes images in some of which a lung has collapsed (a pneumothorax), trains on which they are, and scores where the
/// method finds it against masks that no training step sees. Takes a few minutes on two cores.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg demo --out weakseg-demo     then open weakseg-demo/report.html")]
pub struct Demo {
    /// The run's folder. The images go to a folder beside it, DIR-images.
    #[arg(long, value_name = "DIR", default_value = "weakseg-demo")]
    out: PathBuf,
}

impl Demo {
    /// Runs every step.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let Some(name) = self.out.file_name() else {
            return usage(format!(
                "--out {}: expected a folder with a name",
                self.out.display()
            ));
        };
        // Beside the run's folder, which holds nothing but the run.
        let images = serde_json::to_string(&format!("{}-images", name.to_string_lossy()))?;
        let images = format!("data.root={images}");
        let seed = settings.seed.map(|seed| format!("seed={seed}"));
        let sets: Vec<String> = seed.into_iter().chain([images]).collect();
        let config = config::resolve(Default::default(), "demo", Some("demo"), &sets)?;
        let base = base::folder_of(&self.out);
        let (span, devices) = (Span::default(), Devices::default());
        execute(&config, &base, &self.out, span, None, &devices, settings)
    }
}
