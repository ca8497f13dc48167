//! What lies beside a set and belongs to none of its cases.

use std::collections::BTreeSet;
use std::path::Path;

use crate::coco::CocoTruth;
use crate::fault::{Fault, Rule, counted, some_of};
use crate::{Cases, DataError};

pub(super) fn objects_without_case(document: &CocoTruth, cases: &Cases) -> Option<Fault> {
    let known: BTreeSet<&str> = cases.ids().collect();
    let strays: Vec<String> = document
        .names()
        .filter(|name| !known.contains(name))
        .map(str::to_owned)
        .collect();
    (!strays.is_empty()).then(|| {
        let error = DataError::Set {
            path: document.path().to_owned(),
            problem: format!(
                "{} without a case: {}",
                counted(strays.len(), "image"),
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
            "{} without a class map, which tells the classes of objects: {}",
            counted(names.len(), "object map"),
            some_of(&names)
        ),
        remedy: "their objects are left out; add the class maps to the folder of the masks".into(),
    };
    Some(Fault::warning(Rule::ClassOfObjects, error))
}
