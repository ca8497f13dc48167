//! Cases whose image is there and cannot be read.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fault::{Fault, Rule, counted, first_of};
use crate::{Case, DataError};

/// A warning of cases of the set `listed` that are left out because their image cannot be read, by their ids for the
/// reasons `why`: the file of each, with the reason.
pub(crate) fn unreadable_images(
    listed: &Path,
    left_out: &[Case],
    why: &BTreeMap<String, String>,
) -> Option<Fault> {
    if left_out.is_empty() {
        return None;
    }
    let told: Vec<String> = left_out
        .iter()
        .map(|case| format!("{} ({})", case.image.display(), why[&case.id]))
        .collect();
    let error = DataError::Set {
        path: listed.to_owned(),
        problem: format!(
            "{} cannot be read: {}",
            counted(told.len(), "image"),
            first_of(&told)
        ),
        remedy: "they are left out; mend the files (`weakseg data verify` lists them all), or allow as many with --allow-skips"
            .into(),
    };
    Some(Fault::warning(Rule::ReadableImage, error))
}
