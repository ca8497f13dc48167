//! The method, from image-level labels to masks, as a table of steps.
//!
//! Read [`METHOD`] from top to bottom: that is the paper. Each step is a verb, has a module of its own below
//! [`steps`], reads the folders of the steps it needs and writes its own.
//!
//! A [`Work::Learn`] step is handed images and image-level labels and nothing that leads to a mask; a [`Work::Score`]
//! step is handed the [`Truth`] as well. Only [`run`] opens the truth, only where a step of the latter kind is asked for, and
//! hands it to no other.

mod baselines;
mod checks;
mod claim;
mod inventory;
mod memory;
mod outputs;
mod rows;
mod run_dir;
mod run_error;
mod run_record;
mod scores;
mod sections;
pub mod steps;

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use weakseg_data::{Cases, DataError, Truth};

use crate::config::{Config, EncoderStart};
use crate::digest::digest;
use crate::pretrained::{Cache, FetchError, Patience, WeightsChoice};
use crate::progress::{Progress, Stop};
use crate::train::{FurtherDevice, TrainError};
use checks::{check_outputs, check_place, check_span, check_trainings};

pub use baselines::{PriorMask, baseline_rows};
pub use claim::Claim;
pub use inventory::Inventory;
pub use rows::{Who, class_rows, finding_rows, mean_iou_row, precision_of};
pub use run_dir::RunDir;
pub use run_error::RunError;
use run_record::step_of;
pub use run_record::{Manifest, RunRecord, StepRecord};
pub(crate) use run_record::{finished_folder, finished_outputs, record};
pub use scores::{ScoreError, score_boxes, score_masks};

/// One step of the method.
#[derive(Debug)]
pub struct Step {
    /// Its name on the command line and in the run's folder.
    pub name: &'static str,
    /// What it does, in a line.
    pub does: &'static str,
    /// Sections of the configuration that it reads. `data` stands for what training may know of the set; settings that only truth
    /// is read by (`data.masks`, `data.resize_masks`, …) are read by the steps that score, and named nowhere.
    pub sections: &'static [&'static str],
    /// Steps whose folders it reads.
    pub needs: &'static [&'static str],
    /// Its work.
    pub work: Work,
}

/// The work of a step, by what it may see.
#[derive(Debug)]
pub enum Work {
    /// Sees images and image-level labels.
    Learn(fn(&Bench<'_>, &Path) -> Result<Outcome, StepError>),
    /// Sees masks and boxes too, to score with.
    Score(fn(&Bench<'_>, &Truth, &Path) -> Result<Outcome, StepError>),
}

/// The method (Viniavskyi et al. 2020, Fig. 1; IRNet, Ahn et al. 2019).
pub const METHOD: [Step; 10] = [
    Step {
        name: "train-classifier",
        does: "learn which findings an image has (paper §3.1)",
        sections: &["data", "image", "precision", "classifier"],
        needs: &[],
        work: Work::Learn(steps::train_classifier),
    },
    Step {
        name: "make-cams",
        does: "ask the classifier where it looks: activation maps by cams.method (paper §3.2)",
        sections: &["precision", "cams"],
        needs: &["train-classifier"],
        work: Work::Learn(steps::make_cams),
    },
    Step {
        name: "eval-cams",
        does: "score classifier and maps beside the trivial baselines",
        sections: &["evaluate"],
        needs: &["make-cams"],
        work: Work::Score(steps::eval_cams),
    },
    Step {
        name: "make-ir-labels",
        does: "threshold the maps, refine by a dense CRF: sure foreground, sure background, ignored (paper §3.2)",
        sections: &["ir_labels"],
        needs: &["make-cams"],
        work: Work::Learn(steps::make_ir_labels),
    },
    Step {
        name: "train-irn",
        does: "learn boundaries and displacements between sure pixels (paper §3.3, IRNet)",
        sections: &["precision", "irn"],
        needs: &["make-ir-labels"],
        work: Work::Learn(steps::train_irn),
    },
    Step {
        name: "make-pseudo-labels",
        does: "walk the maps over IRNet's affinities, threshold, filter (paper §3.3)",
        sections: &["precision", "pseudo_labels"],
        needs: &["make-cams", "train-irn"],
        work: Work::Learn(steps::make_pseudo_labels),
    },
    Step {
        name: "eval-pseudo-labels",
        does: "score the pseudo-labels",
        sections: &["evaluate"],
        needs: &["make-pseudo-labels"],
        work: Work::Score(steps::eval_pseudo_labels),
    },
    Step {
        name: "train-segmenter",
        does: "learn masks from the pseudo-labels (paper §3.4)",
        sections: &["precision", "segmenter"],
        needs: &["make-pseudo-labels"],
        work: Work::Learn(steps::train_segmenter),
    },
    Step {
        name: "evaluate",
        does: "predict and score the held-out cases",
        sections: &["precision", "evaluate"],
        needs: &["train-segmenter"],
        work: Work::Score(steps::evaluate),
    },
    Step {
        name: "report",
        does: "gather every figure: report.json and report.html",
        sections: &["title", "evaluate"],
        needs: &["eval-cams", "eval-pseudo-labels", "evaluate"],
        work: Work::Score(steps::report),
    },
];

/// A step by its name.
pub fn step(name: &str) -> Option<&'static Step> {
    METHOD.iter().find(|s| s.name == name)
}

/// What every step has at hand. Nothing in it leads to a mask.
pub struct Bench<'a> {
    /// The run's settings.
    pub config: &'a Config,
    /// Images and image-level labels.
    pub cases: &'a Cases,
    /// Folder that relative paths of the configuration start from.
    pub base: &'a Path,
    /// The run's folder.
    pub run: &'a RunDir,
    /// File that the trunk starts from; none for noise, or where no step asks for it.
    pub weights: Option<PathBuf>,
    /// File that the segmentation network's encoder starts from, likewise.
    pub encoder_weights: Option<PathBuf>,
    /// Where networks run, without autodiff.
    pub device: Device,
    /// Its name.
    pub device_name: &'a str,
    /// Devices that trainings share the batches of their steps with.
    pub further: &'a [FurtherDevice],
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

impl Bench<'_> {
    /// Where networks are trained.
    pub(crate) fn training_device(&self) -> Device {
        let device = self.device.clone().autodiff();
        match self.config.gradient_checkpointing {
            true => device.gradient_checkpointing(),
            false => device,
        }
    }
}

/// What a step did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Cases worked on.
    pub cases: usize,
    /// Cases left out, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Why a step did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// It was asked to stop; the same command goes on from there.
    #[error(
        "stopped; the same command goes on from there (leave out --from and --only, which begin again)"
    )]
    Stopped,
    /// Training.
    #[error(transparent)]
    Train(TrainError),
    /// Data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The run's folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Weights.
    #[error(transparent)]
    Weights(#[from] weakseg_models::weights::WeightsError),
    /// Pretrained weights.
    #[error(transparent)]
    Fetch(Box<FetchError>),
    /// Scores.
    #[error(transparent)]
    Score(#[from] scores::ScoreError),
    /// The report.
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// Anything else, in words that say what, where and what next.
    #[error("{0}")]
    Other(String),
}

impl From<FetchError> for StepError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Stopped => Self::Stopped,
            other => Self::Fetch(Box::new(other)),
        }
    }
}

impl From<TrainError> for StepError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Stopped { .. } => Self::Stopped,
            other => Self::Train(other),
        }
    }
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
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

/// Runs the method; returns the cases that were left out, by the set and over all steps, with the reasons.
///
/// Finished steps are not done again; a step that was stopped goes on.
///
/// # Errors
/// The first step that fails, with the folder left so that the same call goes on.
pub fn run(job: &Job<'_>) -> Result<Vec<(String, String)>, StepError> {
    check_span(job)?;
    let from = match job.span.again {
        true => job.span.from,
        false => METHOD.len(),
    };
    run_dir::check(job.out, job.config, from)?;
    let mut cases = job.config.data.open_cases(job.base)?;
    for warning in &cases.warnings {
        job.progress.note(&format!("warning: {warning}"));
    }
    let truth = truth(job, &cases)?;
    choose_precision(job.config, &job.device, job.device_name)?;
    for FurtherDevice { device, name } in job.further {
        choose_precision(job.config, device, name)?;
    }
    if !job.out.exists() {
        check_place(job, &cases)?;
        check_trainings(job, &cases, None)?;
    }
    let claim = Claim::of(job.out)?;
    let before = Inventory::of_run(job.out)?;
    let data = Inventory::take(
        &cases,
        truth.as_ref(),
        job.base,
        before.as_ref(),
        job.progress,
        job.stop,
    )?;
    if let Some(warning) = data.shared_by_splits() {
        job.progress.note(&format!("warning: {warning}"));
        cases.warnings.push(warning);
    }
    let devices = device_names(job.device_name, job.further);
    let run = RunDir::open(claim, job.config, data, &devices, from)?;
    check_trainings(job, &cases, Some(&run))?;
    check_outputs(job, &run)?;
    if job.span.again {
        clear(&run, job.span, job.progress)?;
    }
    let files = weights(job, &run)?;
    let bench = Bench {
        config: job.config,
        cases: &cases,
        base: job.base,
        run: &run,
        weights: files.trunk,
        encoder_weights: files.encoder,
        device: job.device.clone(),
        device_name: job.device_name,
        further: job.further,
        progress: job.progress,
        stop: job.stop,
    };
    let mut skipped = cases.left_out.clone();
    for (number, step) in METHOD
        .iter()
        .enumerate()
        .take(job.span.until + 1)
        .skip(job.span.from)
    {
        if let Some(manifest) = run.finished(step)? {
            job.progress.note(&format!(
                "{}/{} {}: finished before",
                number + 1,
                METHOD.len(),
                step.name
            ));
            skipped.extend(manifest.skipped);
            continue;
        }
        let folder = run.begin(step)?;
        job.progress.note(&format!(
            "{}/{} {}: {}",
            number + 1,
            METHOD.len(),
            step.name,
            step.does
        ));
        let began = Instant::now();
        memory::reset_peak();
        let outcome = match step.work {
            Work::Learn(work) => work(&bench, &folder),
            Work::Score(work) => {
                let truth = truth.as_ref().expect("opened where a step scores");
                work(&bench, truth, &folder)
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        if outcome.is_err() {
            run.pause(step, seconds)?;
        }
        let outcome = outcome?;
        job.progress
            .note(&format!("    {} cases in {seconds:.1} s", outcome.cases));
        skipped.extend(outcome.skipped.iter().cloned());
        run.finish(
            step,
            seconds,
            outcome.cases,
            memory::peak_rss_bytes(),
            outcome.skipped,
        )?;
    }
    Ok(skipped)
}

/// What the steps that are asked for score with, none if none of them scores: before any work, so that hours are not spent
/// before it turns out that a table of boxes cannot be understood.
fn truth(job: &Job<'_>, cases: &Cases) -> Result<Option<Truth>, StepError> {
    let mut steps = METHOD[job.span.from..=job.span.until].iter();
    if !steps.any(|step| matches!(step.work, Work::Score(_))) {
        return Ok(None);
    }
    let truth = job.config.data.open_truth(job.base, cases)?;
    for warning in truth.warnings() {
        job.progress.note(&format!("warning: {warning}"));
    }
    Ok(Some(truth))
}

/// Clears the finished steps of a span that is done again and, in or behind it, every step made from one of them: it would
/// tell of what is no longer there. A step of the span that was only begun goes on, so that a repetition that was stopped
/// can be taken up by the same command.
fn clear(run: &RunDir, span: Span, progress: &dyn Progress) -> Result<(), StepError> {
    let mut cleared: Vec<&str> = Vec::new();
    for (number, step) in METHOD.iter().enumerate().skip(span.from) {
        let again = number <= span.until && run.finished(step)?.is_some();
        let source = step.needs.iter().find(|need| cleared.contains(need));
        if !again && source.is_none() {
            continue;
        }
        if number > span.until
            && let Some(source) = source
            && run.folder(step.name).exists()
        {
            progress.note(&format!(
                "{}: removed, it was made from the {source} that is done again now",
                step.name
            ));
        }
        run.clear(step)?;
        cleared.push(step.name);
    }
    Ok(())
}

/// Digest of what a set is: every id, label and split, but not the folder it lies in.
pub(crate) fn data_digest(cases: &Cases) -> String {
    let listing: Vec<(&str, &[bool], weakseg_data::Split)> = cases
        .cases
        .iter()
        .map(|c| (c.id.as_str(), c.labels.as_slice(), c.split))
        .collect();
    let text = serde_json::to_string(&listing).expect("plain fields");
    digest(text.as_bytes())
}

/// Makes the run's arithmetic that of the process.
pub(crate) fn choose_precision(
    config: &Config,
    device: &Device,
    device_name: &str,
) -> Result<(), StepError> {
    config.precision.choose(device).map_err(|why| {
        StepError::Other(format!(
            "precision = \"bf16\" on {device_name}: {why}; set precision = \"fp32\""
        ))
    })
}

/// What a run says it was computed on: the first device, and those that trainings share their steps with.
pub(crate) fn device_names(first: &str, further: &[FurtherDevice]) -> String {
    let further = further.iter().map(|device| device.name.as_str());
    let all: Vec<&str> = std::iter::once(first).chain(further).collect();
    all.join(", ")
}

/// Files of weights that the asked steps start from.
#[derive(Default)]
struct WeightFiles {
    trunk: Option<PathBuf>,
    encoder: Option<PathBuf>,
}

/// The files that networks start from, where a step that is not finished asks for them: before any work, so that hours are
/// not spent before it turns out that a server cannot be reached.
fn weights(job: &Job<'_>, run: &RunDir) -> Result<WeightFiles, StepError> {
    let config = job.config;
    let mut files = WeightFiles::default();
    for step in &METHOD[job.span.from..=job.span.until] {
        let encoder = config.segmenter.encoder == EncoderStart::Weights;
        match step.name {
            "train-classifier" if run.finished(step)?.is_none() => {
                files.trunk = obtain(job, &config.classifier.weights)?;
            }
            "train-segmenter" if encoder && run.finished(step)?.is_none() => {
                let weights = config.segmenter.weights.as_ref();
                files.encoder = match (weights, &files.trunk) {
                    (None, Some(trunk)) => Some(trunk.clone()),
                    (None, None) => obtain(job, &config.classifier.weights)?,
                    (Some(own), _) => obtain(job, own).map_err(for_encoder)?,
                };
            }
            _ => {}
        }
    }
    Ok(files)
}

/// The errors of weights speak of the option for the classifier's.
fn for_encoder(error: StepError) -> StepError {
    match error {
        StepError::Fetch(error) => StepError::Other(format!(
            "segmenter.weights: {error}. For the encoder that is --set segmenter.weights=FILE, and --set segmenter.encoder=random"
        )),
        other => other,
    }
}

fn obtain(job: &Job<'_>, weights: &WeightsChoice) -> Result<Option<PathBuf>, StepError> {
    let cache = Cache::of_user();
    let patience = Patience::default();
    let found = weights.obtain(job.base, &cache, &patience, job.progress, job.stop)?;
    if let (Some(path), WeightsChoice::Named(_)) = (&found, weights) {
        let path = path.display();
        job.progress
            .note(&format!("pretrained weights {weights}: {path}"));
    }
    Ok(found)
}
