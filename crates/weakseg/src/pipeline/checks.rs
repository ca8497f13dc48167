//! What is looked at before any work: nothing is cleared for a call that cannot be done.

use std::collections::BTreeSet;
use std::path::Path;

use weakseg_data::{Cases, Split};

use super::plan::Plan;
use super::steps::image_loss::image_loss;
use super::steps::learner::Learner;
use super::{Job, METHOD, RunDir, RunError, Span, Step, StepError};
use crate::config::Training;
use crate::train::{Monitor, check_shares};

/// Refuses a span that is none.
pub(super) fn check_span(job: &Job<'_>) -> Result<(), StepError> {
    let Span { from, until, .. } = job.span;
    if from > until || until >= METHOD.len() {
        return Err(StepError::Config(format!(
            "the steps from {} to {} are none; the order is: {}",
            METHOD.get(from).map_or("?", |s| s.name),
            METHOD.get(until).map_or("?", |s| s.name),
            METHOD.iter().map(|s| s.name).collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(())
}

/// Refuses a step that is to be done without one that it is made from or reads.
pub(super) fn check_needs(run: &RunDir, plan: &Plan) -> Result<(), RunError> {
    for step in &plan.done {
        for needed in step.needs.iter().chain(step.reads) {
            let other = super::step(needed).expect("needs and reads name steps of the table");
            if !plan.does(needed) && run.finished(other)?.is_none() {
                return Err(RunError::Unfinished {
                    step: step.name,
                    needs: other.name,
                });
            }
        }
    }
    Ok(())
}

/// Refuses a new run's folder among the images of its set, where its pictures would be images of the next call.
pub(super) fn check_place(job: &Job<'_>, cases: &Cases) -> Result<(), StepError> {
    let out = std::path::absolute(job.out).unwrap_or_else(|_| job.out.to_owned());
    let real = |path: &Path| path.canonicalize().ok();
    let Some(above) = out.ancestors().find_map(real) else {
        return Ok(());
    };
    let folders: BTreeSet<&Path> = cases
        .cases
        .iter()
        .filter_map(|c| c.image.parent())
        .collect();
    match folders
        .into_iter()
        .find(|f| real(f).is_some_and(|f| above.starts_with(f)))
    {
        None => Ok(()),
        Some(folder) => Err(StepError::Other(format!(
            "{}: lies in {}, among the images of the set, and its pictures would be taken for some; give a folder elsewhere (--out)",
            job.out.display(),
            folder.display()
        ))),
    }
}

/// Builds the sampler of every training among `steps`, divides its steps among the devices, and weighs the classes:
/// what cannot draw from these cases, or be divided, is found before any work.
pub(super) fn check_trainings(
    job: &Job<'_>,
    cases: &Cases,
    steps: impl Iterator<Item = &'static Step>,
) -> Result<(), StepError> {
    let config = job.config.without_data();
    for step in steps {
        if let Some(learner) = Learner::ALL.into_iter().find(|l| l.step() == step.name) {
            let drawn = learner.sampler(config, cases)?.len();
            let (section, training) = learner.settings(config);
            check_batch(section, training, drawn, learner)?;
            check_shares(step.name, training, 1 + job.further.len())?;
            if learner == Learner::Classifier {
                image_loss(config.classifier, cases)?;
                check_monitor(training.monitor, cases)?;
            }
        }
    }
    Ok(())
}

/// A figure that the validation split cannot give would be missed after the first epoch, which is lost then.
fn check_monitor(monitor: Monitor, cases: &Cases) -> Result<(), StepError> {
    let val: Vec<&[bool]> = cases.of(Split::Val).map(|case| &case.labels[..]).collect();
    let with = |class: usize| val.iter().filter(|labels| labels[class]).count();
    let mut counts = (0..cases.classes.len()).map(with);
    let (there, asked) = match monitor {
        Monitor::Auroc => (
            counts.any(|with| 0 < with && with < val.len()),
            "cases with and without a class, and the validation split has both of none",
        ),
        Monitor::F1 => (
            counts.any(|with| 0 < with),
            "cases with a class, and the validation split has none",
        ),
        Monitor::Loss | Monitor::Dice | Monitor::Miou => return Ok(()),
    };
    if there || val.is_empty() {
        return Ok(());
    }
    Err(StepError::Config(format!(
        "classifier.training.monitor is \"{}\", which asks for {asked}; set it to \"loss\", or give the split such cases",
        monitor.name()
    )))
}

/// A batch that no epoch can fill is a mistake: what was asked for is not what would be trained.
fn check_batch(
    section: &str,
    training: &Training,
    drawn: usize,
    learner: Learner,
) -> Result<(), StepError> {
    let batch = training.batch;
    if batch <= drawn {
        return Ok(());
    }
    Err(StepError::Config(format!(
        "{section}.training.batch is {batch}, but an epoch of {} draws {drawn} images of the training split; set it to {drawn} \
         at most: --set {section}.training.batch={drawn}",
        learner.step()
    )))
}

/// Compares what finished steps wrote with what lies there, where this call trusts it: those of the span that are not
/// done again, and those that any step that is done is made from, down to its first source. The latter are read to
/// their last byte; the step reads them too.
pub(super) fn check_outputs(run: &RunDir, span: Span, plan: &Plan) -> Result<(), RunError> {
    let mut sources: Vec<&str> = Vec::new();
    for step in METHOD.iter().rev() {
        if plan.does(step.name) || sources.contains(&step.name) {
            sources.extend(step.needs);
        }
    }
    for (number, step) in METHOD.iter().enumerate() {
        let source = sources.contains(&step.name);
        let asked = (span.from..=span.until).contains(&number);
        if !plan.does(step.name) && (source || asked) {
            run.check_outputs(step, source)?;
        }
    }
    Ok(())
}
