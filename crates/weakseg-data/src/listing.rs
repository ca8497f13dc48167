//! A set as its table or lists describe it, with everything that is wrong with that description.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Rule, Severity, refuse, some_of};
use crate::{Case, Cases, Classes, DataError, Split, dicom, unsafe_id};

/// The cases of a set before anybody decided whether they will do.
pub(crate) struct Listing {
    /// Where the set lies, for messages.
    pub(crate) root: PathBuf,
    pub(crate) classes: Classes,
    pub(crate) cases: Vec<Case>,
    pub(crate) faults: Vec<Fault>,
    /// Ids that are no cases though the set can be used without them, each with the reason; a warning tells of them too.
    pub(crate) left_out: Vec<(String, String)>,
    /// Whether a test split was asked for.
    pub(crate) test_wanted: bool,
}

impl Listing {
    /// The cases, if there is nothing wrong with them that training would fall over.
    pub(crate) fn into_cases(mut self) -> Result<Cases, DataError> {
        let unlearnable = self.unlearnable();
        self.faults.extend(unlearnable);
        // What is left out may be why the rest will not do.
        if !self.left_out.is_empty() && self.faults.iter().any(Fault::is_error) {
            let left_out = |fault: &&mut Fault| fault.rule == Rule::ImageOfRow;
            for fault in self.faults.iter_mut().filter(left_out) {
                fault.severity = Severity::Error;
            }
        }
        let warnings = self
            .faults
            .iter()
            .filter(|fault| fault.severity == Severity::Warning)
            .map(|fault| fault.error.to_string())
            .collect();
        refuse(self.faults)?;
        Ok(Cases {
            classes: self.classes,
            cases: self.cases,
            left_out: self.left_out,
            warnings,
        })
    }

    /// Takes note of a division by patients that was to have so many cases in its splits `val` and `test`, and warns of
    /// patients that no such split has room for.
    pub(crate) fn divided(&mut self, wanted: [f64; 2]) {
        self.test_wanted = wanted[1] > 0.0;
        let Some(room) = wanted
            .into_iter()
            .filter(|&cases| cases > 0.0)
            .min_by(f64::total_cmp)
        else {
            return;
        };
        let mut patients: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for case in &self.cases {
            if let Some(patient) = &case.patient {
                patients.entry(patient).or_default().push(case.id.clone());
            }
        }
        let crowds = patients.into_values();
        // Two images of one patient are usual, whatever the shares of a small set.
        let crowds = crowds.filter(|ids| ids.len() > 2 && ids.len() as f64 > room.ceil());
        let told: Vec<Fault> = crowds
            .map(|ids| {
                let error = DataError::Set {
                    path: self.root.clone(),
                    problem: format!(
                        "one patient has {} of {} cases, more than a split was to have ({room:.0}): {}",
                        ids.len(),
                        self.cases.len(),
                        some_of(&ids)
                    ),
                    remedy: "they stay together; if the Patient ID was written over the true ones, give the splits \
                             themselves"
                        .into(),
                };
                Fault::warning(Rule::PatientInOneSplit, error)
            })
            .collect();
        self.faults.extend(told);
    }

    /// Why nothing could be learnt or scored, whatever the images show.
    pub(crate) fn unlearnable(&self) -> Vec<Fault> {
        let set = |problem: String, remedy: &str| DataError::Set {
            path: self.root.clone(),
            problem,
            remedy: remedy.into(),
        };
        if self.cases.is_empty() && self.faults.iter().any(Fault::is_error) {
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
        if self.test_wanted && of(Split::Test).next().is_none() {
            let error = set(
                format!(
                    "a test split was asked for and has none of {} cases",
                    self.cases.len()
                ),
                "add patients, or give it a larger share of them",
            );
            faults.push(Fault::warning(Rule::SplitNotEmpty, error));
        }
        for split in [Split::Val, Split::Test] {
            let cases: Vec<&Case> = of(split).collect();
            let lacks = lacking(&self.classes, &cases);
            // Of many classes some may well be rare; none at all is another matter.
            if lacks.len() == self.classes.len() {
                let error = set(
                    format!(
                        "0 {} among {} cases of the split `{split}`",
                        lacks.join(", 0 "),
                        cases.len()
                    ),
                    "scores of what is not there mean nothing; add cases, or divide the set otherwise",
                );
                faults.push(Fault::warning(Rule::ClassInScoring, error));
            }
        }
        let train: Vec<&Case> = of(Split::Train).collect();
        if train.is_empty() {
            return faults;
        }
        let remedy =
            "add cases of the other kind; with one kind alone there is nothing to tell apart";
        let lacks = lacking(&self.classes, &train);
        if let [_] = self.classes.names.as_slice() {
            if let Some(missing) = lacks.first() {
                let error = set(
                    format!("0 {missing} among {} training cases", train.len()),
                    remedy,
                );
                faults.push(Fault::error(Rule::TwoClasses, error));
            }
            return faults;
        }
        if lacks.len() == self.classes.len() {
            let error = set(
                format!(
                    "no class is present in any of {} training cases",
                    train.len()
                ),
                remedy,
            );
            faults.push(Fault::error(Rule::TwoClasses, error));
            return faults;
        }
        for missing in lacks {
            let error = set(
                format!("0 {missing} among {} training cases", train.len()),
                "add some, or leave the class out; it will never be found",
            );
            faults.push(Fault::warning(Rule::ClassInTraining, error));
        }
        faults
    }
}

/// A warning of ids that are left out because they have no image below `folder`.
pub(crate) fn without_image(
    listed: &Path,
    folder: &Path,
    left_out: &[(String, String)],
) -> Option<Fault> {
    let ids: Vec<String> = left_out.iter().map(|(id, _)| id.clone()).collect();
    (!ids.is_empty()).then(|| {
        let error = DataError::Set {
            path: listed.to_owned(),
            problem: format!(
                "{} ids have no image below {}: {}",
                ids.len(),
                folder.display(),
                some_of(&ids)
            ),
            remedy: "they are left out; add the images, or allow as many with --allow-skips".into(),
        };
        Fault::warning(Rule::ImageOfRow, error)
    })
}

/// What is not there among some cases: positives of a class, or negatives of the only one. Nothing is lacking if there
/// are no cases.
fn lacking(classes: &Classes, cases: &[&Case]) -> Vec<String> {
    let mut lacks = Vec::new();
    for (class, name) in classes.names.iter().enumerate() {
        let count = cases.iter().filter(|case| case.labels[class]).count();
        if count == 0 && !cases.is_empty() {
            lacks.push(format!("positives of `{name}`"));
        } else if count == cases.len() && !cases.is_empty() && classes.len() == 1 {
            lacks.push(format!("negatives of `{name}`"));
        }
    }
    lacks
}

/// Ids as they are read, to find the doubled and the unsafe ones.
pub(crate) struct Ids<'a> {
    listed: &'a Path,
    /// Line of each, and how it is written there.
    lines: HashMap<String, (u64, String)>,
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
        match self.lines.insert(id.to_lowercase(), (line, id.to_owned())) {
            None => Ok(()),
            Some((first, other)) => Err(Fault::error(
                Rule::UniqueId,
                DataError::DuplicateId {
                    path: self.listed.to_owned(),
                    id: id.to_owned(),
                    other,
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
    // As they are usually spelt.
    let lower = endings().map(str::to_owned);
    lower
        .chain(endings().map(str::to_uppercase))
        .map(|ending| folder.join(format!("{name}.{ending}")))
        .find(|path| path.is_file())
}

/// Endings of the pictures that can be read.
fn endings() -> impl Iterator<Item = &'static str> {
    ["png", "jpg", "jpeg"].into_iter().chain(dicom::ENDINGS)
}

/// Whether a file name's ending is that of a picture that can be read.
pub(crate) fn is_ending(ending: &str) -> bool {
    endings().any(|known| known.eq_ignore_ascii_case(ending))
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
