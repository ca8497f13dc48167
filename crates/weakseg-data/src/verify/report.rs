//! [`VerifyReport`]: what a set holds, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::fault::{Fault, Rule, Severity, counted};
use crate::{Cases, DataError, Split};

/// What a look at every file of a set brought to light.
#[derive(Debug, Default, Serialize)]
pub struct VerifyReport {
    /// Cases whose image can be read.
    pub cases: usize,
    /// Patients that are named; cases without one are not counted.
    pub patients: usize,
    /// Cases whose mask is told by files or run lengths that could be read.
    pub masks: usize,
    /// Cases without a finding and without a mask: they are scored as if they had an empty one.
    pub taken_as_empty: usize,
    /// Boxes that could be read.
    pub boxes: usize,
    /// Ids that are left out for want of an image that can be read.
    pub left_out: usize,
    /// The splits that have cases.
    pub splits: Vec<SplitReport>,
    /// Everything that is wrong, errors and warnings, in the order of the set.
    pub faults: Vec<Fault>,
}

/// What a split holds.
#[derive(Debug, Serialize)]
pub struct SplitReport {
    /// Which one.
    pub split: Split,
    /// Its cases.
    pub cases: usize,
    /// How many of them have each class.
    pub positives: BTreeMap<String, usize>,
}

impl VerifyReport {
    /// Faults that keep the set from being used as it is.
    pub fn errors(&self) -> impl Iterator<Item = &Fault> {
        self.of(Severity::Error)
    }

    /// Faults that may make its figures mislead.
    pub fn warnings(&self) -> impl Iterator<Item = &Fault> {
        self.of(Severity::Warning)
    }

    /// Whether there are no errors; with `strict`, no warnings either.
    #[must_use]
    pub fn passes(&self, strict: bool) -> bool {
        self.errors().next().is_none() && (!strict || self.faults.is_empty())
    }

    /// Makes rows without an image, and images that cannot be read, errors if more ids are left out than are allowed,
    /// else warnings.
    pub fn allow_skips(&mut self, allowed: usize) {
        let severity = match self.left_out > allowed {
            true => Severity::Error,
            false => Severity::Warning,
        };
        let skip = |fault: &&mut Fault| match fault.rule {
            Rule::ImageOfRow => true,
            // A run ends at a file that the system does not give.
            Rule::ReadableImage => !matches!(fault.error, DataError::Io { .. }),
            _ => false,
        };
        for fault in self.faults.iter_mut().filter(skip) {
            fault.severity = severity;
        }
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Fault> {
        self.faults
            .iter()
            .filter(move |fault| fault.severity == severity)
    }

    /// Counts what there is, whatever its files hold.
    pub(super) fn describe(&mut self, cases: &Cases) {
        let patients = cases.cases.iter().filter_map(|case| case.patient.as_ref());
        self.cases = cases.cases.len();
        self.patients = patients.collect::<BTreeSet<_>>().len();
        self.left_out = cases.left_out.len();
        for split in Split::ALL {
            if cases.count(split) > 0 {
                let names = cases.classes.names.iter().enumerate();
                self.splits.push(SplitReport {
                    split,
                    cases: cases.count(split),
                    positives: names
                        .map(|(class, name)| (name.clone(), cases.positives(split, class)))
                        .collect(),
                });
            }
        }
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        for split in &self.splits {
            write!(f, "{}: {}", split.split, counted(split.cases, "case"))?;
            for (name, positives) in &split.positives {
                write!(f, ", {positives} with `{name}`")?;
            }
            writeln!(f)?;
        }
        write!(f, "{}", counted(self.cases, "case"))?;
        if self.patients > 0 {
            write!(f, " of {}", counted(self.patients, "patient"))?;
        }
        write!(f, ", masks of {}", counted(self.masks, "case"))?;
        if self.taken_as_empty > 0 {
            write!(
                f,
                " (empty ones taken for {} without a finding)",
                counted(self.taken_as_empty, "case")
            )?;
        }
        write!(
            f,
            ", {}: {}, {}",
            counted(self.boxes, "box"),
            counted(self.errors().count(), "error"),
            counted(self.warnings().count(), "warning")
        )
    }
}
