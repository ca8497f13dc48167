//! A PASCAL VOC development kit: `JPEGImages`, `SegmentationClass`, `ImageSets/Segmentation/*.txt`, and image labels
//! from a CSV, IRNet's `cls_labels.npy` or `Annotations/*.xml`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class_names::check_classes;
use crate::cls_labels::{self, ClsLabels};
use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule};
use crate::label_cells::LabelCells;
use crate::listing::{Ids, Listing, below, find_image, id_of};
use crate::missing_images::without_image;
use crate::places::{Place, optional, root_folder};
use crate::{Case, Classes, DataError, LabelSpace, Limits, MaskResize, Split, View};

/// The twenty classes of PASCAL VOC, in the order of their numbers (1 = aeroplane … 20 = tvmonitor).
pub const VOC_CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// A PASCAL VOC development kit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VocConfig {
    /// The kit's folder (the one with `JPEGImages`), relative to the configuration file.
    pub root: PathBuf,
    /// The list in `ImageSets/Segmentation` to train on, without `.txt`.
    pub train: String,
    /// The list to validate on.
    pub val: String,
    /// The list to test on, if any.
    pub test: Option<String>,
    /// Image labels: a CSV with a column `image` and one 0/1 column per class, or a `.npy` of a dictionary as IRNet's
    /// `cls_labels.npy`. If not given, `image_labels.csv` is used where it exists, else `cls_labels.npy`, else the
    /// object names in `Annotations/*.xml`.
    pub labels: Option<PathBuf>,
    /// The folder of the index maps, for scoring: `ID.png`, or `ID.mat` as the Semantic Boundaries Dataset has them in
    /// its `dataset/cls`; where both are there the PNG is read. Such as `SegmentationClassAug`, the PNGs that the
    /// augmented lists have from that dataset. If not given, `SegmentationClass` is used where it exists. Objects are
    /// those of `SegmentationObject`, where it exists.
    pub masks: Option<PathBuf>,
    /// What is done about masks of another size than their image: `nearest` brings them to it; where it is not said,
    /// they are errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_masks: Option<MaskResize>,
    /// The classes, in the order of their numbers in the masks.
    pub classes: Vec<String>,
}

impl Default for VocConfig {
    fn default() -> Self {
        Self {
            root: ".".into(),
            train: "train".into(),
            val: "val".into(),
            test: None,
            labels: None,
            masks: None,
            resize_masks: None,
            classes: VOC_CLASSES.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}

impl VocConfig {
    /// The folder of the index maps, if there is one.
    pub(crate) fn mask_folder(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        let root = below(base, &self.root);
        optional(
            &root,
            "masks",
            self.masks.as_deref(),
            "SegmentationClass",
            Place::Folder,
        )
    }

    /// The folder of the object maps, if there is one.
    pub(crate) fn object_folder(&self, base: &Path) -> Option<PathBuf> {
        let folder = below(base, &self.root).join("SegmentationObject");
        folder.is_dir().then_some(folder)
    }

    /// Reads the lists and the labels of their images.
    pub(crate) fn list(&self, base: &Path) -> Result<Listing, DataError> {
        let root = root_folder(base, &self.root)?;
        let classes = Classes {
            names: self.classes.clone(),
            space: LabelSpace::Exclusive,
        };
        check_classes(&root, &classes)?;
        let mut faults = Vec::new();
        let labels = self.labels(&root, &classes, &mut faults)?;
        let lists = [
            (Split::Train, Some(&self.train)),
            (Split::Val, Some(&self.val)),
            (Split::Test, self.test.as_ref()),
        ];
        let folder = root.join("JPEGImages");
        let mut cases: Vec<Case> = Vec::new();
        let mut left_out = Vec::new();
        // By small letters: to many file systems `a.jpg` and `A.jpg` are one file.
        let mut home: HashMap<String, Split> = HashMap::new();
        for (split, name) in lists {
            let Some(name) = name else { continue };
            let path = root
                .join("ImageSets/Segmentation")
                .join(format!("{name}.txt"));
            let mut ids = Ids::new(&path);
            let mut missing = Vec::new();
            for (line, id) in read_list(&path)? {
                if !ids.add(&id, line) {
                    continue;
                }
                if let Some(other) = home.insert(id.to_lowercase(), split) {
                    let error = DataError::Row {
                        path: path.clone(),
                        line,
                        problem: format!("`{id}` is also in the list of {other}"),
                        remedy: "keep the lists apart; scores on training images mean nothing"
                            .into(),
                    };
                    faults.push(Fault::error(Rule::UniqueId, error));
                    continue;
                }
                let Some(image) = find_image(&folder, &id) else {
                    missing.push((line, id));
                    continue;
                };
                match labels.of(&id, &path, line, &classes) {
                    Ok(labels) => cases.push(Case {
                        id,
                        patient: None,
                        image,
                        labels,
                        split,
                        view: View::default(),
                    }),
                    Err(fault) => faults.push(fault),
                }
            }
            faults.extend(ids.faults());
            faults.extend(without_image(&path, &folder, &missing));
            let reason = || "no image".to_owned();
            left_out.extend(missing.into_iter().map(|(_, id)| (id, reason())));
        }
        Ok(Listing {
            root,
            classes,
            cases,
            faults,
            left_out,
            // A list of no ids is told by its split, if it must not be empty.
            test_wanted: self.test.is_some(),
        })
    }

    fn labels(
        &self,
        root: &Path,
        classes: &Classes,
        faults: &mut Vec<Fault>,
    ) -> Result<Labels, DataError> {
        let path = match &self.labels {
            Some(path) => root.join(path),
            None => {
                let usual = root.join("image_labels.csv");
                let pickled = root.join("cls_labels.npy");
                let annotations = root.join("Annotations");
                if usual.is_file() {
                    usual
                } else if pickled.is_file() {
                    pickled
                } else if annotations.is_dir() {
                    return Ok(Labels::Annotations(annotations));
                } else {
                    return Err(DataError::Set {
                        path: root.to_owned(),
                        problem:
                            "no image labels: neither `image_labels.csv` nor `cls_labels.npy` nor \
                                  `Annotations`"
                                .into(),
                        remedy: "add one of the three, or name a file in `data.labels`".into(),
                    });
                }
            }
        };
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
        {
            let rows = cls_labels::read(&path, classes.len())?;
            return Ok(Labels::Numbers(path, rows));
        }
        let mut table = CsvTable::read(&path)?;
        let mut wanted = vec!["image"];
        wanted.extend(classes.names.iter().map(String::as_str));
        let columns = table.require(&wanted)?;
        faults.append(&mut table.faults);
        let mut ids = Ids::new(&path);
        let mut cells = LabelCells::of(&table);
        let mut rows = HashMap::with_capacity(table.rows.len());
        for (line, record) in &table.rows {
            let id = id_of(&record[columns[0]]);
            if !ids.add(id, *line) {
                continue;
            }
            if let Some(labels) = cells.read(*line, record, &columns[1..]) {
                rows.insert(id.to_owned(), labels);
            }
        }
        faults.extend(ids.faults());
        faults.extend(cells.faults());
        Ok(Labels::Table(path, rows))
    }
}

/// Where image labels come from.
enum Labels {
    Table(PathBuf, HashMap<String, Vec<bool>>),
    Numbers(PathBuf, ClsLabels),
    Annotations(PathBuf),
}

impl Labels {
    /// Those of the image `id`, which stands in `line` of `list`.
    fn of(&self, id: &str, list: &Path, line: u64, classes: &Classes) -> Result<Vec<bool>, Fault> {
        let unlabelled = |problem: String, remedy: &str| {
            let error = DataError::Row {
                path: list.to_owned(),
                line,
                problem,
                remedy: remedy.into(),
            };
            Fault::error(Rule::RowOfImage, error)
        };
        match self {
            Self::Table(path, rows) => rows.get(id).cloned().ok_or_else(|| {
                unlabelled(
                    format!("`{id}` has no usable row in {}", path.display()),
                    "add its labels, or leave it out of the list",
                )
            }),
            Self::Numbers(path, rows) => {
                let number = id.replace('_', "").parse::<i64>().ok();
                let row = number.and_then(|number| rows.get(&number));
                row.cloned().ok_or_else(|| {
                    unlabelled(
                        format!("`{id}` has no labels in {}", path.display()),
                        "add them under the id's digits, or leave it out of the list",
                    )
                })
            }
            Self::Annotations(folder) => annotated(&folder.join(format!("{id}.xml")), classes)
                .map_err(|error| Fault::error(Rule::ReadableRow, error)),
        }
    }
}

/// Ids and line numbers of a list. Lines may be `ID`, `ID 1` (as in `ImageSets/Main`) or
/// `/JPEGImages/ID.jpg /SegmentationClassAug/ID.png` (as augmented lists have it).
fn read_list(path: &Path) -> Result<Vec<(u64, String)>, DataError> {
    let bytes = Limits::default().read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        DataError::unreadable(
            path,
            "not UTF-8 text",
            "save the list as UTF-8, one id a line",
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = (1..).zip(text.lines());
    Ok(lines
        .filter_map(|(number, line)| {
            let first = line.split_whitespace().next()?;
            Some((number, id_of(first).to_owned()))
        })
        .collect())
}

/// Labels from the objects of one annotation; names that are no class are passed over.
fn annotated(path: &Path, classes: &Classes) -> Result<Vec<bool>, DataError> {
    let bytes = Limits::default().read(path)?;
    let broken = |problem: String| {
        DataError::unreadable(
            path,
            problem,
            "restore the annotation from the development kit",
        )
    };
    let text = String::from_utf8(bytes).map_err(|_| broken("not UTF-8 text".into()))?;
    let document = roxmltree::Document::parse(&text)
        .map_err(|error| broken(format!("not an XML annotation: {error}")))?;
    if !document.root_element().has_tag_name("annotation") {
        return Err(broken(format!(
            "the document is a `{}`, expected an `annotation`",
            document.root_element().tag_name().name()
        )));
    }
    let mut labels = vec![false; classes.len()];
    for object in document
        .root_element()
        .children()
        .filter(|node| node.has_tag_name("object"))
    {
        let name = object.children().find(|node| node.has_tag_name("name"));
        if let Some(index) = name
            .and_then(|name| name.text())
            .and_then(|text| classes.index(text.trim()))
        {
            labels[index] = true;
        }
    }
    Ok(labels)
}
