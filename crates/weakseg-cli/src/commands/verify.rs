//! `weakseg data verify`: every fault of a data set.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use weakseg::progress::Progress;

use super::run::Layers;
use super::set;
use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// List every fault of a data set, before hours are spent on it.
///
/// Reads every image, mask, label and box. Ends with exit code 1 if there is an error; warnings are for you to judge.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg data verify config.toml     the set that a configuration names
  weakseg data verify VOC2012         a folder with JPEGImages/, with labels.csv and images/, or with train-rle.csv")]
pub struct Verify {
    /// A configuration, or the folder of a set.
    #[arg(value_name = "CONFIG.toml|FOLDER")]
    source: PathBuf,
    #[command(flatten)]
    layers: Layers,
    /// Let warnings fail too.
    #[arg(long)]
    strict: bool,
}

impl Verify {
    /// Looks at everything and prints what is wrong.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data verify")?;
        let (data, base) = set::open(&self.source, &self.layers, settings)?;
        settings
            .ui
            .note(&format!("reading every file of {}", self.source.display()));
        let report = data.verify(&base);
        if settings.json {
            output::json(&report)?;
        } else {
            output::line(&report)?;
        }
        Ok(if report.passes(self.strict) {
            Done::Whole
        } else {
            Done::Faulty
        })
    }
}
