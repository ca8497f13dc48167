//! `weakseg data verify`: every fault of a data set.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use weakseg::progress::Progress;
use weakseg_data::DataError;

use super::run::Layers;
use super::set;
use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// List every fault of a data set, before hours are spent on it.
///
/// Reads every image, mask, label and box, and says what each split holds. Ends with exit code 1 if there is an error;
/// warnings are for you to judge.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg data verify config.toml     the set that a configuration names
  weakseg data verify VOC2012         a folder with JPEGImages/, labels.csv or train-rle.csv")]
pub struct Verify {
    /// A configuration, or the folder of a set.
    #[arg(value_name = "CONFIG.toml|FOLDER")]
    source: PathBuf,
    #[command(flatten)]
    layers: Layers,
    /// Let warnings fail too.
    #[arg(long)]
    strict: bool,
    /// Rows without an image that can be read that are no error; the configuration's by default.
    #[arg(long, value_name = "N")]
    allow_skips: Option<usize>,
}

impl Verify {
    /// Looks at everything and prints what is wrong.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data verify")?;
        let set = set::open(&self.source, &self.layers, settings)?;
        settings
            .ui
            .note(&format!("reading every file of {}", self.source.display()));
        let mut report = set.data.verify(&set.base);
        // A set that is not where a configuration says has no faults of its own.
        let place = report
            .faults
            .iter()
            .position(|fault| matches!(fault.error, DataError::Config { .. }));
        if let Some(place) = place.filter(|_| report.cases == 0 && !self.source.is_dir()) {
            return Err(report.faults.swap_remove(place).error.into());
        }
        report.allow_skips(self.allow_skips.unwrap_or(set.allow_skips));
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
