//! [`Fingerprint`]: a file, by its contents and by what tells without reading it that they are the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use weakseg_data::DataError;

use crate::files::{io, times};
use crate::pipeline::StepError;
use crate::progress::{Progress, Stop};

/// A file, by its contents and by what tells without reading it that they are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    bytes: u64,
    /// When contents, and where the system says so name or owner, last changed; nanoseconds since 1970.
    times: [i64; 2],
    pub(super) sha256: String,
}

/// Files by their names.
pub(super) type Fingerprints = BTreeMap<String, Fingerprint>;

/// The fingerprints of files by their names, and why there is none of others, which `read` refused for what they hold.
/// It is given a file that is not as it was when it was `known`, and gives its length and SHA-256.
///
/// # Errors
/// When a file is not given by the system, or if it was asked to stop.
pub(super) fn fingerprints(
    what: &str,
    files: Vec<(String, PathBuf)>,
    known: Option<&Fingerprints>,
    read: impl Fn(&Path, Option<&Fingerprint>) -> Result<(u64, String), DataError> + Sync,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<(Fingerprints, BTreeMap<String, String>), StepError> {
    let look = |(name, path): (String, PathBuf)| {
        let found = std::fs::metadata(&path).map_err(io(&path, "look at"))?;
        let (bytes, times) = (found.len(), times(&found));
        let known = known.and_then(|known| known.get(&name));
        let as_it_was = known.is_some_and(|known| (known.bytes, known.times) == (bytes, times));
        Ok((name, path, times, known, as_it_was))
    };
    let looks: Vec<_> = files
        .into_par_iter()
        .map(look)
        .collect::<Result<_, DataError>>()?;
    let unknown = looks.iter().filter(|look| !look.4).count();
    if unknown > 0 {
        progress.begin(what, unknown as u64);
    }
    let over = AtomicU64::new(0);
    let found = looks
        .into_par_iter()
        .map(|(name, path, times, known, as_it_was)| {
            if let Some(known) = known.filter(|_| as_it_was) {
                return Ok((name, Ok(known.clone())));
            }
            if stop.asked() {
                return Err(StepError::Stopped);
            }
            let print = match read(&path, known) {
                Ok((bytes, sha256)) => Ok(Fingerprint {
                    bytes,
                    times,
                    sha256,
                }),
                Err(error) => Err(error.of_content(&path).ok_or(error)?),
            };
            progress.at(over.fetch_add(1, Ordering::Relaxed) + 1, &name);
            Ok((name, print))
        });
    let found: Result<Vec<_>, StepError> = found.collect();
    if unknown > 0 {
        progress.end();
    }
    let (mut prints, mut refused) = (Fingerprints::new(), BTreeMap::new());
    for (name, print) in found? {
        match print {
            Ok(print) => _ = prints.insert(name, print),
            Err(why) => _ = refused.insert(name, why),
        }
    }
    Ok((prints, refused))
}
