//! Rows whose image is not where they say, and what is there instead.

use std::collections::HashMap;
use std::path::Path;

use crate::fault::{Fault, Rule, counted, first_of};
use crate::list_images::search;
use crate::listing::id_of;
use crate::{DataError, ImageList};

/// A warning of rows that are left out because they have no image below `folder`: the line of each, and the image as it
/// is named there.
pub(crate) fn without_image(listed: &Path, folder: &Path, rows: &[(u64, String)]) -> Option<Fault> {
    if rows.is_empty() {
        return None;
    }
    let there = images_below(folder);
    let alike = |name: &str| there.get(&id_of(name).to_lowercase());
    let told: Vec<String> = rows
        .iter()
        .map(|(line, name)| match alike(name) {
            Some(file) => format!("`{name}` (line {line}; `{file}` is there)"),
            None => format!("`{name}` (line {line})"),
        })
        .collect();
    let remedy = match rows.iter().any(|(_, name)| alike(name).is_some()) {
        true => {
            "they are left out; name each image as its file is named from that folder on, or without the ending"
        }
        false => "they are left out; add the images, or allow as many with --allow-skips",
    };
    let error = DataError::Set {
        path: listed.to_owned(),
        problem: format!(
            "no image below {} for {}: {}",
            folder.display(),
            counted(rows.len(), "row"),
            first_of(&told)
        ),
        remedy: remedy.into(),
    };
    Some(Fault::warning(Rule::ImageOfRow, error))
}

/// The images below a folder by their ids in small letters, each named from that folder on.
fn images_below(folder: &Path) -> HashMap<String, String> {
    let mut list = ImageList::default();
    // What cannot be listed is told when its images are asked for.
    let _ = search(folder, &mut list);
    let names = list.images.iter().map(|path| {
        let path = path.strip_prefix(folder).unwrap_or(path);
        path.to_string_lossy().into_owned()
    });
    names
        .map(|name| (id_of(&name).to_lowercase(), name))
        .collect()
}
