//! What lies beside a set and belongs to none of its cases.

use std::collections::BTreeSet;
use std::path::Path;

use crate::coco::CocoTruth;
use crate::fault::{Fault, Rule, some_of};
use crate::listing::is_ending;
use crate::mask_store::mask_paths;
use crate::{Cases, DataError, LabelSpace};

pub(super) fn objects_without_case(document: &CocoTruth, cases: &Cases) -> Option<Fault> {
    let known: BTreeSet<&str> = cases.cases.iter().map(|case| case.id.as_str()).collect();
    let strays: Vec<String> = document
        .names()
        .filter(|name| !known.contains(name))
        .map(str::to_owned)
        .collect();
    (!strays.is_empty()).then(|| {
        let error = DataError::Set {
            path: document.path().to_owned(),
            problem: format!(
                "{} images that are no cases: {}",
                strays.len(),
                some_of(&strays)
            ),
            remedy: "their objects are left out; name each image as in the table".into(),
        };
        Fault::warning(Rule::CaseOfMask, error)
    })
}

pub(super) fn objects_without_class_map<'a>(
    object_maps: impl Iterator<Item = &'a Path>,
) -> Option<Fault> {
    let object_maps: Vec<&Path> = object_maps.collect();
    let folder = object_maps.first()?.parent()?;
    let names: Vec<String> = object_maps
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let error = DataError::Set {
        path: folder.to_owned(),
        problem: format!(
            "{} object maps without a class map, which tells the classes of objects: {}",
            names.len(),
            some_of(&names)
        ),
        remedy: "their objects are left out; add the class maps to the folder of the masks".into(),
    };
    Some(Fault::warning(Rule::ClassOfObjects, error))
}

pub(super) fn masks_without_case(folder: &Path, cases: &Cases) -> Option<Fault> {
    // A kit's folder of masks serves many lists; one beside a table serves that table.
    if cases.classes.space == LabelSpace::Exclusive {
        return None;
    }
    let known: BTreeSet<_> = cases
        .cases
        .iter()
        .flat_map(|case| mask_paths(folder, &cases.classes, &case.id))
        .collect();
    let mut folders: BTreeSet<_> = known.iter().filter_map(|path| path.parent()).collect();
    folders.insert(folder);
    let mut strays: Vec<String> = folders
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(is_ending) && !known.contains(&path.with_extension("png"))
        })
        .map(|path| {
            path.strip_prefix(folder)
                .unwrap_or(&path)
                .display()
                .to_string()
        })
        .collect();
    strays.sort();
    (!strays.is_empty()).then(|| {
        let error = DataError::Set {
            path: folder.to_owned(),
            problem: format!(
                "{} masks that belong to no case: {}",
                strays.len(),
                some_of(&strays)
            ),
            remedy:
                "name each mask as its image, in the folder of its finding if there are several"
                    .into(),
        };
        Fault::warning(Rule::CaseOfMask, error)
    })
}
