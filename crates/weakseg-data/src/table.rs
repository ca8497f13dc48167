//! A folder of images and a CSV of labels: `image[,patient][,split],FINDING…`, one row an image, 0 or 1 a finding.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::boxes::read_boxes;
use crate::class_names::check_classes;
use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule, some_of};
use crate::listing::{Ids, Listing, below, find_image, id_of, is_ending, without_image};
use crate::split::{Candidate, by_group, check_shares};
use crate::{Case, Classes, DataError, LabelSpace, MaskResize, Split, Tone, View};

/// A folder of images (PNG, JPEG, DICOM) and a CSV of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    /// The set's folder; the paths below are relative to it, itself to the configuration file.
    pub root: PathBuf,
    /// The table: a column `image` (file name, with or without ending), optionally `patient` and `split`
    /// (train/val/test), and one 0/1 column per finding.
    pub csv: PathBuf,
    /// The folder of the images.
    pub images: PathBuf,
    /// The folder of the masks, for scoring only: `ID.png`, or `FINDING/ID.png` if there are several findings.
    /// If not given, `masks` is used where it exists.
    pub masks: Option<PathBuf>,
    /// What is done about masks of another size than their image: `nearest` brings them to it; where it is not said, they are
    /// errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_masks: Option<MaskResize>,
    /// The CSV of boxes `image,label,x,y,width,height` in pixels of the image, for scoring only.
    /// If not given, `boxes.csv` is used where it exists.
    pub boxes: Option<PathBuf>,
    /// The COCO document with run lengths that tells the objects of one finding apart, for scoring only: its `file_name`s are
    /// the images', its categories the findings. `none` for none. If not given, `instances.json` is used where it exists.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<PathBuf>,
    /// The columns that are findings; if not given, all but `image`, `patient` and `split`.
    pub findings: Option<Vec<String>>,
    /// Share of the cases held out for validation, by patient; not used if there is a `split` column.
    pub val_fraction: f64,
    /// Share of the cases held out for testing, by patient; not used if there is a `split` column.
    pub test_fraction: f64,
    /// Seed of the division.
    pub split_seed: u64,
    /// Puts every patient with a box into the validation split, so that localisation is scored on unseen patients.
    /// Not used if there is a `split` column. Only which images have boxes is looked at.
    pub boxed_patients_held_out: bool,
    /// How the stored values of grey DICOM images become 8 bits: `window` as the file says, `percentile` whatever it says,
    /// `raw` as they are stored, as the published code reads them.
    pub tone: Tone,
    /// Which frame of DICOM files of several, counted from 1; where it is not said, such files are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<NonZeroU32>,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            root: ".".into(),
            csv: "labels.csv".into(),
            images: "images".into(),
            masks: None,
            resize_masks: None,
            boxes: None,
            instances: None,
            findings: None,
            val_fraction: 0.2,
            test_fraction: 0.0,
            split_seed: 0,
            boxed_patients_held_out: false,
            tone: Tone::Window,
            frame: None,
        }
    }
}

/// Columns that are no findings.
const RESERVED: [&str; 3] = ["image", "patient", "split"];

impl TableConfig {
    /// What is to be seen of its images.
    pub(crate) fn view(&self) -> View {
        View {
            tone: self.tone,
            frame: self.frame,
        }
    }

    /// The folder of the masks, if there is one.
    pub(crate) fn mask_folder(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        let root = below(base, &self.root);
        optional(&root, self.masks.as_deref(), "masks", Path::is_dir)
    }

    /// The table of boxes, if there is one.
    pub(crate) fn box_file(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        let root = below(base, &self.root);
        optional(&root, self.boxes.as_deref(), "boxes.csv", Path::is_file)
    }

    /// The document of the true objects, if there is one.
    pub(crate) fn object_file(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        let given = self.instances.as_deref();
        if given == Some(Path::new("none")) {
            return Ok(None);
        }
        let root = below(base, &self.root);
        optional(&root, given, "instances.json", Path::is_file)
    }

    /// Reads the table and divides its cases.
    pub(crate) fn list(&self, base: &Path) -> Result<Listing, DataError> {
        check_shares(self.val_fraction, self.test_fraction)?;
        let root = below(base, &self.root);
        let path = root.join(&self.csv);
        let mut table = CsvTable::read(&path)?;
        let classes = self.classes(&table)?;
        let mut faults: Vec<Fault> = std::mem::take(&mut table.ragged)
            .into_iter()
            .map(|error| Fault::error(Rule::ReadableRow, error))
            .collect();
        let mut left_out = Vec::new();
        let cases = self.read_rows(&root, &table, &classes, &mut faults, &mut left_out)?;
        let folder = root.join(&self.images);
        faults.extend(without_image(&path, &folder, &left_out));
        faults.extend(images_without_row(&folder, &cases)?);
        let mut listing = Listing {
            root: path,
            classes,
            cases,
            faults,
            left_out,
            test_wanted: false,
        };
        if table.column("split").is_none() {
            self.divide(base, &mut listing)?;
        }
        Ok(listing)
    }

    fn classes(&self, table: &CsvTable) -> Result<Classes, DataError> {
        table.require(&["image"])?;
        let names = match &self.findings {
            Some(names) => {
                let mut wanted = vec!["image"];
                wanted.extend(names.iter().map(String::as_str));
                table.require(&wanted)?;
                names.clone()
            }
            None => table
                .headers
                .iter()
                .filter(|name| {
                    !RESERVED
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(name))
                })
                .cloned()
                .collect(),
        };
        if names.is_empty() {
            return Err(table.lacks(&["image", "FINDING (0/1)"]));
        }
        let classes = Classes {
            names,
            space: LabelSpace::Findings,
        };
        check_classes(&table.path, &classes)?;
        Ok(classes)
    }

    /// The cases of the rows; what is wrong goes to `faults`, ids without an image to `left_out`.
    fn read_rows(
        &self,
        root: &Path,
        table: &CsvTable,
        classes: &Classes,
        faults: &mut Vec<Fault>,
        left_out: &mut Vec<(String, String)>,
    ) -> Result<Vec<Case>, DataError> {
        let folder = root.join(&self.images);
        let image = table.require(&["image"])?[0];
        let (patient, split) = (table.column("patient"), table.column("split"));
        let names: Vec<&str> = classes.names.iter().map(String::as_str).collect();
        let columns = table.require(&names)?;
        let mut ids = Ids::new(&table.path);
        let mut cases = Vec::with_capacity(table.rows.len());
        for (line, record) in &table.rows {
            let name = &record[image];
            let id = id_of(name);
            let before = faults.len();
            let row = |error| Fault::error(Rule::ReadableRow, error);
            if let Err(fault) = ids.add(id, *line) {
                faults.push(fault);
            }
            let mut labels = Vec::with_capacity(columns.len());
            for &column in &columns {
                match table.label(*line, record, column) {
                    Ok(label) => labels.push(label),
                    Err(error) => faults.push(row(error)),
                }
            }
            let split = match split.map(|column| record[column].parse()) {
                None => Split::Train,
                Some(Ok(split)) => split,
                Some(Err(problem)) => {
                    faults.push(row(table.row_error(
                        *line,
                        problem,
                        "name the split of every case",
                    )));
                    Split::Train
                }
            };
            if before < faults.len() {
                continue;
            }
            let Some(image) = find_image(&folder, name) else {
                left_out.push((id.to_owned(), "no image".to_owned()));
                continue;
            };
            cases.push(Case {
                id: id.to_owned(),
                patient: patient
                    .map(|column| record[column].to_owned())
                    .filter(|name| !name.is_empty()),
                image,
                labels,
                split,
                view: self.view(),
            });
        }
        Ok(cases)
    }

    fn divide(&self, base: &Path, listing: &mut Listing) -> Result<(), DataError> {
        let mut boxed = BTreeSet::new();
        if self.boxed_patients_held_out {
            let Some(path) = self.box_file(base)? else {
                return Err(DataError::Config {
                    key: "boxed_patients_held_out",
                    found: "true".into(),
                    expected: "a table of boxes: set `data.boxes` or add `boxes.csv`".into(),
                });
            };
            boxed.extend(read_boxes(&path, &listing.classes)?.of.into_keys());
        }
        let candidates: Vec<Candidate<'_>> = listing
            .cases
            .iter()
            .map(|case| Candidate {
                group: case.patient.as_deref().unwrap_or(&case.id),
                labels: &case.labels,
                held_out: boxed.contains(&case.id),
            })
            .collect();
        let splits = by_group(
            &candidates,
            self.val_fraction,
            self.test_fraction,
            self.split_seed,
        );
        for (case, split) in listing.cases.iter_mut().zip(splits) {
            case.split = split;
        }
        let all = listing.cases.len() as f64;
        listing.divided([self.val_fraction * all, self.test_fraction * all]);
        Ok(())
    }
}

/// A path that was given and must exist, or a usual one that may.
pub(crate) fn optional(
    root: &Path,
    given: Option<&Path>,
    usual: &str,
    exists: impl Fn(&Path) -> bool,
) -> Result<Option<PathBuf>, DataError> {
    let path = root.join(given.unwrap_or(Path::new(usual)));
    if exists(&path) {
        return Ok(Some(path));
    }
    match given {
        None => Ok(None),
        Some(_) => Err(DataError::Io {
            path,
            action: "find",
            source: std::io::ErrorKind::NotFound.into(),
        }),
    }
}

fn images_without_row(folder: &Path, cases: &[Case]) -> Result<Option<Fault>, DataError> {
    let known: BTreeSet<&Path> = cases.iter().map(|case| case.image.as_path()).collect();
    let mut strays = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder, "list"))? {
        let path = entry.map_err(DataError::io(folder, "list"))?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        // A link to nothing is no image; the row it was meant for is told.
        if ending.is_some_and(is_ending) && path.is_file() && !known.contains(path.as_path()) {
            strays.extend(
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    strays.sort();
    Ok((!strays.is_empty()).then(|| {
        let error = DataError::Set {
            path: folder.to_owned(),
            problem: format!(
                "{} images without a usable row in the table: {}",
                strays.len(),
                some_of(&strays)
            ),
            remedy: "add their labels, or leave them out knowingly".into(),
        };
        Fault::warning(Rule::RowOfImage, error)
    }))
}
