//! A folder of images and a CSV of labels: `image[,patient][,split],FINDING…`, one row an image, 0 or 1 a finding.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::boxes::read_boxes;
use crate::class_names::check_classes;
use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule, counted, refuse, some_of};
use crate::label_cells::LabelCells;
use crate::list_images::is_image;
use crate::listing::{Ids, Listing, below, find_image, id_of};
use crate::missing_images::without_image;
use crate::patients::unknown_patients;
use crate::places::{Place, optional, required, root_folder};
use crate::split::{Candidate, by_group, check_shares};
use crate::{Case, Classes, DataError, LabelSpace, MaskResize, Split, Tone, View};

/// A folder of images (PNG, JPEG, DICOM) and a CSV of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    /// The set's folder; the paths below are relative to it, itself to the configuration file.
    pub root: PathBuf,
    /// The table: a column `image` (file name, with or without ending; `name` in the published code's lists),
    /// optionally `patient` and `split` (train/val/test), and one 0/1 column per finding.
    pub csv: PathBuf,
    /// The folder of the images.
    pub images: PathBuf,
    /// The folder of the masks, for scoring only: `ID.png`, or `FINDING/ID.png` if there are several findings.
    /// If not given, `masks` is used where it exists.
    pub masks: Option<PathBuf>,
    /// What is done about masks of another size than their image: `nearest` brings them to it; where it is not said,
    /// they are errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_masks: Option<MaskResize>,
    /// The CSV of boxes `image,label,x,y,width,height` in pixels of the image, for scoring only.
    /// If not given, `boxes.csv` is used where it exists.
    pub boxes: Option<PathBuf>,
    /// The COCO document with run lengths that tells the objects of one finding apart, for scoring only: its
    /// `file_name`s are the images', its categories the findings. `none` for none. If not given, `instances.json` is
    /// used where it exists.
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
    /// How the stored values of grey DICOM images become 8 bits: `window` as the file says, `percentile` whatever it
    /// says, `raw` as they are stored, as the published code reads them.
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

/// The column that names images: `image`, or where there is none that of the published code's lists, `name,label`.
fn image_column(table: &CsvTable) -> &'static str {
    match (table.column("image"), table.column("name")) {
        (None, Some(_)) => "name",
        _ => "image",
    }
}

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
        optional(
            &root,
            "masks",
            self.masks.as_deref(),
            "masks",
            Place::Folder,
        )
    }

    /// The table of boxes, if there is one.
    pub(crate) fn box_file(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        let root = below(base, &self.root);
        optional(
            &root,
            "boxes",
            self.boxes.as_deref(),
            "boxes.csv",
            Place::File,
        )
    }

    /// The document of the true objects, if there is one.
    pub(crate) fn object_file(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        let given = self.instances.as_deref();
        if given == Some(Path::new("none")) {
            return Ok(None);
        }
        let root = below(base, &self.root);
        optional(&root, "instances", given, "instances.json", Place::File)
    }

    /// Reads the table and divides its cases.
    pub(crate) fn list(&self, base: &Path) -> Result<Listing, DataError> {
        check_shares(self.val_fraction, self.test_fraction)?;
        let root = root_folder(base, &self.root)?;
        let path = required(&root, "csv", &self.csv, Place::File)?;
        let mut table = CsvTable::read(&path)?;
        let classes = self.classes(&table)?;
        let mut faults = std::mem::take(&mut table.faults);
        let Rows {
            cases,
            missing,
            unusable,
        } = self.read_rows(&root, &table, &classes, &mut faults)?;
        let folder = required(&root, "images", &self.images, Place::Folder)?;
        faults.extend(without_image(&path, &folder, &missing));
        faults.extend(images_without_row(&folder, &cases, &unusable)?);
        let no_image = |(_, name): (u64, String)| (id_of(&name).to_owned(), "no image".to_owned());
        let left_out = missing.into_iter().map(no_image).collect();
        let mut listing = Listing {
            root: path,
            classes,
            cases,
            faults,
            left_out,
            test_wanted: false,
        };
        if table.column("split").is_none() {
            let unknown = unknown_patients(&listing.root, &listing.cases, name_patients(&table));
            listing.faults.extend(unknown);
            self.divide(base, &mut listing)?;
        }
        Ok(listing)
    }

    fn classes(&self, table: &CsvTable) -> Result<Classes, DataError> {
        let image = image_column(table);
        table.require(&[image])?;
        let names = match &self.findings {
            Some(names) => {
                let mut wanted = vec![image];
                wanted.extend(names.iter().map(String::as_str));
                table.require(&wanted)?;
                names.clone()
            }
            None => table
                .headers
                .iter()
                .filter(|name| {
                    let mut known = RESERVED.iter().chain([&image]);
                    !known.any(|known| known.eq_ignore_ascii_case(name))
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

    /// Reads the rows; what is wrong goes to `faults`.
    fn read_rows(
        &self,
        root: &Path,
        table: &CsvTable,
        classes: &Classes,
        faults: &mut Vec<Fault>,
    ) -> Result<Rows, DataError> {
        let folder = root.join(&self.images);
        let image = table.require(&[image_column(table)])?[0];
        let (patient, split) = (table.column("patient"), table.column("split"));
        let names: Vec<&str> = classes.names.iter().map(String::as_str).collect();
        let columns = table.require(&names)?;
        let mut ids = Ids::new(&table.path);
        let mut cells = LabelCells::of(table);
        let mut rows = Rows::default();
        for (line, record) in &table.rows {
            let name = &record[image];
            let id = id_of(name);
            let usable = ids.add(id, *line);
            let labels = cells.read(*line, record, &columns);
            let split = match split.map(|column| record[column].parse()) {
                None => Some(Split::Train),
                Some(Ok(split)) => Some(split),
                Some(Err(problem)) => {
                    let error = table.row_error(*line, problem, "name the split of every case");
                    faults.push(Fault::error(Rule::ReadableRow, error));
                    None
                }
            };
            let whole = patient.is_none_or(|column| !record[column].contains(['\n', '\r']));
            if !whole {
                let error = table.row_error(
                    *line,
                    "the patient's name goes over several lines",
                    "close the quotation mark that it begins with",
                );
                faults.push(Fault::error(Rule::ReadableRow, error));
            }
            let (true, true, Some(labels), Some(split)) = (usable, whole, labels, split) else {
                // Whoever wrote a path of Windows meant its last part.
                let meant = name.rsplit('\\').next().unwrap_or(name);
                rows.unusable.insert(id_of(meant).to_lowercase());
                continue;
            };
            let Some(image) = find_image(&folder, name) else {
                rows.unusable.insert(id.to_lowercase());
                rows.missing.push((*line, name.to_owned()));
                continue;
            };
            rows.cases.push(Case {
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
        faults.extend(ids.faults());
        faults.extend(cells.faults());
        Ok(rows)
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
            let boxes = read_boxes(&path, &listing.classes)?;
            // Without a box that cannot be read its patient would be trained on.
            refuse(boxes.faults)?;
            boxed.extend(boxes.of.into_keys());
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

/// The rows of a table.
#[derive(Default)]
struct Rows {
    cases: Vec<Case>,
    /// Rows without an image: line, and the image as it is named there.
    missing: Vec<(u64, String)>,
    /// The ids, in small letters, of rows that are no cases.
    unusable: HashSet<String>,
}

/// How a table can name its patients.
fn name_patients(table: &CsvTable) -> String {
    let alike = |name: &&String| {
        let name = name.to_lowercase();
        name.starts_with("patient") && name != "patient"
    };
    let alike: Vec<String> = table.headers.iter().filter(alike).cloned().collect();
    match alike.is_empty() {
        true => {
            "name the patients in a column `patient`, or the splits in a column `split`".to_owned()
        }
        false => format!(
            "call the column that names them `patient`; is it one of {}?",
            some_of(&alike)
        ),
    }
}

/// A warning of images that no row speaks of. What is wrong with the rows of `unusable` ids is told already.
fn images_without_row(
    folder: &Path,
    cases: &[Case],
    unusable: &HashSet<String>,
) -> Result<Option<Fault>, DataError> {
    let known: BTreeSet<&Path> = cases.iter().map(|case| case.image.as_path()).collect();
    // Where rows have images; a folder beside these may hold masks, or another set.
    let folders: BTreeSet<&Path> = known.iter().filter_map(|path| path.parent()).collect();
    let mut strays = Vec::new();
    for folder_of in folders.into_iter().chain([folder]).collect::<BTreeSet<_>>() {
        for entry in fs::read_dir(folder_of).map_err(DataError::io(folder_of, "list"))? {
            let path = entry.map_err(DataError::io(folder_of, "list"))?.path();
            // A link to nothing is no image; the row it was meant for is told.
            if path.is_file() && is_image(&path) && !known.contains(path.as_path()) {
                let name = path.strip_prefix(folder).unwrap_or(&path);
                let name = name.to_string_lossy().into_owned();
                strays.extend(
                    Some(name).filter(|name| !unusable.contains(&id_of(name).to_lowercase())),
                );
            }
        }
    }
    strays.sort();
    Ok((!strays.is_empty()).then(|| {
        let error = DataError::Set {
            path: folder.to_owned(),
            problem: format!(
                "{} without a row in the table: {}",
                counted(strays.len(), "image"),
                some_of(&strays)
            ),
            remedy: "they are left out; add their labels, or move them elsewhere".into(),
        };
        Fault::warning(Rule::RowOfImage, error)
    }))
}
