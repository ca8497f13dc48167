//! `weakseg tune`: what a few masks buy.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use weakseg::config;
use weakseg::pipeline::Claim;
use weakseg::tuning::{self, Job, Plan, TuneError};
use weakseg_data::atomic;

use super::output_path::check_new;
use crate::args::Settings;
use crate::exit::{Done, Stopped};
use crate::{base, interrupt, output};

/// Choose thresholds of a finished run by a few masks, and tell what these buy.
///
/// Maps and probabilities become masks by a rule: a threshold, a gate of the classifier that keeps healthy images
/// empty, and for the segmentation network a triplet rule. Here masks of a few val cases, drawn several times over,
/// choose the rule, and the test split scores it (or the val cases that were not drawn, where test has no masks; never
/// those of drawn patients), beside the rule as it is set and beside Otsu's threshold, which needs no mask. Networks
/// are not trained and the run is not changed; RUN/tuning.json tells all of it.
///
/// Reads what make-cams has written and, if the run came so far, train-segmenter. For findings; not for VOC's classes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg tune runs/first
  weakseg tune runs/first --masks 0,5,20,100 --draws 50
  weakseg tune runs/first --json > tuning.json

Dice is the mean over images, an empty mask of a healthy image counting 1. A gain is beside the
rule as it is set. In brackets stands the middle 95 % of the draws, or for a rule that is not drawn
a 95 % interval over images; ~ says that it reaches 0.

The last lines of a table are settings for another run, or for this one with --from evaluate
(segmenter.…), --only eval-cams (cams.threshold) or --from make-cams (cams.gate, which does that
step and all after it again). Nothing is trained for the first two. Those of the maps change how
eval-cams scores them, not the pseudo-labels and not the network.

A healthy image's mask is empty and needs nobody to draw it.")]
pub struct Tune {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Numbers of masks to choose by, with commas between. Rules that need no mask are always told; 0 asks for these
    /// alone.
    #[arg(
        long,
        value_name = "N,N",
        value_delimiter = ',',
        default_value = "0,10,50"
    )]
    masks: Vec<usize>,
    /// How often each number of masks is drawn.
    #[arg(long, value_name = "N", default_value = "20")]
    draws: NonZeroUsize,
    /// The file to write, which must not exist yet; by default RUN/tuning.json, written anew each time.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Tune {
    /// Tunes, writes and prints.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        if let Some(out) = &self.out {
            check_new(out)?;
        }
        let base = base::noted(&self.run)?;
        let config = config::load(&self.run.join("config.toml"), None, &[])?;
        let file = self
            .out
            .clone()
            .unwrap_or_else(|| self.run.join(tuning::FILE));
        // What is written elsewhere leaves the run's folder alone, which may be one that cannot be written.
        let _claim = match &self.out {
            Some(_) => None,
            None => Some(Claim::of(&self.run)?),
        };
        atomic::check(&file)?;
        let (device, device_name) = settings.device.open()?;
        settings.ui.detail(&format!("device {device_name}"));
        let stop = interrupt::stop()?;
        let job = Job {
            config: &config,
            base: &base,
            run: &self.run,
            plan: Plan {
                masks: self.masks.clone(),
                draws: self.draws.get(),
                seed: settings.seed.unwrap_or(config.seed),
            },
            device,
            device_name: &device_name,
            progress: &settings.ui,
            stop: &stop,
        };
        let tuning = match tuning::tune(&job) {
            Err(TuneError::Stopped { done, total, what }) => {
                return Err(Stopped { done, total, what }.into());
            }
            other => other?,
        };
        tuning.write(&file)?;
        if settings.json {
            output::json(&tuning)?;
            return Ok(Done::Whole);
        }
        for table in tuning::tables(&tuning) {
            output::line(table.text())?;
        }
        output::line(format!("tuning: {}", file.display()))?;
        Ok(Done::Whole)
    }
}
