//! [`write_set`]: a set of phantoms as a folder of files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Phantom, PhantomCase, PhantomConfig, Side, Site};
use crate::{DataError, atomic, write_gray_png, write_index_png};

/// The name of the finding in `labels.csv`.
pub const FINDING: &str = "pneumothorax";

/// Version of the pictures: it changes whenever the same seed gives others.
pub const VERSION: u32 = 1;

/// The record of a set.
const RECORD: &str = "phantom.json";
/// Its table of labels.
const LABELS: &str = "labels.csv";
/// Its images and its masks.
const FOLDERS: [&str; 2] = ["images", "masks"];

/// The record: what was made, and by which version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    config: PhantomConfig,
    /// None while the set is being made.
    cases: Vec<CaseRecord>,
}

impl Record {
    fn is_finished(&self) -> bool {
        self.cases.len() == self.config.count
    }
}

/// What is known about one case.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseRecord {
    id: String,
    positive: bool,
    side: Option<Side>,
    site: Option<Site>,
    extent: f64,
    /// Pixels of the mask.
    area: usize,
}

/// The id of case `index`: the name of its files without the ending.
#[must_use]
pub fn case_id(index: usize) -> String {
    format!("phantom-{index:05}")
}

/// Writes the set into `dir` and tells whether there was anything to do.
///
/// The folder then holds `images/ID.png` (grey), `masks/ID.png` (1 in the crescent, all 0 for a healthy case),
/// `labels.csv` (`image,patient,pneumothorax`) and the record `phantom.json` (version, configuration and what each case
/// shows). A folder whose record agrees is left as it is, but for files that are missing (of masks, where their folder
/// is there); one whose record speaks of another set, or of one that was not finished, is made anew. Pictures of an
/// earlier, larger set are removed, other files are not touched.
///
/// # Errors
/// [`DataError::Config`] for a value out of range, [`DataError::Io`] if a file cannot be written, [`DataError::Set`]
/// for a folder that holds something and has no record, or another table of labels than its record: it is somebody's
/// own set.
pub fn write_set(dir: &Path, config: &PhantomConfig) -> Result<bool, DataError> {
    let phantom = Phantom::new(config)?;
    let path = dir.join(RECORD);
    let labels = dir.join(LABELS);
    if let Some(text) = there(&path)? {
        // A record that cannot be understood is that of another version: the set is made anew.
        let record = serde_json::from_slice::<Record>(&text).ok();
        let record = record.filter(|record| record.version == VERSION);
        if let Some(record) = &record
            && record.config == *config
            && record.is_finished()
        {
            return complete(dir, &phantom, record);
        }
        if let Some(record) = record.filter(Record::is_finished)
            && there(&labels)?.is_some_and(|text| text != table(&record.cases).as_bytes())
        {
            return Err(DataError::Set {
                path: labels,
                problem: "not the labels of the phantoms that were made here, and others would be written over them"
                    .into(),
                remedy: "give phantoms another folder, or move the table".into(),
            });
        }
    } else {
        check_empty(dir)?;
    }
    // First, so that a folder of a set that was stopped is known for one.
    let mut record = Record {
        version: VERSION,
        config: config.clone(),
        cases: Vec::new(),
    };
    write_record(&path, &record)?;
    for folder in FOLDERS {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(DataError::io(&folder, "make the folder"))?;
        remove_others(&folder, config.count)?;
    }
    record.cases = (0..config.count)
        .into_par_iter()
        .map(|index| {
            let case = phantom.render(index);
            write_pictures(dir, index, &case, [true, true])?;
            Ok(CaseRecord {
                id: case_id(index),
                positive: case.positive,
                side: case.side,
                site: case.site,
                extent: (case.extent * 1e4).round() / 1e4,
                area: case.mask.as_slice().iter().filter(|&&v| v == 1).count(),
            })
        })
        .collect::<Result<Vec<_>, DataError>>()?;
    atomic::write(&labels, table(&record.cases).as_bytes())?;
    write_record(&path, &record)?;
    Ok(true)
}

/// Makes what is missing of a finished set, and tells whether anything was. Where there is no folder of masks at all,
/// somebody wants a set without.
fn complete(dir: &Path, phantom: &Phantom, record: &Record) -> Result<bool, DataError> {
    let masked = dir.join(FOLDERS[1]).is_dir();
    let missing: Vec<(usize, [bool; 2])> = (0..record.cases.len())
        .map(|index| {
            let [image, mask] = pictures(dir, index).map(|path| !path.is_file());
            (index, [image, mask && masked])
        })
        .filter(|(_, missing)| missing.contains(&true))
        .collect();
    missing.par_iter().try_for_each(|&(index, missing)| {
        write_pictures(dir, index, &phantom.render(index), missing)
    })?;
    let labels = dir.join(LABELS);
    let unlabelled = !labels.is_file();
    if unlabelled {
        atomic::write(&labels, table(&record.cases).as_bytes())?;
    }
    Ok(unlabelled || !missing.is_empty())
}

/// Image and mask of case `index`.
fn pictures(dir: &Path, index: usize) -> [PathBuf; 2] {
    let file = format!("{}.png", case_id(index));
    FOLDERS.map(|folder| dir.join(folder).join(&file))
}

/// Writes image and mask of case `index`, each if it is `wanted`.
fn write_pictures(
    dir: &Path,
    index: usize,
    case: &PhantomCase,
    wanted: [bool; 2],
) -> Result<(), DataError> {
    let [image, mask] = pictures(dir, index);
    if wanted[0] {
        write_gray_png(&image, &case.image)?;
    }
    if wanted[1] {
        write_index_png(&mask, &case.mask)?;
    }
    Ok(())
}

/// The text of `labels.csv`.
fn table(cases: &[CaseRecord]) -> String {
    let mut text = format!("image,patient,{FINDING}\n");
    for (index, case) in cases.iter().enumerate() {
        let positive = u8::from(case.positive);
        text += &format!("{}.png,P{index:05},{positive}\n", case.id);
    }
    text
}

fn write_record(path: &Path, record: &Record) -> Result<(), DataError> {
    let text = serde_json::to_vec_pretty(record)
        .map_err(|error| DataError::io(path, "write")(error.into()))?;
    atomic::write_durably(path, &text)
}

/// What a file holds, none where there is no such file.
fn there(path: &Path) -> Result<Option<Vec<u8>>, DataError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataError::io(path, "read")(error)),
    }
}

/// Refuses a folder that holds anything, but for what a kill may leave beside the record.
fn check_empty(dir: &Path) -> Result<(), DataError> {
    let io = |error| DataError::io(dir, "list")(error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io)?,
    };
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(".tmp-") {
            return Err(DataError::Set {
                path: dir.to_owned(),
                problem: format!(
                    "not empty (`{name}`) and no set of phantoms (it has no {RECORD}), whose files could be written over"
                ),
                remedy: "give phantoms a folder of their own".into(),
            });
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), DataError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(DataError::io(path, "remove")(error))
        }
        _ => Ok(()),
    }
}

/// Removes phantoms with an index of `count` or more.
fn remove_others(folder: &Path, count: usize) -> Result<(), DataError> {
    let io = |error| DataError::io(folder, "list")(error);
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let index = entry.file_name().to_str().and_then(|name| {
            let digits = name.strip_prefix("phantom-")?.strip_suffix(".png")?;
            digits.parse::<usize>().ok()
        });
        if index.is_some_and(|index| index >= count) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, read_image, read_index_png};

    fn small(count: usize) -> PhantomConfig {
        PhantomConfig {
            count,
            size: 48,
            seed: 5,
            ..PhantomConfig::default()
        }
    }

    #[test]
    fn a_set_is_complete_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("set");
        assert!(write_set(&dir, &small(6)).unwrap());
        assert!(!write_set(&dir, &small(6)).unwrap());
        let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
        let mut lines = labels.lines();
        assert_eq!(lines.next(), Some("image,patient,pneumothorax"));
        let phantom = Phantom::new(&small(6)).unwrap();
        for index in 0..6 {
            let case = phantom.render(index);
            let name = format!("{}.png", case_id(index));
            let row = format!("{name},P{index:05},{}", u8::from(case.positive));
            assert_eq!(lines.next(), Some(row.as_str()));
            let image = read_image(&dir.join("images").join(&name), &Limits::default()).unwrap();
            assert_eq!(image.as_slice(), case.image.as_slice());
            let mask = read_index_png(&dir.join("masks").join(&name), &Limits::default()).unwrap();
            assert_eq!(mask, case.mask);
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn a_stopped_or_other_set_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert!(write_set(dir, &small(5)).unwrap());
        // As it is while the set is being made.
        let mut record: Record =
            serde_json::from_slice(&fs::read(dir.join(RECORD)).unwrap()).unwrap();
        record.cases.clear();
        write_record(&dir.join(RECORD), &record).unwrap();
        let lost = dir.join("images/phantom-00002.png");
        fs::remove_file(&lost).unwrap();
        assert!(write_set(dir, &small(5)).unwrap());
        assert!(lost.is_file());
        fs::write(dir.join("images/mine.png"), b"kept").unwrap();
        assert!(write_set(dir, &small(3)).unwrap());
        assert!(dir.join("images/phantom-00002.png").is_file());
        assert!(!dir.join("images/phantom-00003.png").exists());
        assert!(!dir.join("masks/phantom-00004.png").exists());
        assert!(dir.join("images/mine.png").is_file());
    }

    #[test]
    fn what_is_missing_is_made_again_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        write_set(dir, &small(4)).unwrap();
        let (lost, kept) = (
            dir.join("images/phantom-00001.png"),
            dir.join("masks/phantom-00002.png"),
        );
        let picture = fs::read(&lost).unwrap();
        for gone in [lost.clone(), dir.join(LABELS)] {
            fs::remove_file(&gone).unwrap();
            fs::write(&kept, b"mine").unwrap();
            assert!(write_set(dir, &small(4)).unwrap());
            assert!(gone.is_file());
        }
        assert_eq!(fs::read(&lost).unwrap(), picture);
        assert_eq!(fs::read(&kept).unwrap(), b"mine");
        assert!(!write_set(dir, &small(4)).unwrap());
        fs::remove_dir_all(dir.join("masks")).unwrap();
        assert!(!write_set(dir, &small(4)).unwrap());
        assert!(!dir.join("masks").exists(), "a set without");
    }

    #[test]
    fn a_set_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        fs::create_dir(dir.join("images")).unwrap();
        fs::write(dir.join(LABELS), "image,mass\na.png,1\n").unwrap();
        let text = write_set(dir, &small(3)).unwrap_err().to_string();
        assert!(text.contains("no set of phantoms"), "{text}");
        assert_eq!(
            fs::read(dir.join(LABELS)).unwrap(),
            b"image,mass\na.png,1\n"
        );
        assert_eq!(fs::read_dir(dir).unwrap().count(), 2, "nothing was added");
        // Labels that were changed are not lost to another set either; the same one they go with.
        let own = dir.join("own");
        write_set(&own, &small(3)).unwrap();
        let edited = "image,patient,pneumothorax\nmine.png,P9,1\n";
        fs::write(own.join(LABELS), edited).unwrap();
        let text = write_set(&own, &small(4)).unwrap_err().to_string();
        assert!(
            text.contains("labels.csv") && text.contains("another folder"),
            "{text}"
        );
        assert!(!write_set(&own, &small(3)).unwrap());
        assert_eq!(fs::read_to_string(own.join(LABELS)).unwrap(), edited);
    }
}
