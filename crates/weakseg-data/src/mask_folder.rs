//! What a folder of masks has too much, and what it lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Rule, counted, some_of};
use crate::listing::is_ending;
use crate::mask_store::mask_paths;
use crate::{Case, Cases, Classes, DataError, LabelSpace, Split, Truth};

/// Warnings of masks in `folder` that no case reads, and of splits that have cases with a finding and no mask of one.
///
/// A kit's folder of index maps serves many lists; one beside a table serves that table alone.
pub(crate) fn odd_masks(folder: &Path, cases: &Cases, truth: &Truth) -> Vec<Fault> {
    if cases.classes.space == LabelSpace::Exclusive {
        // A kit without any is one to train on.
        return match cases.ids().any(|id| truth.has_mask(id)) {
            true => splits_without_mask(folder, cases, truth),
            false => Vec::new(),
        };
    }
    let mut faults = Vec::new();
    let known = known_masks(folder, cases);
    faults.extend(masks_without_case(folder, &known));
    faults.extend(masks_of_other_kind(folder, &known));
    faults.extend(folders_without_finding(folder, &cases.classes));
    faults.extend(splits_without_mask(folder, cases, truth));
    faults
}

/// The masks that cases may have, whether they are there or not.
fn known_masks(folder: &Path, cases: &Cases) -> BTreeSet<PathBuf> {
    let ids = cases.ids();
    ids.flat_map(|id| mask_paths(folder, &cases.classes, id))
        .collect()
}

/// The folders that masks may lie in.
fn mask_folders<'a>(folder: &'a Path, known: &'a BTreeSet<PathBuf>) -> BTreeSet<&'a Path> {
    let folders = known.iter().filter_map(|path| path.parent());
    folders.chain([folder]).collect()
}

fn name_in(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Files named as the mask of a case and not read, for they are no PNG. JPEGs are an error where they are asked for.
fn masks_of_other_kind(folder: &Path, known: &BTreeSet<PathBuf>) -> Option<Fault> {
    let asked_for = ["png", "PNG", "jpg", "jpeg", "JPG", "JPEG"];
    let is_read = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_none_or(|ending| asked_for.contains(&ending))
    };
    let strays = mask_folders(folder, known)
        .into_iter()
        .flat_map(entries)
        .filter(|path| path.is_file() && !is_read(path))
        .filter(|path| known.contains(&path.with_extension("png")))
        .map(|path| name_in(folder, &path))
        .collect();
    let remedy = "save masks as PNG, with the ending `.png`";
    warning(
        folder,
        "file",
        "named as a mask and no `.png`, not read",
        strays,
        remedy.to_owned(),
    )
}

fn masks_without_case(folder: &Path, known: &BTreeSet<PathBuf>) -> Option<Fault> {
    let strays: Vec<String> = mask_folders(folder, known)
        .into_iter()
        .flat_map(pictures)
        .filter(|path| !known.contains(&path.with_extension("png")))
        .map(|path| name_in(folder, &path))
        .collect();
    let remedy = "name each mask as its image, in the folder of its finding if there are several";
    warning(folder, "mask", "of no case", strays, remedy.to_owned())
}

/// Tells of `strays`, so many `noun`s that are `what`; nothing if there are none.
fn warning(
    folder: &Path,
    noun: &str,
    what: &str,
    mut strays: Vec<String>,
    remedy: String,
) -> Option<Fault> {
    strays.sort();
    let error = || DataError::Set {
        path: folder.to_owned(),
        problem: format!(
            "{} {what}: {}",
            counted(strays.len(), noun),
            some_of(&strays)
        ),
        remedy,
    };
    (!strays.is_empty()).then(|| Fault::warning(Rule::CaseOfMask, error()))
}

fn folders_without_finding(folder: &Path, classes: &Classes) -> Option<Fault> {
    let several = classes.len() > 1;
    let strays: Vec<String> = entries(folder)
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| !(name.starts_with('.') || several && classes.names.contains(name)))
        .filter(|name| pictures(&folder.join(name)).next().is_some())
        .collect();
    let remedy = match several {
        true => format!(
            "name each folder as its finding, capitals included: {}",
            some_of(&classes.names)
        ),
        false => "with one finding masks lie in this folder itself, as `ID.png`".to_owned(),
    };
    warning(
        folder,
        "folder",
        "of masks that are not read",
        strays,
        remedy,
    )
}

/// A warning of each scored split that has cases with a finding, or a class, and no mask of some of them.
fn splits_without_mask(folder: &Path, cases: &Cases, truth: &Truth) -> Vec<Fault> {
    let mut faults = Vec::new();
    for split in [Split::Val, Split::Test] {
        let positive: Vec<&Case> = cases.of(split).filter(|case| case.is_positive()).collect();
        let lacking = positive.iter().filter(|case| !truth.has_mask(&case.id));
        let lacking: Vec<String> = lacking.map(|case| case.id.clone()).collect();
        if lacking.is_empty() {
            continue;
        }
        let findings = cases.classes.space == LabelSpace::Findings;
        let what = if findings { " with a finding" } else { "" };
        let all = counted(positive.len(), "case");
        let (which, scored) = match (lacking.len() == positive.len(), findings) {
            (true, true) => ("any".to_owned(), "scored on healthy images alone"),
            (true, false) => ("any".to_owned(), "not scored"),
            (false, _) => (lacking.len().to_string(), "scored on the others alone"),
        };
        let error = DataError::Set {
            path: folder.to_owned(),
            problem: format!(
                "no mask of {which} of the {all}{what} in the split `{split}`: {}",
                some_of(&lacking)
            ),
            remedy: format!(
                "masks of this split are {scored}; add masks, or divide the set otherwise"
            ),
        };
        faults.push(Fault::warning(Rule::ClassInScoring, error));
    }
    faults
}

/// The pictures in a folder, not those in its subfolders.
fn pictures(folder: &Path) -> impl Iterator<Item = PathBuf> {
    entries(folder).filter(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(is_ending)
    })
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path()))
}
