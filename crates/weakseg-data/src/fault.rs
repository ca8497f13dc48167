//! [`Fault`]: one thing wrong with a set, by the rule it breaks.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{DataError, Split};

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The set cannot be used, or not scored, as it is.
    Error,
    /// The set can be used, but figures from it may mislead.
    Warning,
}

/// What a set must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The table, lists and settings can be read.
    ReadableTable,
    /// Every row can be understood.
    ReadableRow,
    /// No id occurs twice.
    UniqueId,
    /// Every id can name a file.
    SafeId,
    /// Every row has its image.
    ImageOfRow,
    /// Every image of the folder has its row.
    RowOfImage,
    /// Every image can be read to its end.
    ReadableImage,
    /// Every image is as its format's standard has it.
    RegularImage,
    /// There are cases at all.
    NotEmpty,
    /// Every split that is asked for has cases.
    SplitNotEmpty,
    /// There is something to tell apart: cases with and without.
    TwoClasses,
    /// Every class is seen in training, and of findings cases without it too.
    ClassInTraining,
    /// Every split that is scored has something to find, a mask of it where there are masks, and of findings cases
    /// without it too.
    ClassInScoring,
    /// No patient is in two splits, and none fills one.
    PatientInOneSplit,
    /// No file occurs under two ids.
    DifferentImages,
    /// Every mask can be read to its end.
    ReadableMask,
    /// Every mask has the size of its image.
    MaskSize,
    /// Every mask value means something.
    MaskValues,
    /// Masks and labels say the same.
    MaskAgreesWithLabel,
    /// Every mask has its case, and every folder of masks its finding.
    CaseOfMask,
    /// Every object map has the class map that tells the classes of its objects.
    ClassOfObjects,
    /// Every box can be understood and is inside its image.
    BoxInImage,
    /// Every box is of a known finding and case.
    CaseOfBox,
}

/// One thing wrong with a set.
#[derive(Debug)]
pub struct Fault {
    /// The rule it breaks.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What, where, and what to do.
    pub error: DataError,
}

impl Fault {
    pub(crate) fn error(rule: Rule, error: DataError) -> Self {
        Self {
            rule,
            severity: Severity::Error,
            error,
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(crate) fn warning(rule: Rule, error: DataError) -> Self {
        Self {
            rule,
            severity: Severity::Warning,
            error,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.error)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            rule: Rule,
            severity: Severity,
            message: String,
        }
        let row = Row {
            rule: self.rule,
            severity: self.severity,
            message: self.error.to_string(),
        };
        row.serialize(serializer)
    }
}

/// The first of the errors among faults (telling how many more there are); warnings are let pass.
pub(crate) fn refuse(faults: Vec<Fault>) -> Result<(), DataError> {
    DataError::gather(
        faults
            .into_iter()
            .filter(Fault::is_error)
            .map(|fault| fault.error)
            .collect(),
    )
}

/// A text for at most five names of many.
pub(crate) fn some_of(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("`{name}`"));
    first_of(&quoted.collect::<Vec<_>>())
}

/// At most five texts of many.
pub(crate) fn first_of(texts: &[String]) -> String {
    let mut text = texts[..texts.len().min(5)].join(", ");
    if texts.len() > 5 {
        text += &format!(" and {} more", texts.len() - 5);
    }
    text
}

/// A number and what it counts: `1 box`, `2 classes`, `3 images`.
#[must_use]
pub fn counted(number: usize, thing: &str) -> String {
    let ending = match (number, thing.ends_with(['s', 'x'])) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {thing}{ending}")
}

/// How splits are named in a sentence.
pub(crate) fn both(a: Split, b: Split) -> String {
    if a == b {
        format!("both in {a}")
    } else {
        format!("one in {a}, one in {b}")
    }
}
