//! What is odd about the images of a run, as a file: each line tells a case and a note.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weakseg_data::DataError;

use crate::pipeline::{Bench, StepError};

/// The file, in the folder of `make-cams`: the one step that reads every image of every split.
const FILE: &str = "image-notes.jsonl";

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    case: String,
    note: String,
}

/// Adds what is odd about an image.
pub(super) fn add(folder: &Path, case: &str, notes: &[String]) -> Result<(), StepError> {
    if notes.is_empty() {
        return Ok(());
    }
    let path = folder.join(FILE);
    let mut lines = Vec::new();
    for note in notes {
        let line = serde_json::to_string(&Note {
            case: case.to_owned(),
            note: note.clone(),
        });
        // The break stands first: what a killed process left of a line is then a line of its own.
        lines.push(b'\n');
        lines.extend(line.expect("plain fields").into_bytes());
    }
    let write = || {
        let mut options = fs::OpenOptions::new();
        options
            .create(true)
            .append(true)
            .open(&path)?
            .write_all(&lines)
    };
    write().map_err(|source| {
        StepError::Data(DataError::Io {
            path: path.clone(),
            action: "write",
            source,
        })
    })
}

/// How many images have notes and where those are, in a sentence; none without any.
pub(super) fn summary(bench: &Bench<'_>) -> Result<Option<String>, StepError> {
    let path = bench.run.folder("make-cams").join(FILE);
    let notes = read(&path)?;
    let cases: BTreeSet<&str> = notes.iter().map(|note| note.case.as_str()).collect();
    if cases.is_empty() {
        return Ok(None);
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for note in &notes {
        *kinds.entry(note.note.as_str()).or_default() += 1;
    }
    let (kind, count) = kinds
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .expect("there are notes");
    Ok(Some(format!(
        "{} of {} images are not as their format's standard has it ({count} times: {kind}); {} has all",
        cases.len(),
        bench.cases.cases.len(),
        named(&path).display()
    )))
}

/// The file within the run's folder.
fn named(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    Path::new(folder).join(FILE)
}

fn read(path: &Path) -> Result<BTreeSet<Note>, StepError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(source) => {
            return Err(StepError::Data(DataError::Io {
                path: path.to_owned(),
                action: "read",
                source,
            }));
        }
    };
    // A batch that was done again has its notes twice.
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_once_and_outlive_a_torn_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        assert!(read(&path).expect("nothing yet").is_empty());
        let note = |text: &str| vec![text.to_owned()];
        add(folder.path(), "a", &note("no window")).expect("written");
        fs::write(
            &path,
            [fs::read(&path).expect("notes"), b"\n{\"case\":\"b".to_vec()].concat(),
        )
        .expect("torn");
        add(folder.path(), "b", &[]).expect("nothing");
        add(folder.path(), "a", &note("no window")).expect("again");
        add(folder.path(), "c", &note("colour")).expect("written");
        let notes = read(&path).expect("notes");
        let cases: Vec<&str> = notes.iter().map(|note| note.case.as_str()).collect();
        assert_eq!(cases, ["a", "c"]);
    }
}
