//! [`write_set`]: a set of phantoms as a folder of files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Phantom, PhantomConfig, Side, Site};
use crate::{DataError, atomic, write_gray_png, write_index_png};

/// The name of the finding in `labels.csv`.
pub const FINDING: &str = "pneumothorax";

/// Version of the pictures: it changes whenever the same seed gives others.
pub const VERSION: u32 = 1;

/// The record of a finished set.
const RECORD: &str = "phantom.json";

/// The record: what was made, and by which version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    config: PhantomConfig,
    cases: Vec<CaseRecord>,
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
/// `labels.csv` (`image,patient,pneumothorax`) and, written last, the record `phantom.json` (version, configuration and
/// what each case shows). A folder whose record agrees is left as it is; one without record (a run that was stopped) or
/// with another is made anew. Pictures of an earlier, larger set are removed, other files are not touched.
///
/// # Errors
/// [`DataError::Config`] for a value out of range, [`DataError::Io`] if a file cannot be written.
pub fn write_set(dir: &Path, config: &PhantomConfig) -> Result<bool, DataError> {
    let phantom = Phantom::new(config)?;
    let path = dir.join(RECORD);
    if is_finished(&path, config)? {
        return Ok(false);
    }
    remove(&path)?;
    let (images, masks) = (dir.join("images"), dir.join("masks"));
    for folder in [&images, &masks] {
        fs::create_dir_all(folder).map_err(DataError::io(folder, "make the folder"))?;
        remove_others(folder, config.count)?;
    }
    let cases = (0..config.count)
        .into_par_iter()
        .map(|index| {
            let case = phantom.render(index);
            let id = case_id(index);
            write_gray_png(&images.join(format!("{id}.png")), &case.image)?;
            write_index_png(&masks.join(format!("{id}.png")), &case.mask)?;
            Ok(CaseRecord {
                id,
                positive: case.positive,
                side: case.side,
                site: case.site,
                extent: (case.extent * 1e4).round() / 1e4,
                area: case.mask.as_slice().iter().filter(|&&v| v == 1).count(),
            })
        })
        .collect::<Result<Vec<_>, DataError>>()?;
    let mut labels = format!("image,patient,{FINDING}\n");
    for (index, case) in cases.iter().enumerate() {
        let positive = u8::from(case.positive);
        labels += &format!("{}.png,P{index:05},{positive}\n", case.id);
    }
    atomic::write(&dir.join("labels.csv"), labels.as_bytes())?;
    let record = Record {
        version: VERSION,
        config: config.clone(),
        cases,
    };
    let text = serde_json::to_vec_pretty(&record)
        .map_err(|error| DataError::io(&path, "write")(error.into()))?;
    atomic::write_durably(&path, &text)?;
    Ok(true)
}

/// Whether the record at `path` is there and of this very set.
fn is_finished(path: &Path, config: &PhantomConfig) -> Result<bool, DataError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(DataError::io(path, "read")(error)),
    };
    // A record that cannot be understood is that of another version: the set is made anew.
    Ok(serde_json::from_slice::<Record>(&text)
        .is_ok_and(|record| record.version == VERSION && record.config == *config))
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
        fs::remove_file(dir.join(RECORD)).unwrap();
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
}
