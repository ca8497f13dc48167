//! Every fault of a set at once, before hours are spent on it.

mod report;
mod strays;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::boxes::{boxes_without_case, outside, read_boxes};
use crate::config::TruthPlaces;
use crate::fault::{Fault, Rule, both};
use crate::label_conflict::label_conflict;
use crate::listing::Listing;
use crate::patients::patients_across_splits;
use crate::true_instance::Objects;
use crate::{
    Case, Cases, Classes, DataConfig, DataError, Limits, Mask, Picture, Truth, decode_picture,
};
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
    let (images, broken) = look_at_images(&mut listing);
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
    report.faults.extend(patients_across_splits(&cases.cases));

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
        .zip(&images)
        .map(|(case, image)| look_at(case, image.size, &cases.classes, &truth))
        .collect();
    let masks = looks.iter().filter_map(|look| look.mask);
    report.masks = masks.clone().filter(|&told| told).count();
    report.taken_as_empty = masks.count() - report.masks;
    report.faults.extend(same_bytes(&cases, &images));
    let unclassed = looks.iter().filter_map(|look| look.unclassed.as_deref());
    report.faults.extend(objects_without_class_map(unclassed));
    report.faults.extend(broken);
    for (image, look) in images.into_iter().zip(looks) {
        report.faults.extend(image.faults);
        report.faults.extend(look.faults);
    }
    report
}

/// An image that was read to its end.
struct Image {
    digest: [u8; 32],
    /// Height and width.
    size: (usize, usize),
    faults: Vec<Fault>,
}

/// Reads all images of a set. Cases whose image cannot be read are left out, as a run does, with a fault each.
fn look_at_images(listing: &mut Listing) -> (Vec<Image>, Vec<Fault>) {
    let looks: Vec<_> = listing.cases.par_iter().map(look_at_image).collect();
    let (mut images, mut faults, mut unreadable) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (case, look) in listing.cases.iter().zip(looks) {
        match look {
            Ok(image) => images.push(image),
            Err(error) => {
                unreadable.insert(case.id.clone(), error.to_string());
                faults.push(Fault::error(Rule::ReadableImage, error));
            }
        }
    }
    listing.leave_out(&unreadable);
    (images, faults)
}

fn look_at_image(case: &Case) -> Result<Image, DataError> {
    let limits = Limits::default();
    let bytes = limits.read(&case.image)?;
    let Picture { pixels, notes } = decode_picture(&case.image, &bytes, &limits, case.view)?;
    Ok(Image {
        digest: Sha256::digest(&bytes).into(),
        size: (pixels.height(), pixels.width()),
        faults: notes.into_iter().map(|note| odd(case, note)).collect(),
    })
}

/// What a look at one case's files of truth brought to light.
struct Look {
    /// Of a case with a mask that could be read: whether a file or a run length told it, or that the case has no
    /// finding.
    mask: Option<bool>,
    /// An object map without a class map.
    unclassed: Option<PathBuf>,
    faults: Vec<Fault>,
}

fn look_at(case: &Case, (height, width): (usize, usize), classes: &Classes, truth: &Truth) -> Look {
    let mut look = Look {
        mask: None,
        unclassed: None,
        faults: Vec::new(),
    };
    let mut masks = true;
    match truth.mask(&case.id) {
        Ok(None) => look.unclassed = truth.object_map(&case.id),
        Ok(Some(mask)) => {
            look.mask = Some(truth.has_mask(&case.id));
            look.faults.extend(disagreement(case, classes, &mask));
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
        look.faults.extend(outside(case, found, height, width));
        if !case.labels[found.label] {
            let error = DataError::Set {
                path: case.image.clone(),
                problem: format!(
                    "it has a box of {}, its labels do not name it",
                    classes.names[found.label]
                ),
                remedy: "correct the label or the box; as it is, the box counts as a miss where maps follow the labels".into(),
            };
            look.faults.push(Fault::warning(Rule::CaseOfBox, error));
        }
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

fn disagreement(case: &Case, classes: &Classes, mask: &Mask) -> Option<Fault> {
    let problem = label_conflict(case, classes, mask)?;
    let error = DataError::Set {
        path: case.image.clone(),
        problem,
        remedy: "correct the label or the mask".into(),
    };
    Some(Fault::warning(Rule::MaskAgreesWithLabel, error))
}

fn same_bytes(cases: &Cases, images: &[Image]) -> Vec<Fault> {
    let mut first: BTreeMap<[u8; 32], &Case> = BTreeMap::new();
    let mut faults = Vec::new();
    for (case, Image { digest, .. }) in cases.cases.iter().zip(images) {
        let Some(other) = first.get(digest) else {
            first.insert(*digest, case);
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
