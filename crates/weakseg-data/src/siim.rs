//! SIIM-ACR Pneumothorax as it is downloaded: DICOM files in nested folders, and a CSV of masks as run lengths.
//!
//! The CSV is read twice. [`SiimConfig::list`] takes from it whether an image has any mask, and nothing else: that is
//! the image-level label. [`SiimConfig::runs`] takes the masks, for [`Truth`](crate::Truth) alone.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class_names::check_classes;
use crate::dicom::{Identity, identity, may_be_dicom};
use crate::fault::{Fault, Rule, counted, some_of};
use crate::list_images::search;
use crate::listing::{Listing, below, id_of_file};
use crate::patients::unknown_patients;
use crate::places::{Place, optional, root_folder};
use crate::run_rows::{RunRow, RunRows};
use crate::run_table::{RunTable, TableForm};
use crate::split::{Candidate, Held, by_counts, by_group, check_shares};
use crate::split_file::read_splits;
use crate::{Case, Classes, DataError, LabelSpace, Limits, Split, Tone, View};

/// SIIM-ACR Pneumothorax as it is downloaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SiimConfig {
    /// The set's folder; the paths below are relative to it, itself to the configuration file.
    pub root: PathBuf,
    /// The table: columns `ImageId` and `EncodedPixels`, `-1` for no pneumothorax, else one row a mask, as gaps and
    /// lengths column by column. Only whether an image has a mask is used for training.
    pub csv: PathBuf,
    /// The folder that holds the images, in subfolders of any depth. An image is found by its file name without ending,
    /// else by its SOP Instance UID. Only DICOM files are images; ids without one are left out and counted.
    pub images: PathBuf,
    /// The name of the finding.
    pub finding: String,
    /// A CSV with columns `image` and `split` (train/val/test), as `weakseg data split` writes. If not given,
    /// `split.csv` is used where it exists; else the cases are divided by the keys below.
    pub split: Option<PathBuf>,
    /// Share of the cases held out for validation, by patient where the files name one.
    pub val_fraction: f64,
    /// Share of the cases held out for testing.
    pub test_fraction: f64,
    /// Positive and negative cases of the validation split, instead of `val_fraction`; the paper has [145, 541].
    pub val_counts: Option<[usize; 2]>,
    /// Positive and negative cases of the test split, instead of `test_fraction`; the paper has [145, 541].
    pub test_counts: Option<[usize; 2]>,
    /// Seed of the division.
    pub split_seed: u64,
    /// How the stored values of grey DICOM images become 8 bits: `window` as the file says, `percentile` whatever it
    /// says, `raw` as they are stored, as the published code reads them.
    pub tone: Tone,
    /// Which frame of DICOM files of several, counted from 1; where it is not said, such files are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<NonZeroU32>,
}

/// Of the 12,047 annotated images the paper holds out 686 twice.
const PAPERS_SHARE: f64 = 686.0 / 12047.0;

impl Default for SiimConfig {
    fn default() -> Self {
        Self {
            root: ".".into(),
            csv: "train-rle.csv".into(),
            images: ".".into(),
            finding: "pneumothorax".into(),
            split: None,
            val_fraction: PAPERS_SHARE,
            test_fraction: PAPERS_SHARE,
            val_counts: None,
            test_counts: None,
            split_seed: 0,
            tone: Tone::Window,
            frame: None,
        }
    }
}

impl SiimConfig {
    /// What is to be seen of its images.
    pub(crate) fn view(&self) -> View {
        View {
            tone: self.tone,
            frame: self.frame,
        }
    }

    /// Reads who is ill, finds the images, and divides them.
    pub(crate) fn list(&self, base: &Path) -> Result<Listing, DataError> {
        let root = root_folder(base, &self.root)?;
        let path = self.table(base);
        let mut faults = Vec::new();
        let classes = Classes {
            names: vec![self.finding.clone()],
            space: LabelSpace::Findings,
        };
        check_classes(&path, &classes)?;
        let RunRows { rows, faults: told } = RunRows::read(&path, TableForm::Siim)?;
        faults.extend(told);
        faults.extend(broken_cells(&path, &rows));
        let folder = below(&root, &self.images);
        let mut images = find(&folder, &rows, &mut faults)?;
        let mut cases = Vec::with_capacity(rows.len());
        let mut left_out = Vec::new();
        // Whoever is told to be ill by a row that cannot be understood is no case; the row is told.
        for row in rows.iter().filter(|row| row.is_whole()) {
            let Some((image, patient)) = images.remove(&row.id) else {
                left_out.push((row.id.clone(), "no image".to_owned()));
                continue;
            };
            cases.push(Case {
                id: row.id.clone(),
                patient,
                image,
                labels: vec![row.is_positive()],
                split: Split::Train,
                view: self.view(),
            });
        }
        if !left_out.is_empty() {
            let ids: Vec<String> = left_out.iter().map(|(id, _)| id.clone()).collect();
            let error = DataError::Set {
                path: path.clone(),
                problem: format!(
                    "{} of {} ids without a DICOM file below {}: {}",
                    ids.len(),
                    rows.len(),
                    folder.display(),
                    some_of(&ids)
                ),
                remedy: "they are left out; add the images, or allow as many with --allow-skips"
                    .into(),
            };
            faults.push(Fault::warning(Rule::ImageOfRow, error));
        }
        let mut listing = Listing {
            root: path,
            classes,
            cases,
            faults,
            left_out,
            test_wanted: false,
        };
        let forgotten = self.forget_one_patient(&mut listing);
        let given = self.split.as_deref();
        match optional(&root, "split", given, "split.csv", Place::File)? {
            Some(path) => read_splits(&path, &mut listing)?,
            None => {
                if !forgotten {
                    let remedy = "a split.csv can say better".to_owned();
                    let unknown = unknown_patients(&listing.root, &listing.cases, remedy);
                    listing.faults.extend(unknown);
                }
                self.divide(&mut listing)?;
            }
        }
        Ok(listing)
    }

    /// The masks, for scoring only.
    pub(crate) fn runs(&self, base: &Path) -> Result<RunTable, DataError> {
        RunTable::read_listed(&self.table(base), TableForm::Siim)
    }

    /// The table of labels and masks.
    pub(crate) fn table(&self, base: &Path) -> PathBuf {
        below(&below(base, &self.root), &self.csv)
    }

    /// One Patient ID for all was written over the true ones: it says nothing of who is who. Whether it was so.
    fn forget_one_patient(&self, listing: &mut Listing) -> bool {
        let [first, others @ ..] = listing.cases.as_slice() else {
            return false;
        };
        let all_one = first.patient.is_some()
            && !others.is_empty()
            && others.iter().all(|case| case.patient == first.patient);
        if !all_one {
            return false;
        }
        for case in &mut listing.cases {
            case.patient = None;
        }
        let error = DataError::Set {
            path: listing.root.clone(),
            problem: format!(
                "all {} images have one Patient ID, so patients cannot be kept apart",
                listing.cases.len()
            ),
            remedy: "each image is taken as a patient of its own; a split.csv can say better"
                .into(),
        };
        listing
            .faults
            .push(Fault::warning(Rule::PatientInOneSplit, error));
        true
    }

    fn divide(&self, listing: &mut Listing) -> Result<(), DataError> {
        let candidates: Vec<Candidate<'_>> = listing
            .cases
            .iter()
            .map(|case| Candidate {
                group: case.patient.as_deref().unwrap_or(&case.id),
                labels: &case.labels,
                held_out: false,
            })
            .collect();
        let all = candidates.len() as f64;
        let (splits, wanted) = match (self.val_counts, self.test_counts) {
            (None, None) => {
                let (val, test) = (self.val_fraction, self.test_fraction);
                check_shares(val, test)?;
                let splits = by_group(&candidates, val, test, self.split_seed);
                (splits, [val * all, test * all])
            }
            (Some(val), Some(test)) => {
                self.check_counts(&listing.cases, val, test)?;
                let held = |[positive, negative]: [usize; 2]| Held { positive, negative };
                let splits = by_counts(&candidates, held(val), held(test), self.split_seed);
                let sum = |[positive, negative]: [usize; 2]| (positive + negative) as f64;
                (splits, [sum(val), sum(test)])
            }
            (given, _) => {
                let (key, other) = if given.is_some() {
                    ("test_counts", "val_counts")
                } else {
                    ("val_counts", "test_counts")
                };
                return Err(DataError::Config {
                    key,
                    found: "none".into(),
                    expected: format!(
                        "two numbers, as `{other}` has them; [0, 0] for no such split"
                    ),
                });
            }
        };
        for (case, split) in listing.cases.iter_mut().zip(splits) {
            case.split = split;
        }
        listing.divided(wanted);
        Ok(())
    }

    fn check_counts(
        &self,
        cases: &[Case],
        val: [usize; 2],
        test: [usize; 2],
    ) -> Result<(), DataError> {
        let positive = cases.iter().filter(|case| case.is_positive()).count();
        let there = [positive, cases.len() - positive];
        for (at, name) in ["positive", "negative"].into_iter().enumerate() {
            let wanted = val[at].saturating_add(test[at]);
            if wanted >= there[at] && wanted > 0 {
                return Err(DataError::Config {
                    key: "val_counts",
                    found: format!("{val:?} with test_counts = {test:?}"),
                    expected: format!(
                        "fewer than the {} {name} cases there are, so that some are left for training",
                        there[at]
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Cells that are neither `-1` nor pairs: nobody knows whether such an image has a mask.
fn broken_cells<'a>(path: &'a Path, rows: &'a [RunRow]) -> impl Iterator<Item = Fault> + 'a {
    let cells = rows
        .iter()
        .flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    cells.filter_map(move |(row, cell)| {
        let problem = cell.empty.as_ref().err()?;
        let error = DataError::Row {
            path: path.to_owned(),
            line: cell.line,
            problem: format!("the run lengths of `{}`: {problem}", row.id),
            remedy: "give gaps and lengths, or -1 for an image without the finding".into(),
        };
        Some(Fault::error(Rule::ReadableRow, error))
    })
}

/// The image file and patient of each row that has one. Images without a row, and pictures of other kinds, are told:
/// masks that were made from the table lie below the same folder often enough.
fn find(
    folder: &Path,
    rows: &[RunRow],
    faults: &mut Vec<Fault>,
) -> Result<BTreeMap<String, (PathBuf, Option<String>)>, DataError> {
    let mut list = crate::ImageList::default();
    search(folder, &mut list)?;
    for (_, error) in list.refused.drain(..) {
        faults.push(Fault::warning(Rule::ReadableImage, error));
    }
    list.images.sort();
    let name_of = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let (files, others): (Vec<PathBuf>, Vec<PathBuf>) =
        list.images.into_iter().partition(|path| may_be_dicom(path));
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|path| name_of(path)).collect();
        let error = DataError::Set {
            path: folder.to_owned(),
            problem: format!(
                "{} other than DICOM: {}",
                counted(names.len(), "picture"),
                some_of(&names)
            ),
            remedy: "they are left out; the images of a siim set are DICOM files".into(),
        };
        faults.push(Fault::warning(Rule::RowOfImage, error));
    }
    let known: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let limits = Limits::default();
    let identities: Vec<Identity> = files
        .par_iter()
        // A file that cannot be read is told when its pixels are; here it only has no patient.
        .map(|path| identity(path, &limits).unwrap_or_default())
        .collect();
    let mut found: BTreeMap<String, (PathBuf, Option<String>)> = BTreeMap::new();
    let mut strays = Vec::new();
    for (path, identity) in files.into_iter().zip(identities) {
        let named = id_of_file(&path);
        let id = [Some(named.clone()), identity.instance]
            .into_iter()
            .flatten()
            .find(|id| known.contains(id.as_str()));
        let Some(id) = id else {
            strays.push(named);
            continue;
        };
        if let Some((first, _)) = found.get(&id) {
            let error = DataError::Set {
                path: path.clone(),
                problem: format!("a second image of `{id}`, beside {}", first.display()),
                remedy: "keep one of the two".into(),
            };
            faults.push(Fault::error(Rule::UniqueId, error));
            continue;
        }
        found.insert(id, (path, identity.patient));
    }
    if !strays.is_empty() {
        let error = DataError::Set {
            path: folder.to_owned(),
            problem: format!(
                "{} without a row in the table: {}",
                counted(strays.len(), "image"),
                some_of(&strays)
            ),
            remedy: "they are left out; some of the published training images have none".into(),
        };
        faults.push(Fault::warning(Rule::RowOfImage, error));
    }
    Ok(found)
}
