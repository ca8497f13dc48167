//! What a few masks buy: thresholds, gate and triplet rule chosen by them, and scored on cases that had no part in it.
//!
//! Read from top to bottom: [`measure`] turns the maps of a finished run into a [`Curve`] for each case and finding,
//! from which every [`Rule`] is scored without the maps; [`draw()`] says which cases get a mask, [`Material`] which are
//! left to score on; [`search`] tries rules on the drawn ones; [`experiment()`] repeats both and compares what was
//! chosen ([`Comparison`]); the verdict says what to go on with; [`document`] is `tuning.json`; [`table`] shows it.
//!
//! Masks choose numbers here, never weights: the networks are those of the run, which saw none.

mod comparison;
mod curve;
mod cuts;
pub mod document;
mod draw;
mod error;
mod experiment;
mod material;
pub mod measure;
mod notes;
mod refusal;
mod rule;
#[cfg(test)]
mod sample;
mod scores;
pub mod search;
mod settings;
pub mod table;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use weakseg_data::{Cases, LabelSpace, Split};

use crate::cam::Threshold;
use crate::config::Config;
use crate::metrics::Bootstrap;
use crate::pipeline::{StepError, cases_of, choose_precision, finished_outputs, rule_digest};
use crate::progress::{Progress, Stop};
use measure::Source;

pub use comparison::Comparison;
pub use curve::{CaseCurves, Curve};
pub use cuts::Cuts;
pub use document::{Stage, StageTuning, Tuning};
pub use draw::draw;
pub use error::TuneError;
pub use experiment::{Plan, Trial, experiment};
pub use material::{Drawn, Material, Measured};
pub use refusal::Refusal;
pub use rule::{Placed, Rule};
pub use scores::{Scores, Tally};
pub use search::Freedom;
pub use table::tables;

/// File of the document in a run's folder.
pub const FILE: &str = "tuning.json";

/// A finished run, and how much is tried on it.
pub struct Job<'a> {
    /// The run's settings.
    pub config: &'a Config,
    /// Folder that relative paths of the configuration start from.
    pub base: &'a Path,
    /// The run's folder, which is only looked at.
    pub run: &'a Path,
    /// What is tried.
    pub plan: Plan,
    /// Where the networks run.
    pub device: Device,
    /// Its name.
    pub device_name: &'a str,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

/// Tunes the maps of a run and, where it has one, its segmentation network: rules are chosen on cases of the validation
/// split and scored on the test split, or on the rest of the validation split where that has no masks.
///
/// # Errors
/// See [`TuneError`].
pub fn tune(job: &Job<'_>) -> Result<Tuning, TuneError> {
    let cases = cases_of(job.run, job.config, job.base)?;
    if cases.classes.space == LabelSpace::Exclusive {
        return Err(TuneError::Exclusive);
    }
    let truth = job.config.data.open_truth(job.base, &cases)?;
    if !truth.has_masks(Split::Val) {
        return Err(TuneError::NoMasks { split: Split::Val });
    }
    choose_precision(job.config.precision, &job.device, job.device_name)?;
    let source = Source {
        job,
        cases: &cases,
        truth: &truth,
    };
    let mut tuning = Tuning {
        format: document::FORMAT,
        seed: job.plan.seed,
        draws: job.plan.draws,
        inputs: BTreeMap::new(),
        rules: BTreeMap::new(),
        stages: Vec::new(),
        unfinished: Vec::new(),
    };
    for stage in [Stage::Cam, Stage::Segmentation] {
        let step = stage.step();
        let Some(outputs) = finished_outputs(job.run, step).map_err(StepError::from)? else {
            if stage == Stage::Cam {
                return Err(TuneError::Unfinished {
                    run: job.run.to_owned(),
                    step,
                });
            }
            job.progress
                .note(&format!("{step} is not finished: the maps alone are tuned"));
            tuning.unfinished.push(step.to_owned());
            continue;
        };
        tuning.inputs.insert(step.to_owned(), outputs);
        let section = stage.section();
        let rule = rule_digest(job.config, section);
        tuning.rules.insert(section.to_owned(), rule);
        let (own, lowest_gate) = own_rule(job.config, stage);
        let cuts = Cuts::of_stage(stage, &own);
        let material = Material {
            tuning: source.measure(stage, Split::Val, &cuts)?,
            labelled: labelled(&cases, Split::Val),
            scoring: match truth.has_masks(Split::Test) {
                true => Some(source.measure(stage, Split::Test, &cuts)?),
                false => None,
            },
            cuts,
        };
        tuning.stages.push(experiment(&Trial {
            stage,
            own,
            lowest_gate,
            material: &material,
            plan: &job.plan,
            bootstrap: Bootstrap {
                draws: job.config.evaluate.bootstrap,
                seed: job.plan.seed,
                ..Bootstrap::default()
            },
            progress: job.progress,
            stop: job.stop,
        })?);
    }
    Ok(tuning)
}

/// Share of a split's pairs of image and finding whose label says that it is there; 0 without cases.
fn labelled(cases: &Cases, split: Split) -> f64 {
    let labels = || cases.of(split).flat_map(|case| &case.labels);
    let present = labels().filter(|&&label| label).count();
    present as f64 / labels().count().max(1) as f64
}

/// The rule that a run is set to, and the lowest gate that can be tried: there are no maps of findings that the
/// classifier gave no more than `cams.gate`.
fn own_rule(config: &Config, stage: Stage) -> (Rule, f64) {
    match stage {
        Stage::Cam => {
            let rule = Rule {
                threshold: config.cams.threshold,
                gate: config.cams.gate,
                triplet: None,
            };
            (rule, config.cams.gate)
        }
        Stage::Segmentation => {
            let rule = Rule {
                threshold: Threshold::Fixed(config.segmenter.threshold),
                gate: config.segmenter.gate,
                triplet: config.segmenter.triplet,
            };
            (rule, 0.0)
        }
    }
}
