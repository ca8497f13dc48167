//! [`Images`]: the images of a set as they are now, each read to its last pixel.

use std::collections::BTreeMap;
use std::path::Path;

use weakseg_data::{Cases, Limits, View, decode_picture};

use super::Inventory;
use super::fingerprint::{Fingerprint, Fingerprints, fingerprints};
use crate::digest::digest;
use crate::pipeline::StepError;
use crate::progress::{Progress, Stop};

/// The images of a set as they are now.
pub(in crate::pipeline) struct Images {
    pub(super) view: View,
    /// Of those that can be read, by the ids of their cases.
    pub(super) prints: Fingerprints,
    /// Why others cannot be read, likewise.
    pub(in crate::pipeline) unreadable: BTreeMap<String, String>,
}

impl Images {
    /// Reads and decodes them, but for those that could be read when `before` was taken, in the same view, and are as
    /// they were. Those that could not are tried again: another version may know how, or other limits be set.
    ///
    /// # Errors
    /// When the system does not give a file, or if it was asked to stop.
    pub(in crate::pipeline) fn look_at(
        cases: &Cases,
        view: View,
        before: Option<&Inventory>,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<Self, StepError> {
        let files = cases.cases.iter();
        let files = files.map(|case| (case.id.clone(), case.image.clone()));
        // Earlier versions did not decode them.
        let known = before.filter(|before| before.view == Some(view));
        let known = known.map(|before| &before.images);
        let limits = Limits::default();
        let read = |path: &Path, known: Option<&Fingerprint>| {
            let bytes = limits.read(path)?;
            let sha256 = digest(&bytes);
            if known.is_none_or(|known| known.sha256 != sha256) {
                decode_picture(path, &bytes, &limits, view)?;
            }
            Ok((bytes.len() as u64, sha256))
        };
        let (prints, unreadable) = fingerprints(
            "reading images",
            files.collect(),
            known,
            read,
            progress,
            stop,
        )?;
        Ok(Self {
            view,
            prints,
            unreadable,
        })
    }
}
