//! `weakseg data split`: which case is trained on, and which is scored on, as a file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weakseg_data::{Split, write_splits};

use super::output_path::check_new;
use super::run::Layers;
use super::set;
use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// Write how a data set is divided: a CSV of image, patient and split.
///
/// Patients are never divided. A siim set reads the file back from split.csv in its folder, so the division stays the
/// same whatever becomes of the set or the seed; a table set has a column `split` for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg data split config.toml --out siim/split.csv
  weakseg data split siim --out siim/split.csv     a folder with train-rle.csv and DICOM files")]
pub struct DataSplit {
    /// A configuration, or the folder of a set.
    #[arg(value_name = "CONFIG.toml|FOLDER")]
    source: PathBuf,
    #[command(flatten)]
    layers: Layers,
    /// The CSV to write.
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// Ids without an image that may be left out before the program ends with exit code 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_skips: usize,
}

/// What `--json` prints of a split.
#[derive(Serialize)]
struct Count {
    split: Split,
    cases: usize,
    positive: usize,
}

impl DataSplit {
    /// Divides the set and writes the file.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data split")?;
        check_new(&self.out)?;
        let (data, base) = set::open(&self.source, &self.layers, settings)?;
        let cases = data.open_cases(&base)?;
        for warning in &cases.warnings {
            settings.ui.warn(&format!("warning: {warning}"));
        }
        write_splits(&self.out, &cases)?;
        let left_out = cases.left_out.len();
        let done = if left_out > self.allow_skips {
            settings.ui.warn(&format!(
                "{left_out} ids were left out, {} are allowed (--allow-skips)",
                self.allow_skips
            ));
            Done::Skipped
        } else {
            Done::Whole
        };
        let counts = Split::ALL.map(|split| Count {
            split,
            cases: cases.count(split),
            positive: cases.of(split).filter(|case| case.is_positive()).count(),
        });
        if settings.json {
            output::json(&counts)?;
            return Ok(done);
        }
        for count in counts {
            output::line(format!(
                "{}: {} cases, {} positive",
                count.split, count.cases, count.positive
            ))?;
        }
        Ok(done)
    }
}
