//! [`prepare`]: all of a call that may refuse it. Until it is over, nothing that a run has is cleared or written over.

use std::collections::BTreeMap;

use burn::tensor::Device;
use weakseg_data::{Cases, Truth};

use super::checks::{check_needs, check_outputs, check_place, check_span, check_trainings};
use super::inventory::Images;
use super::plan::Plan;
use super::start_weights::StartWeights;
use super::{Claim, Inventory, Job, METHOD, RunDir, StepError, Work, run_dir};
use crate::config::Precision;
use crate::train::FurtherDevice;

/// A call that can be done.
pub(super) struct Prepared {
    pub(super) cases: Cases,
    /// None if no step of the span scores.
    pub(super) truth: Option<Truth>,
    /// As an earlier call left it.
    pub(super) run: RunDir,
    pub(super) plan: Plan,
    pub(super) weights: StartWeights,
}

/// Opens the data and the run's folder, and finds out whether all that is asked for can be done.
///
/// # Errors
/// When it cannot. The folder is then as it was; one that is new has no file of a run.
pub(super) fn prepare(job: &Job<'_>) -> Result<Prepared, StepError> {
    check_span(job)?;
    run_dir::check(job.out, job.config, job.span.first_again())?;
    let mut told = Vec::new();
    let (mut cases, mut truth) = open(job, &BTreeMap::new(), &mut told)?;
    choose_precision(job.config.precision, &job.device, job.device_name)?;
    for FurtherDevice { device, name } in job.further {
        choose_precision(job.config.precision, device, name)?;
    }
    if !job.out.exists() {
        check_place(job, &cases)?;
        StartWeights::check(job)?;
        // All images are read before there is a plan.
        check_trainings(job, &cases, METHOD[job.span.from..=job.span.until].iter())?;
    }
    let claim = Claim::of(job.out)?;
    let before = Inventory::of_run(job.out)?;
    let (before, view) = (before.as_ref(), job.config.data.view());
    let images = Images::look_at(&cases, view, before, job.progress, job.stop)?;
    if !images.unreadable.is_empty() {
        (cases, truth) = open(job, &images.unreadable, &mut told)?;
    }
    let data = Inventory::take(
        &cases,
        images,
        truth.as_ref(),
        job.base,
        before,
        job.progress,
        job.stop,
    )?;
    if let Some(warning) = data.shared_by_splits() {
        tell(job, std::slice::from_ref(&warning), &mut told);
        cases.warnings.push(warning);
    }
    tell(job, too_many_skips(job, &cases).as_slice(), &mut told);
    let devices = device_names(job.device_name, job.further);
    let run = RunDir::open(claim, job.config, job.base, data, &devices)?;
    let plan = Plan::of(&run, before, job.span, &cases, truth.as_ref())?;
    check_needs(&run, &plan)?;
    check_trainings(job, &cases, plan.done.iter().copied())?;
    check_outputs(&run, job.span, &plan)?;
    let weights = StartWeights::obtain(job, &plan)?;
    Ok(Prepared {
        cases,
        truth,
        run,
        plan,
        weights,
    })
}

/// Opens the data without the images that cannot be read, and tells what is odd about them but for what was `told`
/// before. Truth is what the steps that are asked for score with, none if none of them scores: before any work, so that
/// hours are not spent before it turns out that a table of boxes cannot be understood.
fn open(
    job: &Job<'_>,
    unreadable: &BTreeMap<String, String>,
    told: &mut Vec<String>,
) -> Result<(Cases, Option<Truth>), StepError> {
    let data = &job.config.data;
    let cases = data.open_readable_cases(job.base, unreadable)?;
    tell(job, &cases.warnings, told);
    let mut steps = METHOD[job.span.from..=job.span.until].iter();
    if !steps.any(|step| matches!(step.work, Work::Score(_))) {
        return Ok((cases, None));
    }
    let truth = data.open_truth(job.base, &cases)?;
    tell(job, truth.warnings(), told);
    Ok((cases, Some(truth)))
}

/// Tells warnings that were not told before.
fn tell(job: &Job<'_>, warnings: &[String], told: &mut Vec<String>) {
    for warning in warnings {
        if !told.contains(warning) {
            job.progress.warn(&format!("warning: {warning}"));
            told.push(warning.clone());
        }
    }
}

/// A warning of cases that are left out, if they are more than are allowed: now, not after the hours that the steps may
/// take.
fn too_many_skips(job: &Job<'_>, cases: &Cases) -> Option<String> {
    let (left_out, allowed) = (cases.left_out.len(), job.allow_skips);
    (left_out > allowed).then(|| {
        format!(
            "the run goes on without {left_out} of {} cases and will end with exit code 3, for {allowed} are allowed (--allow-skips)",
            left_out + cases.cases.len()
        )
    })
}

/// Makes the run's arithmetic that of the process.
pub(crate) fn choose_precision(
    precision: Precision,
    device: &Device,
    device_name: &str,
) -> Result<(), StepError> {
    precision.choose(device).map_err(|why| {
        StepError::Config(format!(
            "precision = \"bf16\" on {device_name}: {why}; set precision = \"fp32\""
        ))
    })
}

/// What a run says it was computed on: the first device, and those that trainings share their steps with.
fn device_names(first: &str, further: &[FurtherDevice]) -> String {
    let further = further.iter().map(|device| device.name.as_str());
    let all: Vec<&str> = std::iter::once(first).chain(further).collect();
    all.join(", ")
}
