//! What is odd about the images of a run, as a file: each line tells a case and a note.
//!
//! While the step goes on, lines are added at the end; [`settle`] puts the file in order before the first and after the
//! last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weakseg_data::{atomic, counted};

use crate::files::{self, io};
use crate::pipeline::{Bench, StepError};

/// The file, in the folder of `make-cams`: the one step that reads every image of every split.
const FILE: &str = "image-notes.jsonl";

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    case: String,
    note: String,
}

/// Puts the file in order: lines sorted, none twice, and none that a killed process left half written.
pub(super) fn settle(folder: &Path) -> Result<(), StepError> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(());
    }
    let lines: String = read(&path)?.iter().map(line).collect();
    Ok(atomic::write(&path, lines.as_bytes())?)
}

/// Adds what is odd about an image.
pub(super) fn add(folder: &Path, case: &str, notes: &[String]) -> Result<(), StepError> {
    if notes.is_empty() {
        return Ok(());
    }
    let path = folder.join(FILE);
    let lines: String = notes
        .iter()
        .map(|note| {
            line(&Note {
                case: case.to_owned(),
                note: note.clone(),
            })
        })
        .collect();
    let write = || {
        let mut options = fs::OpenOptions::new();
        options
            .create(true)
            .append(true)
            .open(&path)?
            .write_all(lines.as_bytes())
    };
    Ok(write().map_err(io(&path, "write"))?)
}

fn line(note: &Note) -> String {
    serde_json::to_string(note).expect("plain fields") + "\n"
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
        "{} of {} unlike its format's standard ({}: {kind}); {} has all",
        cases.len(),
        counted(bench.cases.cases.len(), "image"),
        counted(count, "time"),
        named(&path).display()
    )))
}

/// The file within the run's folder.
fn named(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    Path::new(folder).join(FILE)
}

fn read(path: &Path) -> Result<BTreeSet<Note>, StepError> {
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let bytes = files::read(path)?;
    // A torn line may end within a letter. A batch that was done again has its notes twice.
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_interrupted_ends_with_each_note_once_and_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let note = |text: &str| vec![text.to_owned()];
        settle(folder.path()).expect("nothing yet");
        add(folder.path(), "a", &[]).expect("nothing");
        settle(folder.path()).expect("nothing still");
        assert!(!path.exists(), "no notes, no file");
        add(folder.path(), "c", &note("colour")).expect("written");
        add(folder.path(), "a", &note("no window")).expect("written");
        // Killed within a letter of two bytes.
        let torn = "{\"case\":\"b\",\"note\":\"\u{e9}";
        let torn = &torn.as_bytes()[..torn.len() - 1];
        fs::write(&path, [&fs::read(&path).expect("notes"), torn].concat()).expect("torn");
        assert_eq!(read(&path).expect("notes").len(), 2);

        settle(folder.path()).expect("gone on");
        add(folder.path(), "b", &note("\u{e9}t\u{e9}")).expect("again");
        add(folder.path(), "a", &note("no window")).expect("again");
        settle(folder.path()).expect("at the end");
        let text = fs::read_to_string(&path).expect("notes");
        assert_eq!(
            text,
            "{\"case\":\"a\",\"note\":\"no window\"}\n\
             {\"case\":\"b\",\"note\":\"\u{e9}t\u{e9}\"}\n\
             {\"case\":\"c\",\"note\":\"colour\"}\n"
        );
    }
}
