//! [`DataConfig`]: which set a run works on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::boxes::{boxes_outside, boxes_without_case, read_boxes};
use crate::coco::CocoObjects;
use crate::fault::{Severity, refuse};
use crate::listing::Listing;
use crate::phantom_set::PhantomSetConfig;
use crate::true_instance::Objects;
use crate::truth::Masks;
use crate::unreadable_images::unreadable_images;
use crate::verify::{VerifyReport, verify};
use crate::{Cases, DataError, MaskResize, SiimConfig, TableConfig, Truth, View, VocConfig};

/// Which set a run works on, told apart by `kind`. Relative paths are relative to the configuration file's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DataConfig {
    /// Chest X-rays made on the spot.
    Phantom(PhantomSetConfig),
    /// A PASCAL VOC development kit.
    Voc(VocConfig),
    /// A folder of images and a CSV of labels.
    Table(TableConfig),
    /// SIIM-ACR Pneumothorax as it is downloaded.
    Siim(SiimConfig),
}

impl DataConfig {
    /// Opens what a training step may see: images and image-level labels.
    ///
    /// `base` is the folder that relative paths are relative to. A phantom set that is not there yet is made.
    ///
    /// # Errors
    /// The first fault of the table or lists, with the number of others: a missing column, a row that cannot be
    /// understood, doubled or unsafe ids, an empty set or split, one class only. Rows without an image are
    /// [`Cases::left_out`]. Pixels are not read; [`DataConfig::verify`] does that.
    pub fn open_cases(&self, base: &Path) -> Result<Cases, DataError> {
        self.list(base)?.into_cases()
    }

    /// As [`open_cases`](Self::open_cases), once it is known which images cannot be read: `unreadable` has the reasons
    /// by the ids of their cases, which are [`Cases::left_out`] too. All others are in the splits that they would be in
    /// with these.
    ///
    /// # Errors
    /// Those of [`open_cases`](Self::open_cases), for what is left.
    pub fn open_readable_cases(
        &self,
        base: &Path,
        unreadable: &BTreeMap<String, String>,
    ) -> Result<Cases, DataError> {
        let mut listing = self.list(base)?;
        let left_out = listing.leave_out(unreadable);
        let told = unreadable_images(&listing.root, &left_out, unreadable);
        listing.faults.extend(told);
        listing.into_cases()
    }

    /// Opens what a scoring step compares with: the masks, objects and boxes of `cases`.
    ///
    /// # Errors
    /// If a folder of masks, a table of boxes or a document of objects that was named does not exist, the table cannot
    /// be understood, or one of its boxes leaves its image. The document is read when objects are first asked for.
    pub fn open_truth(&self, base: &Path, cases: &Cases) -> Result<Truth, DataError> {
        let places = self.truth_places(base)?;
        let (mut boxes, mut faults) = (None, Vec::new());
        if let Some(path) = &places.boxes {
            let mut table = read_boxes(path, &cases.classes)?;
            faults.append(&mut table.faults);
            faults.extend(boxes_without_case(path, &table.of, cases));
            faults.extend(boxes_outside(&table.of, cases));
            boxes = Some(table);
        }
        let mut truth = Truth::new(cases, places.masks, places.objects, boxes, places.resize);
        faults.extend(truth.odd_masks(cases));
        let odd = faults
            .iter()
            .filter(|fault| fault.severity == Severity::Warning);
        truth.warnings = odd.map(|fault| fault.error.to_string()).collect();
        refuse(faults)?;
        truth.documents = [places.boxes, self.truth_table(base)?]
            .into_iter()
            .flatten()
            .collect();
        Ok(truth)
    }

    /// The same set without what only truth is read by: masks, objects, boxes, and what is done about masks of another
    /// size. What [`open_cases`](Self::open_cases) gives does not depend on them, but for the division of a table by
    /// boxes.
    #[must_use]
    pub fn without_truth(&self) -> Self {
        match self.clone() {
            Self::Table(set) => Self::Table(TableConfig {
                masks: None,
                resize_masks: None,
                boxes: None,
                instances: None,
                ..set
            }),
            Self::Voc(set) => Self::Voc(VocConfig {
                masks: None,
                resize_masks: None,
                ..set
            }),
            // A phantom's are made with it, those of a siim set stand in the table of its labels.
            whole @ (Self::Phantom(_) | Self::Siim(_)) => whole,
        }
    }

    /// Its kind and the folder it lies in, as a report calls it.
    #[must_use]
    pub fn name(&self) -> String {
        let (kind, root) = match self {
            Self::Phantom(set) => ("phantom", &set.root),
            Self::Voc(set) => ("voc", &set.root),
            Self::Table(set) => ("table", &set.root),
            Self::Siim(set) => ("siim", &set.root),
        };
        match root.file_name() {
            Some(name) => format!("{kind}: {}", name.to_string_lossy()),
            None => kind.to_owned(),
        }
    }

    /// Looks at every file of the set and lists every fault at once.
    #[must_use]
    pub fn verify(&self, base: &Path) -> VerifyReport {
        verify(self, base)
    }

    /// What is to be seen of its DICOM images.
    #[must_use]
    pub fn view(&self) -> View {
        match self {
            Self::Phantom(_) | Self::Voc(_) => View::default(),
            Self::Table(set) => set.view(),
            Self::Siim(set) => set.view(),
        }
    }

    /// The file that holds the truth of all cases at once, but for boxes.
    fn truth_table(&self, base: &Path) -> Result<Option<PathBuf>, DataError> {
        match self {
            Self::Phantom(_) | Self::Voc(_) => Ok(None),
            Self::Table(set) => set.object_file(base),
            Self::Siim(set) => Ok(Some(set.table(base))),
        }
    }

    pub(crate) fn list(&self, base: &Path) -> Result<Listing, DataError> {
        match self {
            Self::Phantom(set) => set.table(base)?.list(base),
            Self::Voc(set) => set.list(base),
            Self::Table(set) => set.list(base),
            Self::Siim(set) => set.list(base),
        }
    }

    pub(crate) fn truth_places(&self, base: &Path) -> Result<TruthPlaces, DataError> {
        let of_table = |table: &TableConfig, objects: Option<Objects>| {
            Ok(TruthPlaces {
                masks: table.mask_folder(base)?.map(Masks::Folder),
                objects,
                boxes: table.box_file(base)?,
                resize: table.resize_masks,
            })
        };
        match self {
            // A phantom has at most one pneumothorax.
            Self::Phantom(set) => of_table(&set.table(base)?, Some(Objects::One)),
            Self::Table(set) => {
                let document = set.object_file(base)?.map(CocoObjects::at);
                of_table(set, document.map(Objects::Document))
            }
            Self::Voc(set) => Ok(TruthPlaces {
                masks: set.mask_folder(base)?.map(Masks::Folder),
                objects: set.object_folder(base).map(Objects::Folder),
                boxes: None,
                resize: set.resize_masks,
            }),
            Self::Siim(set) => Ok(TruthPlaces {
                masks: Some(Masks::Runs(set.runs(base)?)),
                objects: None,
                boxes: None,
                // Run lengths are laid out in the image's own size.
                resize: None,
            }),
        }
    }
}

/// Where the truth of a set lies.
pub(crate) struct TruthPlaces {
    pub(crate) masks: Option<Masks>,
    pub(crate) objects: Option<Objects>,
    pub(crate) boxes: Option<PathBuf>,
    pub(crate) resize: Option<MaskResize>,
}
