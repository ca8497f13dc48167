//! [`Plan`]: which steps a call does, and which it clears for that. It is made before anything in the run's folder is
//! changed.

use weakseg_data::{Cases, Truth};

use super::run_dir::{REPORT, RunDir};
use super::run_error::RunError;
use super::run_record::made_nothing;
use super::steps::{left_out, set_warnings};
use super::{Inventory, METHOD, Span, Step, Work};
use crate::progress::Progress;
use crate::report::Report;

/// What a call does in a run's folder.
pub(super) struct Plan {
    /// Steps that are worked on, in order.
    pub(super) done: Vec<&'static Step>,
    /// Steps that are cleared before, in order.
    cleared: Vec<Cleared>,
}

struct Cleared {
    step: &'static Step,
    /// What is told of it; nothing of a step that was asked for.
    why: Option<String>,
}

impl Plan {
    /// Clears outdated steps; with `--from` or `--only` the finished steps of the span; every step of the span or after
    /// it that was made from a cleared one, for it would tell of what is no longer there; and a stale report. A step of
    /// the span that was begun and not finished goes on, so that the same command takes up a repetition that was
    /// stopped. `before` as in [`RunDir::outdated`].
    ///
    /// # Errors
    /// See [`RunDir::outdated`]; [`RunError::OtherRun`] too for a step that learns, or makes what is learned from,
    /// behind the span, if it is outdated and made from nothing that is done again: a training would be lost for a call
    /// that is not about it.
    pub(super) fn of(
        run: &RunDir,
        before: Option<&Inventory>,
        span: Span,
        cases: &Cases,
        truth: Option<&Truth>,
    ) -> Result<Self, RunError> {
        let outdated = run.outdated(before, span.first_again())?;
        let (mut done, mut cleared): (Vec<&Step>, Vec<Cleared>) = (Vec::new(), Vec::new());
        for (number, step) in METHOD.iter().enumerate() {
            let asked = (span.from..=span.until).contains(&number);
            let finished = run.finished(step)?.is_some();
            let is_cleared = |name: &&&str| cleared.iter().any(|other| other.step.name == **name);
            let source = step.needs.iter().find(is_cleared);
            let other = outdated.iter().find(|(other, _)| other.name == step.name);
            let learns = matches!(step.work, Work::Learn(_));
            if number > span.until
                && learns
                && let (None, Some((_, changed))) = (source, other)
                && !made_nothing(run.root(), step)?
            {
                return Err(run.other_run(step, changed));
            }
            let stale = match step.name {
                "report" if asked && finished && !span.again => stale_report(run, cases, truth),
                _ => None,
            };
            let again = asked && span.again && finished;
            let clear = again || source.is_some() || other.is_some() || stale.is_some();
            if asked && (clear || !finished) {
                done.push(step);
            }
            let why = match (number > span.until, source, other) {
                (true, Some(source), _) => Some(format!(
                    "removed, it was made from the {source} that is done again now"
                )),
                (true, None, Some((_, changed))) => Some(format!(
                    "removed, it was made with other settings or data ({changed})"
                )),
                _ => stale,
            };
            if clear {
                cleared.push(Cleared { step, why });
            }
        }
        Ok(Self { done, cleared })
    }

    /// Whether a step is worked on.
    pub(super) fn does(&self, name: &str) -> bool {
        self.done.iter().any(|step| step.name == name)
    }

    /// Removes what the steps that are cleared have written, and says so where it was not asked for.
    pub(super) fn clear(&self, run: &RunDir, progress: &dyn Progress) -> Result<(), RunError> {
        for Cleared { step, why } in &self.cleared {
            if let Some(why) = why
                && run.folder(step.name).exists()
            {
                progress.note(&format!("{}: {why}", step.name));
            }
            run.clear(step)?;
        }
        Ok(())
    }
}

/// Why a finished report is gathered again, which needs seconds and loses nothing: its files were removed, or it tells
/// other things of the set than the set does now; ids without an image are in no digest.
fn stale_report(run: &RunDir, cases: &Cases, truth: Option<&Truth>) -> Option<String> {
    let missing = run.missing_reports();
    if !missing.is_empty() {
        return Some(format!("done again, {} is gone", missing.join(" and ")));
    }
    // One that cannot be read is refused with all outputs that are no longer as they were.
    let report = Report::read(&run.root().join(REPORT[0])).ok()?;
    let told = report.data;
    let same =
        told.skipped == left_out(cases) && told.warnings.starts_with(&set_warnings(cases, truth?));
    (!same).then(|| {
        "done again, the set has other cases left out or other warnings than report.json tells of"
            .to_owned()
    })
}
