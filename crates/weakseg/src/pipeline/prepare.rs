//! [`prepare`]: all of a call that may refuse it. Until it is over, nothing that a run has is cleared or written over.

use weakseg_data::{Cases, Truth};

use super::checks::{check_needs, check_outputs, check_place, check_span, check_trainings};
use super::plan::Plan;
use super::start_weights::StartWeights;
use super::{
    Claim, Inventory, Job, METHOD, RunDir, StepError, Work, choose_precision, device_names, run_dir,
};
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
    let mut cases = job.config.data.open_cases(job.base)?;
    for warning in &cases.warnings {
        job.progress.warn(&format!("warning: {warning}"));
    }
    let truth = truth(job, &cases)?;
    choose_precision(job.config.precision, &job.device, job.device_name)?;
    for FurtherDevice { device, name } in job.further {
        choose_precision(job.config.precision, device, name)?;
    }
    if !job.out.exists() {
        check_place(job, &cases)?;
        // All images are read before there is a plan.
        check_trainings(job, &cases, METHOD[job.span.from..=job.span.until].iter())?;
    }
    let claim = Claim::of(job.out)?;
    let data = inventory(job, &mut cases, truth.as_ref())?;
    let devices = device_names(job.device_name, job.further);
    let run = RunDir::open(claim, job.config, job.base, data, &devices)?;
    let plan = Plan::of(&run, job.span, &cases, truth.as_ref())?;
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

/// What the steps that are asked for score with, none if none of them scores: before any work, so that hours are not spent
/// before it turns out that a table of boxes cannot be understood.
fn truth(job: &Job<'_>, cases: &Cases) -> Result<Option<Truth>, StepError> {
    let mut steps = METHOD[job.span.from..=job.span.until].iter();
    if !steps.any(|step| matches!(step.work, Work::Score(_))) {
        return Ok(None);
    }
    let truth = job.config.data.open_truth(job.base, cases)?;
    for warning in truth.warnings() {
        job.progress.warn(&format!("warning: {warning}"));
    }
    Ok(Some(truth))
}

/// What the data are now; a warning of them is added to those of the cases.
fn inventory(
    job: &Job<'_>,
    cases: &mut Cases,
    truth: Option<&Truth>,
) -> Result<Inventory, StepError> {
    let before = Inventory::of_run(job.out)?;
    let data = Inventory::take(
        cases,
        truth,
        job.base,
        before.as_ref(),
        job.progress,
        job.stop,
    )?;
    if let Some(warning) = data.shared_by_splits() {
        job.progress.warn(&format!("warning: {warning}"));
        cases.warnings.push(warning);
    }
    Ok(data)
}
