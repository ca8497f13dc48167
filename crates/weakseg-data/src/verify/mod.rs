//! Every fault of a set at once, before hours are spent on it.

mod report;
mod strays;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::boxes::{boxes_without_case, outside, read_boxes};
use crate::config::TruthPlaces;
use crate::fault::{Fault, Rule, both, some_of};
use crate::true_instance::Objects;
use crate::{Case, Cases, Classes, DataConfig, DataError, Limits, Split, Truth};
pub use report::{SplitReport, VerifyReport};
use strays::{objects_without_case, objects_without_class_map};

pub(crate) fn verify(config: &DataConfig, base: &Path) -> VerifyReport {
    let mut report = VerifyReport::default();
    let unreadable = |error| Fault::error(Rule::ReadableTable, error);
    let mut listing = match config.list(base) {
        Ok(listing) => listing,
        Err(error) => {
            report.faults.push(unreadable(error));
            return report;
        }
    };
    let unlearnable = listing.unlearnable();
    report.faults.append(&mut listing.faults);
    report.faults.extend(unlearnable);
    let cases = Cases {
        classes: listing.classes,
        cases: listing.cases,
        left_out: listing.left_out,
        warnings: Vec::new(),
    };
    report.describe(&cases);
    report.faults.extend(patients_across_splits(&cases));

    let places = config.truth_places(base).unwrap_or_else(|error| {
        report.faults.push(unreadable(error));
        TruthPlaces {
            masks: None,
            objects: None,
            boxes: None,
            resize: None,
        }
    });
    let mut boxes = None;
    if let Some(path) = &places.boxes {
        match read_boxes(path, &cases.classes) {
            Ok(mut table) => {
                report.faults.append(&mut table.faults);
                report.boxes = table.of.values().map(Vec::len).sum();
                report
                    .faults
                    .extend(boxes_without_case(path, &table.of, &cases));
                boxes = Some(table);
            }
            Err(error) => report.faults.push(unreadable(error)),
        }
    }
    let mut objects = places.objects;
    if let Some(Objects::Document(document)) = &objects {
        match document.open(&cases.classes) {
            Ok(document) => {
                report
                    .faults
                    .extend(objects_without_case(&document, &cases));
            }
            Err(error) => {
                report.faults.push(unreadable(error));
                objects = None;
            }
        }
    }
    let truth = Truth::new(&cases, places.masks, objects, boxes, places.resize);
    report.faults.extend(truth.odd_masks(&cases));
    let looks: Vec<Look> = cases
        .cases
        .par_iter()
        .map(|case| look_at(case, &cases.classes, &truth))
        .collect();
    let masks = looks.iter().filter_map(|look| look.mask);
    report.masks = masks.clone().filter(|&told| told).count();
    report.taken_as_empty = masks.count() - report.masks;
    report.faults.extend(same_bytes(&cases, &looks));
    let unclassed = looks.iter().filter_map(|look| look.unclassed.as_deref());
    report.faults.extend(objects_without_class_map(unclassed));
    report
        .faults
        .extend(looks.into_iter().flat_map(|look| look.faults));
    report
}

/// What a look at one case's files brought to light.
struct Look {
    digest: Option<[u8; 32]>,
    /// Of a case with a mask that could be read: whether a file or a run length told it, or that the case has no finding.
    mask: Option<bool>,
    /// An object map without a class map.
    unclassed: Option<PathBuf>,
    faults: Vec<Fault>,
}

fn look_at(case: &Case, classes: &Classes, truth: &Truth) -> Look {
    let limits = Limits::default();
    let mut look = Look {
        digest: None,
        mask: None,
        unclassed: None,
        faults: Vec::new(),
    };
    let image = match case.read_picture(&limits) {
        Ok(picture) => {
            look.faults
                .extend(picture.notes.into_iter().map(|note| odd(case, note)));
            picture.pixels
        }
        Err(error) => {
            look.faults.push(Fault::error(Rule::ReadableImage, error));
            return look;
        }
    };
    look.digest = limits
        .read(&case.image)
        .ok()
        .map(|bytes| Sha256::digest(bytes).into());
    let mut masks = true;
    match truth.mask(&case.id) {
        Ok(None) => look.unclassed = truth.object_map(&case.id),
        Ok(Some(mask)) => {
            look.mask = Some(truth.has_mask(&case.id));
            let present = mask.present(classes.space, classes.len());
            look.faults
                .extend(disagreements(case, classes, &mask, &present));
        }
        Err(error) => {
            masks = false;
            look.faults.push(of_mask(error));
        }
    }
    // Objects may be told by masks; what is wrong with those was said.
    if masks && let Err(error) = truth.instances(&case.id) {
        look.faults.push(of_mask(error));
    }
    for found in truth.boxes(&case.id) {
        look.faults
            .extend(outside(case, found, image.height(), image.width()));
    }
    look
}

fn of_mask(error: DataError) -> Fault {
    let rule = match error {
        DataError::MaskSize { .. } => Rule::MaskSize,
        DataError::MaskValues { .. } | DataError::ObjectClass { .. } => Rule::MaskValues,
        _ => Rule::ReadableMask,
    };
    Fault::error(rule, error)
}

fn odd(case: &Case, problem: String) -> Fault {
    let error = DataError::Set {
        path: case.image.clone(),
        problem,
        remedy: "look at the image, and export it again if it is not what was meant".into(),
    };
    Fault::warning(Rule::RegularImage, error)
}

/// Classes a mask shows and the label denies, or the other way round.
fn disagreements(
    case: &Case,
    classes: &Classes,
    mask: &crate::Mask,
    present: &[bool],
) -> Option<Fault> {
    let mut shown = Vec::new();
    let mut denied = Vec::new();
    for (class, name) in classes.names.iter().enumerate() {
        match (case.labels[class], present[class]) {
            (false, true) => shown.push(name.clone()),
            // A finding that is void everywhere is unknown, not absent.
            (true, false)
                if !mask
                    .of_class(classes.space, class)
                    .as_slice()
                    .contains(&crate::VOID) =>
            {
                denied.push(name.clone());
            }
            _ => {}
        }
    }
    if shown.is_empty() && denied.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    if !shown.is_empty() {
        parts.push(format!(
            "its mask shows {}, its labels do not",
            some_of(&shown)
        ));
    }
    if !denied.is_empty() {
        parts.push(format!(
            "its labels name {}, its mask shows none",
            some_of(&denied)
        ));
    }
    let error = DataError::Set {
        path: case.image.clone(),
        problem: parts.join("; "),
        remedy: "correct the label or the mask".into(),
    };
    Some(Fault::warning(Rule::MaskAgreesWithLabel, error))
}

fn patients_across_splits(cases: &Cases) -> Vec<Fault> {
    let mut homes: BTreeMap<&str, BTreeMap<Split, &Case>> = BTreeMap::new();
    for case in &cases.cases {
        if let Some(patient) = &case.patient {
            homes
                .entry(patient)
                .or_default()
                .entry(case.split)
                .or_insert(case);
        }
    }
    // Whose images they are is not told: messages go to logs and reports.
    let crossing = homes.into_values().filter(|splits| splits.len() > 1);
    crossing
        .map(|splits| {
            let where_: Vec<String> = splits
                .iter()
                .map(|(split, case)| format!("{split} (`{}`)", case.id))
                .collect();
            let error = DataError::Set {
                path: splits
                    .values()
                    .next()
                    .map_or_else(Default::default, |case| case.image.clone()),
                problem: format!("one patient is in {}", where_.join(" and ")),
                remedy: "keep each patient in one split; scores on known patients flatter".into(),
            };
            Fault::warning(Rule::PatientInOneSplit, error)
        })
        .collect()
}

fn same_bytes(cases: &Cases, looks: &[Look]) -> Vec<Fault> {
    let mut first: BTreeMap<[u8; 32], &Case> = BTreeMap::new();
    let mut faults = Vec::new();
    for (case, look) in cases.cases.iter().zip(looks) {
        let Some(digest) = look.digest else { continue };
        let Some(other) = first.get(&digest) else {
            first.insert(digest, case);
            continue;
        };
        let error = DataError::Set {
            path: case.image.clone(),
            problem: format!(
                "the very same file as `{}` ({})",
                other.id,
                both(other.split, case.split)
            ),
            remedy: "keep one of the two".into(),
        };
        faults.push(Fault::warning(Rule::DifferentImages, error));
    }
    faults
}
