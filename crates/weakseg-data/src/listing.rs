//! A set as its table or lists describe it, with everything that is wrong with that description.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Rule, Severity, refuse};
use crate::{Case, Cases, Classes, DataError, LabelSpace, Split, unsafe_id};

/// The cases of a set before anybody decided whether they will do.
pub(crate) struct Listing {
    /// Where the set lies, for messages.
    pub(crate) root: PathBuf,
    pub(crate) classes: Classes,
    pub(crate) cases: Vec<Case>,
    pub(crate) faults: Vec<Fault>,
}

impl Listing {
    /// The cases, if there is nothing wrong with them that training would fall over.
    pub(crate) fn into_cases(mut self) -> Result<Cases, DataError> {
        let unlearnable = self.unlearnable();
        self.faults.extend(unlearnable);
        refuse(self.faults)?;
        Ok(Cases {
            classes: self.classes,
            cases: self.cases,
        })
    }

    /// Why nothing could be learnt or scored, whatever the images show.
    pub(crate) fn unlearnable(&self) -> Vec<Fault> {
        let set = |problem: String, remedy: &str| DataError::Set {
            path: self.root.clone(),
            problem,
            remedy: remedy.into(),
        };
        if self.cases.is_empty()
            && self
                .faults
                .iter()
                .any(|fault| fault.severity == Severity::Error)
        {
            // Every row had its fault, which is told; that none is left would only be an echo.
            return Vec::new();
        }
        if self.cases.is_empty() {
            let error = set("the set has no cases".into(), "add images and their labels");
            return vec![Fault::error(Rule::NotEmpty, error)];
        }
        let of = |split: Split| self.cases.iter().filter(move |case| case.split == split);
        let mut faults = Vec::new();
        for split in [Split::Train, Split::Val] {
            if of(split).next().is_none() {
                let error = set(
                    format!(
                        "the split `{split}` has no cases ({} in all)",
                        self.cases.len()
                    ),
                    "add cases, or give it a larger share of the patients",
                );
                faults.push(Fault::error(Rule::SplitNotEmpty, error));
            }
        }
        let train = of(Split::Train).count();
        if train == 0 {
            return faults;
        }
        let positives = |class: usize| of(Split::Train).filter(|case| case.labels[class]).count();
        let counts: Vec<usize> = (0..self.classes.len()).map(positives).collect();
        let remedy =
            "add cases of the other kind; with one kind alone there is nothing to tell apart";
        if let [only] = self.classes.names.as_slice() {
            let missing = match counts[0] {
                0 => Some("positives"),
                count if count == train => Some("negatives"),
                _ => None,
            };
            if let Some(missing) = missing {
                let error = set(
                    format!("0 {missing} of `{only}` among {train} training cases"),
                    remedy,
                );
                faults.push(Fault::error(Rule::TwoClasses, error));
            }
            return faults;
        }
        if counts.iter().all(|&count| count == 0) {
            let error = set(
                format!("no class is present in any of {train} training cases"),
                remedy,
            );
            faults.push(Fault::error(Rule::TwoClasses, error));
            return faults;
        }
        for (name, count) in self.classes.names.iter().zip(counts) {
            if count == 0 {
                let error = set(
                    format!("0 positives of `{name}` among {train} training cases"),
                    "add some, or leave the class out; it will never be found",
                );
                faults.push(Fault::warning(Rule::ClassInTraining, error));
            }
        }
        faults
    }
}

/// Ids as they are read, to find the doubled and the unsafe ones.
pub(crate) struct Ids<'a> {
    listed: &'a Path,
    lines: HashMap<String, u64>,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(listed: &'a Path) -> Self {
        Self {
            listed,
            lines: HashMap::new(),
        }
    }

    /// Takes note of an id; a fault if it is unsafe or was there before.
    pub(crate) fn add(&mut self, id: &str, line: u64) -> Result<(), Fault> {
        if let Some(reason) = unsafe_id(id) {
            return Err(Fault::error(
                Rule::SafeId,
                DataError::UnsafeId {
                    path: self.listed.to_owned(),
                    id: id.to_owned(),
                    reason,
                },
            ));
        }
        // Two names that differ in case alone are one file on some systems.
        match self.lines.insert(id.to_lowercase(), line) {
            None => Ok(()),
            Some(first) => Err(Fault::error(
                Rule::UniqueId,
                DataError::DuplicateId {
                    path: self.listed.to_owned(),
                    id: id.to_owned(),
                    first,
                    second: line,
                },
            )),
        }
    }
}

/// A path below a folder, without the `.` that a setting may hold.
pub(crate) fn below(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().collect()
}

/// The id of an image: its file name without the ending of a picture (`1.2.840.5.dcm` and `1.2.840.5` are both
/// `1.2.840.5`).
#[must_use]
pub fn id_of(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, ending)) if is_ending(ending) => stem,
        _ => file,
    }
}

/// The file of an image that a table names with or without its ending, below `folder`.
pub(crate) fn find_image(folder: &Path, name: &str) -> Option<PathBuf> {
    let stays_inside = Path::new(name)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if !stays_inside {
        return None;
    }
    let exact = folder.join(name);
    if exact.is_file() {
        return Some(exact);
    }
    ENDINGS
        .iter()
        .map(|ending| folder.join(format!("{name}.{ending}")))
        .find(|path| path.is_file())
}

/// Endings of the pictures that can be read, as they are usually spelt.
const ENDINGS: [&str; 10] = [
    "png", "jpg", "jpeg", "dcm", "dicom", "PNG", "JPG", "JPEG", "DCM", "DICOM",
];

/// Whether a file name's ending is that of a picture that can be read.
pub(crate) fn is_ending(ending: &str) -> bool {
    ENDINGS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(ending))
}

/// Whether the classes' names can be told apart and, for findings, name folders.
pub(crate) fn check_classes(path: &Path, classes: &Classes) -> Result<(), DataError> {
    if classes.is_empty() {
        return Err(DataError::Set {
            path: path.to_owned(),
            problem: "the set has no classes".into(),
            remedy: "give the table one 0/1 column per finding".into(),
        });
    }
    if classes.space == LabelSpace::Exclusive && classes.len() > 254 {
        return Err(DataError::Set {
            path: path.to_owned(),
            problem: format!(
                "the set has {} classes, an index map holds 254",
                classes.len()
            ),
            remedy: "leave classes out".into(),
        });
    }
    for (index, name) in classes.names.iter().enumerate() {
        if let Some(reason) = unsafe_id(name) {
            return Err(DataError::Set {
                path: path.to_owned(),
                problem: format!(
                    "the class `{}` cannot name a folder ({reason})",
                    name.escape_debug()
                ),
                remedy: "rename its column".into(),
            });
        }
        let folded = name.to_lowercase();
        if classes.names[..index]
            .iter()
            .any(|other| other.to_lowercase() == folded)
        {
            return Err(DataError::Set {
                path: path.to_owned(),
                problem: format!("the class `{name}` occurs twice"),
                remedy: "rename or remove one of the two".into(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_stem_of_a_picture_only() {
        assert_eq!(id_of("00000061_012.png"), "00000061_012");
        assert_eq!(id_of("sub/a.JPG"), "a");
        assert_eq!(id_of("1.2.840.10008"), "1.2.840.10008");
        assert_eq!(id_of("series/1.2.840.10008.dcm"), "1.2.840.10008");
        assert_eq!(id_of("2007_000032"), "2007_000032");
    }

    #[test]
    fn ids_that_differ_in_case_alone_are_doubled() {
        let mut ids = Ids::new(Path::new("labels.csv"));
        assert!(ids.add("a", 2).is_ok());
        assert!(ids.add("b", 3).is_ok());
        let fault = ids.add("A", 4).unwrap_err();
        assert_eq!(fault.rule, Rule::UniqueId);
        assert!(fault.error.to_string().contains("lines 2 and 4"));
    }

    #[test]
    fn an_image_is_never_looked_for_outside_its_folder() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("images")).unwrap();
        std::fs::write(root.path().join("secret.png"), b"").unwrap();
        std::fs::write(root.path().join("images/a.png"), b"").unwrap();
        let folder = root.path().join("images");
        assert!(find_image(&folder, "a").is_some());
        assert!(find_image(&folder, "a.png").is_some());
        assert!(find_image(&folder, "../secret.png").is_none());
        assert!(find_image(&folder, "/etc/hosts").is_none());
    }
}
