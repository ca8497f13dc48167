//! Patients with images in several splits, whose scores flatter.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fault::{Fault, Rule, counted};
use crate::{Case, DataError, Split};

const REMEDY: &str = "keep each patient in one split; scores on known patients flatter";

/// A warning for each of them.
pub(crate) fn patients_across_splits(cases: &[Case]) -> Vec<Fault> {
    let warning = |splits: BTreeMap<Split, &Case>| {
        let image = splits.values().next().map(|case| case.image.clone());
        let problem = format!("one patient is in {}", places(&splits));
        fault(&image.unwrap_or_default(), problem)
    };
    crossing(cases).into_iter().map(warning).collect()
}

/// One warning of all of them, about the set at `root`.
pub(crate) fn shared_patients(root: &Path, cases: &[Case]) -> Option<Fault> {
    let crossing = crossing(cases);
    let first = places(crossing.first()?);
    let patients = counted(crossing.len(), "patient");
    let problem = format!("in several splits: {patients}, one in {first}");
    Some(fault(root, problem))
}

/// A warning of cases that are divided without knowing whose they are.
pub(crate) fn unknown_patients(root: &Path, cases: &[Case], remedy: String) -> Option<Fault> {
    let unknown = cases.iter().filter(|case| case.patient.is_none()).count();
    (unknown > 0).then(|| {
        let error = DataError::Set {
            path: root.to_owned(),
            problem: format!(
                "no patient is named for {unknown} of {}: each is taken as a patient of its own, so that one patient may come \
                 to lie in two splits",
                counted(cases.len(), "case"),
            ),
            remedy,
        };
        Fault::warning(Rule::PatientInOneSplit, error)
    })
}

fn fault(path: &Path, problem: String) -> Fault {
    let error = DataError::Set {
        path: path.to_owned(),
        problem,
        remedy: REMEDY.into(),
    };
    Fault::warning(Rule::PatientInOneSplit, error)
}

/// The first case in each split of every patient who is in several.
fn crossing(cases: &[Case]) -> Vec<BTreeMap<Split, &Case>> {
    let mut homes: BTreeMap<&str, BTreeMap<Split, &Case>> = BTreeMap::new();
    for case in cases {
        if let Some(patient) = &case.patient {
            let splits = homes.entry(patient).or_default();
            splits.entry(case.split).or_insert(case);
        }
    }
    let homes = homes.into_values();
    homes.filter(|splits| splits.len() > 1).collect()
}

/// Whose images they are is not told: messages go to logs and reports.
fn places(splits: &BTreeMap<Split, &Case>) -> String {
    let places = splits
        .iter()
        .map(|(split, case)| format!("{split} (`{}`)", case.id));
    places.collect::<Vec<_>>().join(" and ")
}
