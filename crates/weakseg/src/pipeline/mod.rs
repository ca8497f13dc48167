//! The method, from image-level labels to masks, as a table of steps.
//!
//! Read [`METHOD`] from top to bottom: that is the paper. Each step is a verb, has a module of its own below
//! [`steps`], reads the folders of earlier steps and writes its own.
//!
//! A [`Work::Learn`] step is handed images and image-level labels, and neither masks nor the settings that they are
//! opened by; a [`Work::Score`] step is handed the [`Truth`] as well. Only [`run`] opens the truth, only where a step
//! of the latter kind is asked for, and hands it to no other.

mod bench;
mod checks;
mod claim;
mod inventory;
mod memory;
mod outputs;
mod plan;
mod prepare;
mod run_dir;
mod run_error;
mod run_reader;
mod run_record;
mod sections;
mod start_weights;
mod step_error;
pub mod steps;

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use weakseg_data::{Truth, counted};

use crate::config::Config;
use crate::progress::{Progress, Stop};
use crate::train::FurtherDevice;
pub(crate) use prepare::choose_precision;
use prepare::{Prepared, prepare};

pub use crate::files::relative;
pub use bench::Bench;
pub use claim::Claim;
pub use inventory::Inventory;
pub use run_dir::RunDir;
pub use run_error::RunError;
pub use run_reader::RunReader;
pub(crate) use run_reader::cases_of;
use run_record::step_of;
pub(crate) use run_record::{CONFIG, finished_folder, finished_outputs};
pub use run_record::{Manifest, RunRecord, StepRecord};
pub(crate) use sections::rule_digest;
pub use step_error::StepError;

/// One step of the method.
#[derive(Debug)]
pub struct Step {
    /// Its name on the command line and in the run's folder.
    pub name: &'static str,
    /// What it does, in a line.
    pub does: &'static str,
    /// Sections of the configuration that it reads. `data` stands for what training may know of the set; settings that
    /// only truth is read by (`data.masks`, …) count for every step that scores, and are named nowhere. Keys of `cams`,
    /// `segmenter` and `evaluate` that only some of their readers read are sections of their own, such as
    /// `segmenter.rule` (`sections.rs`).
    pub sections: &'static [&'static str],
    /// Steps that it is made from: where one of them is another, it is another too.
    pub needs: &'static [&'static str],
    /// Steps that those are made from, whose folders it reads as well.
    pub reads: &'static [&'static str],
    /// Its work.
    pub work: Work,
}

/// The work of a step, by what it may see; it writes into the folder that it is given and returns the number of cases
/// worked on.
#[derive(Debug)]
pub enum Work {
    /// Sees images and image-level labels.
    Learn(fn(&Bench<'_>, &Path) -> Result<usize, StepError>),
    /// Sees masks and boxes too, to score with.
    Score(fn(&Bench<'_>, &Truth, &Path) -> Result<usize, StepError>),
}

/// The method (Viniavskyi et al. 2020, Fig. 1; IRNet, Ahn et al. 2019).
pub const METHOD: [Step; 10] = [
    Step {
        name: "train-classifier",
        does: "learn which findings an image has (paper §3.1)",
        sections: &["data", "image", "precision", "classifier"],
        needs: &[],
        reads: &[],
        work: Work::Learn(steps::train_classifier),
    },
    Step {
        name: "make-cams",
        does: "ask the classifier where it looks: activation maps by cams.method (paper §3.2)",
        sections: &["precision", "cams"],
        needs: &["train-classifier"],
        reads: &[],
        work: Work::Learn(steps::make_cams),
    },
    Step {
        name: "eval-cams",
        does: "score classifier and maps beside the trivial baselines",
        sections: &["cams.rule", "evaluate"],
        needs: &["make-cams"],
        reads: &[],
        work: Work::Score(steps::eval_cams),
    },
    Step {
        name: "make-ir-labels",
        does: "threshold the maps, refine by a dense CRF: sure foreground, sure background, ignored (paper §3.2)",
        sections: &["ir_labels"],
        needs: &["make-cams"],
        reads: &[],
        work: Work::Learn(steps::make_ir_labels),
    },
    Step {
        name: "train-irn",
        does: "learn boundaries and displacements between sure pixels (paper §3.3, IRNet)",
        sections: &["precision", "irn"],
        needs: &["make-ir-labels"],
        reads: &["train-classifier"],
        work: Work::Learn(steps::train_irn),
    },
    Step {
        name: "make-pseudo-labels",
        does: "walk the maps over IRNet's affinities, threshold, filter (paper §3.3)",
        sections: &["precision", "pseudo_labels"],
        needs: &["make-cams", "train-irn"],
        reads: &[],
        work: Work::Learn(steps::make_pseudo_labels),
    },
    Step {
        name: "eval-pseudo-labels",
        does: "score the pseudo-labels",
        sections: &["evaluate"],
        needs: &["make-pseudo-labels"],
        reads: &[],
        work: Work::Score(steps::eval_pseudo_labels),
    },
    Step {
        name: "train-segmenter",
        does: "learn masks from the pseudo-labels (paper §3.4)",
        sections: &["precision", "segmenter"],
        needs: &["make-pseudo-labels"],
        reads: &["train-classifier"],
        work: Work::Learn(steps::train_segmenter),
    },
    Step {
        name: "evaluate",
        does: "predict and score the held-out cases",
        sections: &["precision", "segmenter.rule", "evaluate"],
        needs: &["train-segmenter"],
        reads: &["train-classifier"],
        work: Work::Score(steps::evaluate),
    },
    Step {
        name: "report",
        does: "gather every figure: report.json and report.html",
        sections: &["title", "evaluate", "evaluate.gallery"],
        needs: &["eval-cams", "eval-pseudo-labels", "evaluate"],
        reads: &["train-classifier", "make-cams", "make-pseudo-labels"],
        work: Work::Score(steps::report),
    },
];

impl Step {
    /// Whether networks run in it: `precision` is their arithmetic.
    fn runs_networks(&self) -> bool {
        self.sections.contains(&"precision")
    }
}

/// A step by its name.
pub fn step(name: &str) -> Option<&'static Step> {
    METHOD.iter().find(|s| s.name == name)
}

/// Which steps of the table are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Number of the first step; finished ones from here on are done again if `again`.
    pub from: usize,
    /// Number of the last step.
    pub until: usize,
    /// Do finished steps of the span again (`--from`, `--only`).
    pub again: bool,
}

impl Span {
    /// Number of the first step that may be done again though it is finished; that of no step if none may.
    fn first_again(self) -> usize {
        match self.again {
            true => self.from,
            false => METHOD.len(),
        }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self {
            from: 0,
            until: METHOD.len() - 1,
            again: false,
        }
    }
}

/// What a run is made with.
pub struct Job<'a> {
    /// Its settings.
    pub config: &'a Config,
    /// Folder that relative paths of the configuration start from.
    pub base: &'a Path,
    /// Folder to write.
    pub out: &'a Path,
    /// Steps to do.
    pub span: Span,
    /// Where networks run, without autodiff.
    pub device: Device,
    /// Its name, for `run.json`.
    pub device_name: &'a str,
    /// Devices of its kind that trainings share the batches of their steps with, beside it; none as a rule.
    pub further: &'a [FurtherDevice],
    /// Cases that may be left out without a warning before the first step.
    pub allow_skips: usize,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

/// Runs the method; returns the cases that the set leaves out for want of an image that can be read, with the reasons.
///
/// Finished steps are not done again; a step that was stopped goes on.
///
/// # Errors
/// When the call cannot be done: a run that is there is left as it was. Else the first step that fails, with the folder
/// left so that the same call goes on.
pub fn run(job: &Job<'_>) -> Result<Vec<(String, String)>, StepError> {
    let Prepared {
        cases,
        truth,
        run,
        plan,
        weights,
    } = prepare(job)?;
    plan.clear(&run, job.progress)?;
    run.write(job.config)?;
    let bench = Bench {
        config: job.config.without_data(),
        data_name: job.config.data.name(),
        cases: &cases,
        base: job.base,
        run: &run,
        weights: weights.trunk,
        encoder_weights: weights.encoder,
        device: job.device.clone(),
        device_name: job.device_name,
        further: job.further,
        progress: job.progress,
        stop: job.stop,
    };
    for number in job.span.from..=job.span.until {
        do_step(number, &bench, truth.as_ref())?;
    }
    Ok(cases.left_out)
}

/// Does a step that is not finished, and notes it.
fn do_step(number: usize, bench: &Bench<'_>, truth: Option<&Truth>) -> Result<(), StepError> {
    let (step, run, progress) = (&METHOD[number], bench.run, bench.progress);
    let (place, steps) = (number + 1, METHOD.len());
    if run.finished(step)?.is_some() {
        progress.note(&format!("{place}/{steps} {}: finished before", step.name));
        return Ok(());
    }
    let folder = run.begin(step)?;
    progress.note(&format!("{place}/{steps} {}: {}", step.name, step.does));
    let began = Instant::now();
    memory::reset_peak();
    let worked = match step.work {
        Work::Learn(work) => work(bench, &folder),
        Work::Score(work) => work(bench, truth.expect("opened where a step scores"), &folder),
    };
    let seconds = began.elapsed().as_secs_f64();
    if worked.is_err()
        && let Err(error) = run.pause(step, seconds)
    {
        // Not in place of the error that ended the step.
        progress.warn(&format!("warning: {error}"));
    }
    let cases = worked?;
    progress.note(&format!("    {} in {seconds:.1} s", counted(cases, "case")));
    Ok(run.finish(step, seconds, cases, memory::peak_rss_bytes())?)
}
