//! `weakseg data split`: which case is trained on, and which is scored on, as a file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weakseg::progress::Progress;
use weakseg_data::{DataConfig, Split, counted, write_splits};

use super::output_path::check_new;
use super::run::Layers;
use super::set;
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// Write how a data set is divided: a CSV of image, patient and split.
///
/// Patients are never divided. A siim set reads the file back from split.csv in its folder, so the division stays the
/// same whatever becomes of the set or the seed. A table set has a column `split` for it: copy that of the file into
/// it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg data split config.toml --out siim/split.csv
  weakseg data split siim --out siim/split.csv     a folder with train-rle.csv and DICOM files
  weakseg data split siim --out siim/second.csv --seed 1     another division: data.split_seed = 1")]
pub struct DataSplit {
    /// A configuration, or the folder of a set.
    #[arg(value_name = "CONFIG.toml|FOLDER")]
    source: PathBuf,
    #[command(flatten)]
    layers: Layers,
    /// The CSV to write.
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// Ids without an image that may be left out before the program ends with exit code 3; the configuration's by
    /// default.
    #[arg(long, value_name = "N")]
    allow_skips: Option<usize>,
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
        let mut set = set::open(&self.source, &self.layers, settings)?;
        if let Some(seed) = settings.seed {
            match &mut set.data {
                DataConfig::Phantom(set) => set.split_seed = seed,
                DataConfig::Table(set) => set.split_seed = seed,
                DataConfig::Siim(set) => set.split_seed = seed,
                DataConfig::Voc(_) => {
                    return usage(
                        "--seed: a voc set is divided by its lists, and nothing is drawn; leave it out",
                    );
                }
            }
        }
        let cases = set.data.open_cases(&set.base)?;
        for warning in &cases.warnings {
            settings.ui.warn(&format!("warning: {warning}"));
        }
        write_splits(&self.out, &cases)?;
        if let DataConfig::Table(table) = &set.data {
            settings.ui.note(&format!(
                "a table set is divided by its own column `split`: copy that of {} into {} for the same division from now on",
                self.out.display(),
                table.csv.display()
            ));
        }
        let left_out = cases.left_out.len();
        let allowed = self.allow_skips.unwrap_or(set.allow_skips);
        let done = if left_out > allowed {
            settings.ui.warn(&format!(
                "left out: {}, {allowed} allowed (--allow-skips)",
                counted(left_out, "id")
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
                "{}: {}, {} positive",
                count.split,
                counted(count.cases, "case"),
                count.positive
            ))?;
        }
        Ok(done)
    }
}
