//! `weakseg data phantom`: chest X-rays made from a seed.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weakseg::progress::Progress;
use weakseg_data::counted;
use weakseg_data::phantom::{PhantomConfig, write_set};

use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// Write chest X-rays made from a seed, with labels to train on and masks to score with.
///
/// Some show a pneumothorax: a crescent without vessels beyond a thin pleural line. The folder is a `table` set:
/// images/, labels.csv, masks/. The same options give the same pixels; --seed gives other ones.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg data phantom --out phantom --count 200 --size 256 --seed 1
  weakseg data verify phantom")]
pub struct Phantom {
    /// The folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of images, one patient each.
    #[arg(long, value_name = "N", default_value_t = PhantomConfig::default().count)]
    count: usize,
    /// Height and width of the images in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = PhantomConfig::default().size)]
    size: usize,
    /// Share of the images with a pneumothorax, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = PhantomConfig::default().positive_fraction)]
    positive_fraction: f64,
    /// Smallest pneumothorax: thickness of its crescent over the breadth of the hemithorax, 0.03 to 0.45.
    #[arg(long, value_name = "SHARE", default_value_t = PhantomConfig::default().min_extent)]
    min_extent: f64,
    /// Largest pneumothorax, measured alike.
    #[arg(long, value_name = "SHARE", default_value_t = PhantomConfig::default().max_extent)]
    max_extent: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    out: String,
    config: &'a PhantomConfig,
    /// False if the folder held this very set before.
    made: bool,
}

impl Phantom {
    /// Makes the set, if it is not there.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data phantom")?;
        let config = PhantomConfig {
            count: self.count,
            size: self.size,
            seed: settings.seed.unwrap_or(PhantomConfig::default().seed),
            positive_fraction: self.positive_fraction,
            min_extent: self.min_extent,
            max_extent: self.max_extent,
        };
        config.check()?;
        settings.ui.note(&format!(
            "making {} of {}x{} pixels",
            counted(self.count, "phantom"),
            self.size,
            self.size
        ));
        let made = write_set(&self.out, &config)?;
        if settings.json {
            output::json(&Outcome {
                out: self.out.display().to_string(),
                config: &config,
                made,
            })?;
        } else {
            let what = if made { "made" } else { "were there already" };
            output::line(format!(
                "{}: {} phantoms {what}, seed {}",
                self.out.display(),
                self.count,
                config.seed
            ))?;
        }
        Ok(Done::Whole)
    }
}
