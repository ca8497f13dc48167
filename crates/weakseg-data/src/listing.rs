//! A set as its table or lists describe it, with everything that is wrong with that description.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Rule, Severity, counted, first_of, refuse, some_of};
use crate::patients::shared_patients;
use crate::{Case, Cases, Classes, DataError, LabelSpace, Split, dicom, unsafe_id};

/// The cases of a set before anybody decided whether they will do.
pub(crate) struct Listing {
    /// Where the set lies, for messages.
    pub(crate) root: PathBuf,
    pub(crate) classes: Classes,
    pub(crate) cases: Vec<Case>,
    pub(crate) faults: Vec<Fault>,
    /// Ids that are no cases though the set can be used without them, each with the reason; a warning tells of them
    /// too.
    pub(crate) left_out: Vec<(String, String)>,
    /// Whether a test split was asked for.
    pub(crate) test_wanted: bool,
}

impl Listing {
    /// The cases, if there is nothing wrong with them that training would fall over.
    pub(crate) fn into_cases(mut self) -> Result<Cases, DataError> {
        let unlearnable = self.unlearnable();
        self.faults.extend(unlearnable);
        self.faults.extend(shared_patients(&self.root, &self.cases));
        // What is left out may be why the rest will not do.
        if !self.left_out.is_empty() && self.faults.iter().any(Fault::is_error) {
            let rules = [Rule::ImageOfRow, Rule::ReadableImage];
            let left_out = |fault: &&mut Fault| rules.contains(&fault.rule);
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

    /// Leaves out the cases whose image cannot be read, by their ids with the reasons, and returns them. Others stay in
    /// the splits that they are in.
    pub(crate) fn leave_out(&mut self, unreadable: &BTreeMap<String, String>) -> Vec<Case> {
        let cases = std::mem::take(&mut self.cases).into_iter();
        let (left_out, kept): (Vec<Case>, Vec<Case>) =
            cases.partition(|case| unreadable.contains_key(&case.id));
        self.cases = kept;
        for Case { id, .. } in &left_out {
            self.left_out.push((id.clone(), unreadable[id].clone()));
        }
        left_out
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
                        "0 {} among {} of the split `{split}`",
                        lacks.join(", 0 "),
                        counted(cases.len(), "case")
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
        let among = counted(train.len(), "training case");
        let remedy =
            "add cases of the other kind; with one kind alone there is nothing to tell apart";
        let lacks = lacking(&self.classes, &train);
        if let [_] = self.classes.names.as_slice() {
            if let Some(missing) = lacks.first() {
                let error = set(format!("0 {missing} among {among}"), remedy);
                faults.push(Fault::error(Rule::TwoClasses, error));
            }
            return faults;
        }
        if lacks.len() == self.classes.len() {
            let problem = match train.iter().any(|case| case.is_positive()) {
                true => format!("0 {} among {among}", lacks.join(", 0 ")),
                false => format!("no class is present in any of {among}"),
            };
            faults.push(Fault::error(Rule::TwoClasses, set(problem, remedy)));
            return faults;
        }
        for missing in lacks {
            let error = set(
                format!("0 {missing} among {among}"),
                "add some, or leave the class out; what all images have in common cannot be learnt",
            );
            faults.push(Fault::warning(Rule::ClassInTraining, error));
        }
        faults
    }
}

/// What is not there among some cases: positives of a class, or negatives of a finding or of the only class. Nothing is
/// lacking if there are no cases.
fn lacking(classes: &Classes, cases: &[&Case]) -> Vec<String> {
    let mut lacks = Vec::new();
    let alone = classes.space == LabelSpace::Findings || classes.len() == 1;
    for (class, name) in classes.names.iter().enumerate() {
        let count = cases.iter().filter(|case| case.labels[class]).count();
        if count == 0 && !cases.is_empty() {
            lacks.push(format!("positives of `{name}`"));
        } else if count == cases.len() && !cases.is_empty() && alone {
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
    doubled: Vec<Fault>,
    /// Ids that cannot name a file, each with its line, by the reason.
    unsafe_ones: BTreeMap<&'static str, Vec<(u64, String)>>,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(listed: &'a Path) -> Self {
        Self {
            listed,
            lines: HashMap::new(),
            doubled: Vec::new(),
            unsafe_ones: BTreeMap::new(),
        }
    }

    /// Takes note of an id; whether it can be used, being safe and new.
    pub(crate) fn add(&mut self, id: &str, line: u64) -> bool {
        // Two names that differ in case alone are one file on some systems.
        let before = self.lines.insert(id.to_lowercase(), (line, id.to_owned()));
        if let Some(reason) = unsafe_id(id) {
            // One of many rows is told once.
            if before.is_none() {
                let of_reason = self.unsafe_ones.entry(reason).or_default();
                of_reason.push((line, id.to_owned()));
            }
            return false;
        }
        let Some((first, other)) = before else {
            return true;
        };
        let error = DataError::DuplicateId {
            path: self.listed.to_owned(),
            id: id.to_owned(),
            other,
            first,
            second: line,
        };
        self.doubled.push(Fault::error(Rule::UniqueId, error));
        false
    }

    /// What is wrong with those that cannot be used.
    pub(crate) fn faults(self) -> Vec<Fault> {
        let mut faults = self.doubled;
        for (reason, ids) in self.unsafe_ones {
            // Backslashes are not doubled: most are those of Windows' paths.
            let shown = |(line, id): &(u64, String)| {
                let id = id.escape_debug().to_string().replace(r"\\", r"\");
                format!("`{id}` (line {line})")
            };
            let told: Vec<String> = ids.iter().map(shown).collect();
            let remedy = if ids.iter().any(|(_, id)| id.contains('\\')) {
                "write the name of each file alone, without its folder"
            } else if ids.iter().all(|(_, id)| id.is_empty()) {
                "name the image of each row"
            } else {
                "rename the images"
            };
            let error = DataError::Set {
                path: self.listed.to_owned(),
                problem: format!(
                    "{} that cannot name a file ({reason}): {}",
                    counted(ids.len(), "id"),
                    first_of(&told)
                ),
                remedy: remedy.into(),
            };
            faults.push(Fault::error(Rule::SafeId, error));
        }
        faults
    }
}

/// A path below a folder, without the `.` that a setting may hold.
pub(crate) fn below(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().collect()
}

/// The id of an image: its file name without the ending of a picture (`1.2.840.5.dcm` and `1.2.840.5` are both
/// `1.2.840.5`). Of two endings the last one goes: `x.dcm.png` is `x.dcm`, and its mask has its name.
#[must_use]
pub fn id_of(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, ending)) if is_ending(ending) => stem,
        _ => file,
    }
}

/// [`id_of`] the file at a path.
#[must_use]
pub fn id_of_file(path: &Path) -> String {
    id_of(&path.file_name().unwrap_or_default().to_string_lossy()).to_owned()
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
        assert!(ids.add("a", 2) && ids.add("b", 3) && !ids.add("A", 4));
        let [fault] = &ids.faults()[..] else {
            panic!("one id is doubled");
        };
        assert_eq!(fault.rule, Rule::UniqueId);
        assert!(fault.error.to_string().contains("lines 2 and 4"));
    }

    #[test]
    fn paths_of_windows_are_told_once_with_their_lines() {
        let mut ids = Ids::new(Path::new("labels.csv"));
        for line in 2..9 {
            assert!(!ids.add(&format!(r"C:\images\{line}"), line));
            assert!(!ids.add(r"C:\images\2", line + 10), "told before");
        }
        let [fault] = &ids.faults()[..] else {
            panic!("one reason");
        };
        let text = fault.error.to_string();
        for part in [
            "labels.csv: 7 ids that cannot name a file",
            r"`C:\images\2` (line 2), `C:\images\3` (line 3)",
            "and 2 more; write the name of each file alone",
        ] {
            assert!(text.contains(part), "{text}");
        }
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

    #[test]
    fn an_id_is_a_name_without_its_last_ending() {
        for (name, id) in [
            ("a.png", "a"),
            ("x/1.2.840.5.dcm", "1.2.840.5"),
            ("1.2.840.5", "1.2.840.5"),
            ("x.dcm.png", "x.dcm"),
            ("a.b.JPEG", "a.b"),
        ] {
            assert_eq!(id_of(name), id, "{name}");
        }
    }
}
