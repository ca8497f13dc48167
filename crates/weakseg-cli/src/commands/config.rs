//! `weakseg config`: what a configuration may hold, and what it resolves to.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use weakseg::config;
use weakseg::progress::Progress;

use super::output_path::check_new;
use super::run::Layers;
use crate::args::Settings;
use crate::exit::{Done, label, usage};
use crate::wsmis;
use crate::{base, output};

/// `weakseg config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the JSON Schema of the configuration file; editors complete and check with it.
    #[command(after_help = "\
Example:
  weakseg config schema > weakseg.schema.json")]
    Schema,
    Show(Show),
    Import(Import),
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

/// Take over a YAML file of the published code (WSMIS), as a layer over a preset.
///
/// Each of its values is taken over or listed with the reason, above the layer and on stderr. Such a file sets one
/// step; the set's folder and the other steps come from elsewhere. Keys that the published settings do not have end it
/// with exit code 1, for they may be misspelt.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg config import pneumothorax.yaml --out seg.toml
  weakseg run seg.toml --preset siim-wsmis --set data.root=siim")]
pub struct Import {
    /// The YAML file.
    #[arg(value_name = "FILE.yaml")]
    file: PathBuf,
    /// Write here, where no file is yet, instead of to stdout.
    #[arg(long, value_name = "CONFIG.toml")]
    out: Option<PathBuf>,
}

impl Import {
    fn run(&self, settings: &Settings) -> Result<Done> {
        if let Some(out) = &self.out {
            check_new(out)?;
        }
        let origin = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("{origin}: cannot read"))?;
        let import = match wsmis::import(&text) {
            Ok(import) => import,
            Err(error) => return usage(format!("{origin}: {error}")),
        };
        import.check(&origin)?;
        for left in &import.not_mapped {
            settings
                .ui
                .warn(&format!("{} = {}: {}", left.key, left.value, left.reason));
        }
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        let layer = import.to_toml(&name.to_string_lossy());
        if let Some(out) = &self.out {
            write_new(out, &layer)?;
        }
        match (settings.json, &self.out) {
            (true, _) => output::json(&import)?,
            (false, None) => output::line(layer.trim_end())?,
            (false, Some(_)) => {}
        }
        match import.unknown().as_slice() {
            [] => Ok(Done::Whole),
            keys => {
                settings.ui.warn(&format!(
                    "{} {origin}: unknown, misspelt perhaps: {}; the rest is taken over",
                    label(),
                    keys.join(", ")
                ));
                Ok(Done::Faulty)
            }
        }
    }
}

/// Never over a file that is there: it may have been worked on.
fn write_new(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let file = std::fs::File::create_new(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{}: cannot write", path.display()))
}

impl Config {
    /// Prints.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        match self {
            Self::Schema => output::line(format!("{:#}", config::schema()))?,
            Self::Show(show) => {
                let file = show.config.as_ref().map(|path| match path.is_dir() {
                    true => path.join("config.toml"),
                    false => path.clone(),
                });
                let resolved = match &file {
                    Some(file) => show.layers.load(file, settings)?,
                    None => show.layers.preset_alone(settings)?,
                };
                if settings.json {
                    output::json(&resolved)?;
                } else {
                    // A run of an earlier version may not have noted it.
                    let run = file.as_deref().and_then(base::run_of);
                    if let Some(base) = run.and_then(|run| base::noted(&run).ok()) {
                        let base = std::path::absolute(base)?;
                        output::line(format!("# Relative paths start from {}", base.display()))?;
                    }
                    output::line(config::to_toml(&resolved).trim_end())?;
                }
            }
            Self::Import(import) => return import.run(settings),
        }
        Ok(Done::Whole)
    }
}
