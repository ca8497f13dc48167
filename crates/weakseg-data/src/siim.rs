//! SIIM-ACR Pneumothorax as it is downloaded: DICOM files in nested folders, and a CSV of masks as run lengths.
//!
//! The CSV is read twice. [`SiimConfig::list`] takes from it whether an image has any mask, and nothing else: that is the
//! image-level label. [`SiimConfig::runs`] takes the masks, for [`Truth`](crate::Truth) alone.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::csv_table::CsvTable;
use crate::dicom::{Identity, identity};
use crate::fault::{Fault, Rule, some_of};
use crate::list_images::search;
use crate::listing::{Listing, below, check_classes, id_of};
use crate::run_table::{RunTable, TableForm};
use crate::split::{Candidate, Held, by_counts, by_group};
use crate::split_file::read_splits;
use crate::table::optional;
use crate::{Case, Classes, DataError, LabelSpace, Limits, Split, unsafe_id};

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
    /// else by its SOP Instance UID.
    pub images: PathBuf,
    /// The name of the finding.
    pub finding: String,
    /// A CSV with columns `image` and `split` (train/val/test), as `weakseg data split` writes. If not given, `split.csv`
    /// is used where it exists; else the cases are divided by the keys below.
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
        }
    }
}

/// What the table says of one image as a whole.
struct Row {
    id: String,
    /// The line that names it first.
    line: u64,
    positive: bool,
}

impl SiimConfig {
    /// Reads who is ill, finds the images, and divides them.
    pub(crate) fn list(&self, base: &Path) -> Result<Listing, DataError> {
        let root = below(base, &self.root);
        let path = below(&root, &self.csv);
        let mut faults = Vec::new();
        let classes = Classes {
            names: vec![self.finding.clone()],
            space: LabelSpace::Findings,
        };
        check_classes(&path, &classes)?;
        let rows = labels(&path, &mut faults)?;
        let folder = below(&root, &self.images);
        let images = find(&folder, &rows, &mut faults)?;
        let mut cases = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some((image, patient)) = images.get(&row.id) else {
                let error = DataError::MissingImage {
                    path: folder.clone(),
                    id: row.id.clone(),
                    listed: path.clone(),
                };
                faults.push(Fault::error(Rule::ImageOfRow, error));
                continue;
            };
            cases.push(Case {
                id: row.id.clone(),
                patient: patient.clone(),
                image: image.clone(),
                labels: vec![row.positive],
                split: Split::Train,
            });
        }
        let mut listing = Listing {
            root: path,
            classes,
            cases,
            faults,
        };
        self.forget_one_patient(&mut listing);
        self.divide(&root, &mut listing)?;
        Ok(listing)
    }

    /// The masks, for scoring only.
    pub(crate) fn runs(&self, base: &Path) -> Result<RunTable, DataError> {
        RunTable::read(&below(&below(base, &self.root), &self.csv), TableForm::Siim)
    }

    /// One Patient ID for all was written over the true ones: it says nothing of who is who.
    fn forget_one_patient(&self, listing: &mut Listing) {
        let first = listing.cases.first().and_then(|case| case.patient.clone());
        let Some(first) = first else { return };
        if listing.cases.len() < 2
            || listing
                .cases
                .iter()
                .any(|case| case.patient.as_ref() != Some(&first))
        {
            return;
        }
        for case in &mut listing.cases {
            case.patient = None;
        }
        let error = DataError::Set {
            path: listing.root.clone(),
            problem: format!(
                "all {} images have the Patient ID `{}`, so patients cannot be kept apart",
                listing.cases.len(),
                first.escape_debug()
            ),
            remedy: "each image is taken as a patient of its own; a split.csv can say better"
                .into(),
        };
        listing
            .faults
            .push(Fault::warning(Rule::PatientInOneSplit, error));
    }

    fn divide(&self, root: &Path, listing: &mut Listing) -> Result<(), DataError> {
        if let Some(path) = optional(root, self.split.as_deref(), "split.csv", Path::is_file)? {
            return read_splits(&path, listing);
        }
        let candidates: Vec<Candidate<'_>> = listing
            .cases
            .iter()
            .map(|case| Candidate {
                group: case.patient.as_deref().unwrap_or(&case.id),
                labels: &case.labels,
                held_out: false,
            })
            .collect();
        let splits = match (self.val_counts, self.test_counts) {
            (None, None) => {
                self.check_fractions()?;
                by_group(
                    &candidates,
                    self.val_fraction,
                    self.test_fraction,
                    self.split_seed,
                )
            }
            (Some(val), Some(test)) => {
                self.check_counts(&listing.cases, val, test)?;
                let held = |[positive, negative]: [usize; 2]| Held { positive, negative };
                by_counts(&candidates, held(val), held(test), self.split_seed)
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
        Ok(())
    }

    fn check_fractions(&self) -> Result<(), DataError> {
        for (key, share) in [
            ("val_fraction", self.val_fraction),
            ("test_fraction", self.test_fraction),
        ] {
            if !(share >= 0.0 && self.val_fraction + self.test_fraction < 1.0) {
                return Err(DataError::Config {
                    key,
                    found: share.to_string(),
                    expected: "a share of at least 0 that leaves some for training".into(),
                });
            }
        }
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

/// One row an image, in the order of the table.
fn labels(path: &Path, faults: &mut Vec<Fault>) -> Result<Vec<Row>, DataError> {
    let mut table = CsvTable::read(path)?;
    let columns = table.require(&["ImageId", "EncodedPixels"])?;
    faults.extend(
        std::mem::take(&mut table.ragged)
            .into_iter()
            .map(|error| Fault::error(Rule::ReadableRow, error)),
    );
    let mut rows: Vec<Row> = Vec::new();
    // Two ids that differ in case alone would be one file on some systems.
    let mut known: HashMap<String, usize> = HashMap::new();
    for (line, record) in &table.rows {
        let (id, runs) = (id_of(&record[columns[0]]), &record[columns[1]]);
        if let Some(reason) = unsafe_id(id) {
            let error = DataError::UnsafeId {
                path: path.to_owned(),
                id: id.to_owned(),
                reason,
            };
            faults.push(Fault::error(Rule::SafeId, error));
            continue;
        }
        if runs.is_empty() {
            let error = table.row_error(
                *line,
                format!("`{}` has no run lengths", table.headers[columns[1]]),
                "write -1 for an image without the finding",
            );
            faults.push(Fault::error(Rule::ReadableRow, error));
            continue;
        }
        let positive = runs != "-1";
        let Some(&at) = known.get(&id.to_lowercase()) else {
            known.insert(id.to_lowercase(), rows.len());
            rows.push(Row {
                id: id.to_owned(),
                line: *line,
                positive,
            });
            continue;
        };
        let before = &rows[at];
        if before.id != id || (!before.positive && !positive) {
            let error = DataError::DuplicateId {
                path: path.to_owned(),
                id: id.to_owned(),
                first: before.line,
                second: *line,
            };
            // Twice healthy is no contradiction.
            faults.push(if before.id == id {
                Fault::warning(Rule::UniqueId, error)
            } else {
                Fault::error(Rule::UniqueId, error)
            });
        } else if before.positive != positive {
            let error = table.row_error(
                *line,
                format!(
                    "`{id}` has {} here and {} in line {}",
                    if positive { "a mask" } else { "-1 (no mask)" },
                    if positive { "-1 (no mask)" } else { "a mask" },
                    before.line
                ),
                "keep the one that is true",
            );
            faults.push(Fault::error(Rule::ReadableRow, error));
            rows[at].positive = true;
        }
    }
    Ok(rows)
}

/// The image file and patient of each row that has one. Images without a row are told.
fn find(
    folder: &Path,
    rows: &[Row],
    faults: &mut Vec<Fault>,
) -> Result<BTreeMap<String, (PathBuf, Option<String>)>, DataError> {
    let mut list = crate::ImageList::default();
    search(folder, &mut list)?;
    list.images.sort();
    let known: HashMap<&str, ()> = rows.iter().map(|row| (row.id.as_str(), ())).collect();
    let limits = Limits::default();
    let identities: Vec<Identity> = list
        .images
        .par_iter()
        // A file that cannot be read is told when its pixels are; here it only has no patient.
        .map(|path| identity(path, &limits).unwrap_or_default())
        .collect();
    let mut found: BTreeMap<String, (PathBuf, Option<String>)> = BTreeMap::new();
    let mut strays = Vec::new();
    for (path, identity) in list.images.into_iter().zip(identities) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = id_of(&name).to_owned();
        let id = [Some(named.clone()), identity.instance]
            .into_iter()
            .flatten()
            .find(|id| known.contains_key(id.as_str()));
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
                "{} images without a row in the table: {}",
                strays.len(),
                some_of(&strays)
            ),
            remedy: "they are left out; some of the published training images have none".into(),
        };
        faults.push(Fault::warning(Rule::RowOfImage, error));
    }
    Ok(found)
}
