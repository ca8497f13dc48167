//! What a finished step has written, as `outputs.json` in its folder, and whether it still lies there.
//!
//! Checked are names and lengths of all files each time a step is trusted, and contents of those that a step is about
//! to be made from. Reading all of a large run to find that nothing is to be done would be the longest part of such a
//! call: with 10 000 files of 200 kB in the folder of `make-cams`, all in memory, and SHA-256 in hardware,
//! `weakseg run --until make-cams` takes 0.05 s of processor time to find that all is there, and `--only eval-cams` 2 s to read all
//! of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use weakseg_data::DataError;

use crate::digest::{digest, digest_file, files};
use crate::files::io;

/// The list, in a step's folder.
pub(super) const LIST: &str = "outputs.json";
/// Not in it: no later step reads them, and they are as large as all the rest.
const CHECKPOINTS: &str = "checkpoints/";
/// How a name in the list leads out of the step's folder.
const ABOVE: &str = "../";

/// A file as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    bytes: u64,
    sha256: String,
}

/// The files of a step, by their names from its folder with `/` between.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Outputs(BTreeMap<String, Written>);

impl Outputs {
    /// What lies in a step's folder but for checkpoints and files named in `leave_out`, and the files `above` beside
    /// that folder.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn of(folder: &Path, leave_out: &[&str], above: &[&str]) -> Result<Self, DataError> {
        let inside = files(folder)?.into_iter().map(|path| {
            let name = path.strip_prefix(folder).expect("listed below the folder");
            let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
            parts.join("/")
        });
        let wanted =
            |name: &String| !leave_out.contains(&name.as_str()) && !name.starts_with(CHECKPOINTS);
        let mut names: Vec<String> = inside.filter(wanted).collect();
        names.extend(above.iter().map(|name| format!("{ABOVE}{name}")));
        let written = names.into_par_iter().map(|name| {
            let (bytes, sha256) = digest_file(&place(folder, &name))?;
            Ok((name, Written { bytes, sha256 }))
        });
        Ok(Self(written.collect::<Result<_, DataError>>()?))
    }

    /// Digest over names and contents in the step's folder. The report beside it tells of times, which equal runs do
    /// not share.
    pub(super) fn digest(&self) -> String {
        let inside = self.0.iter().filter(|(name, _)| !name.starts_with(ABOVE));
        let lines: String = inside
            .map(|(name, written)| format!("{name}\n{}\n", written.sha256))
            .collect();
        digest(lines.as_bytes())
    }

    /// What lies otherwise in a step's folder than it was written, in words. Contents are compared of what speaks of
    /// all cases (networks, logs, figures), and with `contents` of what there is of each case too.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn differences(
        &self,
        folder: &Path,
        contents: bool,
    ) -> Result<Vec<String>, DataError> {
        let found = self.0.par_iter().map(|(name, written)| {
            let path = place(folder, name);
            let bytes = match std::fs::metadata(&path) {
                Ok(found) => found.len(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Some(format!("`{name}` is gone")));
                }
                Err(error) => return Err(io(&path, "look at")(error)),
            };
            if bytes != written.bytes {
                let had = written.bytes;
                return Ok(Some(format!("`{name}` has {bytes} bytes and had {had}")));
            }
            let compared = contents || speaks_of_all(name);
            if compared && digest_file(&path)?.1 != written.sha256 {
                return Ok(Some(format!("`{name}` holds something else")));
            }
            Ok(None)
        });
        let found: Vec<Option<String>> = found.collect::<Result<_, DataError>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn place(folder: &Path, name: &str) -> PathBuf {
    match name.strip_prefix(ABOVE) {
        Some(name) => folder.with_file_name(name),
        None => folder.join(name),
    }
}

/// Whether a file is of no single case: documents at the top of a step's folder.
fn speaks_of_all(name: &str) -> bool {
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str());
    let name = name.strip_prefix(ABOVE).unwrap_or(name);
    !name.contains('/') && matches!(ending, Some("safetensors" | "json" | "jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    #[test]
    fn what_was_changed_is_found_by_its_name() {
        let run = tempfile::tempdir().expect("a folder");
        let step = run.path().join("10-report");
        for name in [
            "model.safetensors",
            "a.png",
            "scores/a.npz",
            "checkpoints/1/state.json",
            "manifest.json",
        ] {
            write(&step, name, "as it was");
        }
        write(run.path(), "report.json", "figures");
        let outputs = Outputs::of(&step, &["manifest.json"], &["report.json"]).expect("read");
        let found = |contents| outputs.differences(&step, contents).expect("compared");
        assert_eq!(found(true), [""; 0]);
        // No part of what was made.
        write(&step, "manifest.json", "other");
        std::fs::remove_dir_all(step.join("checkpoints")).expect("removed");
        assert_eq!(found(true), [""; 0]);
        let digest = outputs.digest();
        // Of the same length, of another, gone.
        write(&step, "scores/a.npz", "AS IT WAS");
        assert_eq!(
            (found(false), found(true)),
            (
                vec![],
                vec!["`scores/a.npz` holds something else".to_owned()]
            )
        );
        write(&step, "model.safetensors", "AS IT WAS");
        write(run.path(), "report.json", "FIGURES");
        std::fs::write(step.join("a.png"), "x").expect("written");
        std::fs::remove_file(step.join("scores/a.npz")).expect("removed");
        let expected = [
            "`../report.json` holds something else",
            "`a.png` has 1 bytes and had 9",
            "`model.safetensors` holds something else",
            "`scores/a.npz` is gone",
        ];
        assert_eq!(found(false), expected);
        write(&step, "scores/a.npz", "as it was");
        write(&step, "a.png", "as it was");
        write(&step, "model.safetensors", "as it was");
        let now = Outputs::of(&step, &["manifest.json"], &["report.json"]).expect("read");
        assert_eq!(now.digest(), digest, "the report beside it is no part");
        write(&step, "a.png", "AS IT WAS");
        let now = Outputs::of(&step, &["manifest.json"], &[]).expect("read");
        assert_ne!(now.digest(), digest);
    }
}
