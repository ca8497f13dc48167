//! `weakseg config`: what a configuration may hold, and what it resolves to.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use weakseg::config;

use super::run::Layers;
use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// `weakseg config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the JSON Schema of the configuration file; editors complete and check with it.
    #[command(after_help = "\
Example:
  weakseg config schema > weakseg.schema.json")]
    Schema,
    /// Print a configuration with every value spelled out, as a run would use it.
    Show(Show),
}

/// Print a configuration with every value spelled out, as a run would use it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg config show config.toml --set irn.radius=5
  weakseg config show --preset demo > config.toml     a file to start from
  weakseg config show RUN                             what a run was made with")]
pub struct Show {
    /// The configuration, or the folder of a run; optional with --preset.
    #[arg(value_name = "CONFIG.toml", required_unless_present = "preset")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
}

impl Config {
    /// Prints.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        match self {
            Self::Schema => output::line(format!("{:#}", config::schema()))?,
            Self::Show(show) => {
                let resolved = match &show.config {
                    Some(path) if path.is_dir() => {
                        show.layers.load(&path.join("config.toml"), settings)?
                    }
                    Some(path) => show.layers.load(path, settings)?,
                    None => show.layers.preset_alone(settings)?,
                };
                if settings.json {
                    output::json(&resolved)?;
                } else {
                    output::line(config::to_toml(&resolved).trim_end())?;
                }
            }
        }
        Ok(Done::Whole)
    }
}
