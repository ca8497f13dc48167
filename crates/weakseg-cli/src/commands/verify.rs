//! `weakseg data verify`: every fault of a data set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use weakseg::config;
use weakseg::progress::Progress;
use weakseg_data::DataConfig;

use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// List every fault of a data set, before hours are spent on it.
///
/// Reads every image, mask, label and box. Ends with exit code 1 if there is an error; warnings are for you to judge.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg data verify config.toml     the set that a configuration names
  weakseg data verify VOC2012         a folder with JPEGImages/, or with labels.csv and images/")]
pub struct Verify {
    /// A configuration, or the folder of a set.
    #[arg(value_name = "CONFIG.toml|FOLDER")]
    set: PathBuf,
    /// Let warnings fail too.
    #[arg(long)]
    strict: bool,
}

impl Verify {
    /// Looks at everything and prints what is wrong.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data verify")?;
        let (data, base) = self.data()?;
        settings
            .ui
            .note(&format!("reading every file of {}", self.set.display()));
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

    /// The set, and the folder that its relative paths start from.
    fn data(&self) -> Result<(DataConfig, PathBuf)> {
        if self.set.is_dir() {
            return Ok((kind_of(&self.set)?, self.set.clone()));
        }
        let base = self.set.parent().unwrap_or(Path::new("")).to_owned();
        Ok((config::load(&self.set, None, &[])?.data, base))
    }
}

/// The kind of set that a folder holds, by its usual files.
fn kind_of(folder: &Path) -> Result<DataConfig> {
    let kind = if folder.join("JPEGImages").is_dir() {
        "voc"
    } else if folder.join("labels.csv").is_file() {
        "table"
    } else {
        return usage(format!(
            "{}: neither a voc set (no JPEGImages/) nor a table set (no labels.csv); name its files in a configuration \
             and verify that",
            folder.display()
        ));
    };
    Ok(serde_json::from_value(
        serde_json::json!({ "kind": kind, "root": "." }),
    )?)
}
