//! [`Truth`]: masks, objects and boxes, for scoring only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::boxes::{BoundingBox, Boxes};
use crate::fault::Fault;
use crate::mask::{VOID, binary, check_indices};
use crate::mask_folder::odd_masks;
use crate::mask_store::mask_paths;
use crate::run_table::RunTable;
use crate::true_instance::{self, Objects, TrueInstance};
use crate::{
    Cases, Classes, DataError, LabelSpace, Limits, Mask, MaskResize, Plane, Split, Stack,
    read_image_size, read_index_map,
};

/// The masks, objects and boxes of a set: what results are compared with, and what no training step may see.
///
/// Only [`DataConfig::open_truth`](crate::DataConfig::open_truth) makes one; [`Cases`] does not lead here. Masks are
/// read and checked when they are asked for.
#[derive(Debug)]
pub struct Truth {
    classes: Classes,
    masks: Option<Masks>,
    objects: Option<Objects>,
    known: BTreeMap<String, Known>,
    boxes: BTreeMap<String, Vec<BoundingBox>>,
    resize: Option<MaskResize>,
    limits: Limits,
    /// Files that speak of all cases at once.
    pub(crate) documents: Vec<PathBuf>,
    /// What is not as it should be though scores can be made of it, for the user's eyes.
    pub(crate) warnings: Vec<String>,
}

/// Where masks come from.
#[derive(Debug)]
pub(crate) enum Masks {
    /// PNGs in a folder, `.png` or `.PNG`; of index maps `.mat` files of the Semantic Boundaries Dataset too.
    Folder(PathBuf),
    /// Run lengths in a table.
    Runs(RunTable),
}

/// What is known of a case before its mask is read.
#[derive(Debug)]
struct Known {
    image: PathBuf,
    labels: Vec<bool>,
    split: Split,
}

impl Truth {
    pub(crate) fn new(
        cases: &Cases,
        masks: Option<Masks>,
        objects: Option<Objects>,
        boxes: Option<Boxes>,
        resize: Option<MaskResize>,
    ) -> Self {
        let known = cases
            .cases
            .iter()
            .map(|case| {
                let known = Known {
                    image: case.image.clone(),
                    labels: case.labels.clone(),
                    split: case.split,
                };
                (case.id.clone(), known)
            })
            .collect();
        Self {
            classes: cases.classes.clone(),
            masks,
            objects,
            known,
            boxes: boxes.map(|boxes| boxes.of).unwrap_or_default(),
            resize,
            limits: Limits::default(),
            documents: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What is not as it should be though scores can be made of it, for the user's eyes: boxes and masks that
    /// are left out, and splits without a mask.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every file that it reads, or will, and that is there: masks, object maps, tables and documents. In order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.documents.clone();
        for id in self.known.keys() {
            if let Some(Masks::Folder(folder)) = &self.masks {
                files.extend(
                    self.paths(folder, id)
                        .into_iter()
                        .filter(|path| path.is_file()),
                );
            }
            files.extend(self.object_map(id));
        }
        files.sort();
        files
    }

    /// The classes the masks and boxes speak of.
    #[must_use]
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The mask of a case, of its image's size; `None` if there is none, or no such case.
    ///
    /// For findings, a case labelled as free of a finding needs no file for it: that plane is 0 everywhere. A finding
    /// that is labelled present and has no file is [`VOID`] everywhere if other findings of the case have theirs.
    ///
    /// An index map is `ID.png` or, where that is not there, `ID.mat` of the Semantic Boundaries Dataset.
    ///
    /// # Errors
    /// [`DataError::MaskSize`] if its file is not of the image's size and masks are not to be resized,
    /// [`DataError::MaskValues`] if it holds values that stand for nothing (findings: 0/1 or 0/255; index maps: `0..=C`
    /// and 255), [`DataError::Row`] for run lengths that are no mask, and those of [`read_index_map`].
    pub fn mask(&self, id: &str) -> Result<Option<Mask>, DataError> {
        let (Some(masks), Some(known)) = (&self.masks, self.known.get(id)) else {
            return Ok(None);
        };
        let folder = match masks {
            Masks::Folder(folder) => folder,
            Masks::Runs(runs) => {
                let (height, width) = read_image_size(&known.image, &self.limits)?;
                let plane = runs.mask(id, height, width)?;
                return Ok(plane.map(|plane| Mask {
                    planes: plane.into_stack(),
                }));
            }
        };
        let paths = self.paths(folder, id);
        if !self.covered(&paths, known)? {
            return Ok(None);
        }
        let (height, width) = read_image_size(&known.image, &self.limits)?;
        let mut planes = Vec::with_capacity(paths.len());
        for (index, path) in paths.iter().enumerate() {
            planes.push(if path.is_file() {
                self.read(path, height, width)?
            } else if known.labels.get(index) == Some(&true) {
                Plane::filled(height, width, VOID)
            } else {
                Plane::filled(height, width, 0)
            });
        }
        Ok(Some(Mask {
            planes: Stack::from_planes(&planes)?,
        }))
    }

    /// The objects of a case, of its image's size; `None` if the set does not tell them apart, or not those of this
    /// case, or has no such case.
    ///
    /// Where they come from is the set's: PASCAL VOC's `SegmentationObject/ID.png` (each object has the class that the
    /// class map has on most of its pixels; without a class map it has none, and the case no known objects), a table's
    /// `instances.json`, which is read when the first case is asked for, a phantom's mask, which is one pneumothorax.
    ///
    /// # Errors
    /// [`DataError::ObjectClass`] for an object of no class or of several, [`DataError::MaskSize`] if it is not of the
    /// image's size and masks are not to be resized, [`DataError::TooLarge`] if all masks together are, those of
    /// [`Truth::mask`] and of [`read_index_map`], and if a document of objects cannot be understood.
    pub fn instances(&self, id: &str) -> Result<Option<Vec<TrueInstance>>, DataError> {
        let (Some(objects), Some(known)) = (&self.objects, self.known.get(id)) else {
            return Ok(None);
        };
        match objects {
            Objects::One => {
                let Some(mask) = self.mask(id)? else {
                    return Ok(None);
                };
                let (image, limits) = (&known.image, &self.limits);
                true_instance::of_classes(image, &self.classes, &mask, limits).map(Some)
            }
            Objects::Document(document) => {
                let (height, width) = read_image_size(&known.image, &self.limits)?;
                let document = document.open(&self.classes)?;
                document.instances(id, height, width, self.resize, &self.limits)
            }
            Objects::Folder(_) => {
                let Some(path) = self.object_map(id) else {
                    return Ok(None);
                };
                let Some(mask) = self.mask(id)? else {
                    return Ok(None);
                };
                let class_map = mask.planes.to_plane(0);
                let objects = self.index_map(&path, class_map.height(), class_map.width())?;
                let (classes, limits) = (&self.classes, &self.limits);
                true_instance::of_map(&path, &objects, classes, &class_map, limits).map(Some)
            }
        }
    }

    /// The object map of a case, where the set has a folder of them and the file is there.
    pub(crate) fn object_map(&self, id: &str) -> Option<PathBuf> {
        let Some(Objects::Folder(folder)) = &self.objects else {
            return None;
        };
        let path = folder.join(format!("{id}.png"));
        path.is_file().then_some(path)
    }

    /// Whether a file or a run length says where the findings of a case are.
    pub(crate) fn has_mask(&self, id: &str) -> bool {
        match &self.masks {
            None => false,
            Some(Masks::Folder(folder)) => {
                let paths = self.paths(folder, id);
                paths.iter().any(|path| path.is_file())
            }
            Some(Masks::Runs(runs)) => runs.is_positive(id),
        }
    }

    /// Warnings of its folder of masks.
    pub(crate) fn odd_masks(&self, cases: &Cases) -> Vec<Fault> {
        match &self.masks {
            Some(Masks::Folder(folder)) => odd_masks(folder, cases, self),
            None | Some(Masks::Runs(_)) => Vec::new(),
        }
    }

    /// The boxes of a case, in the order of their table.
    #[must_use]
    pub fn boxes(&self, id: &str) -> &[BoundingBox] {
        self.boxes.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether any positive case of a split has a mask.
    #[must_use]
    pub fn has_masks(&self, split: Split) -> bool {
        let mut positive = self
            .of(split)
            .filter(|(_, known)| known.labels.contains(&true));
        positive.any(|(id, _)| self.has_mask(id))
    }

    fn of(&self, split: Split) -> impl Iterator<Item = (&str, &Known)> {
        self.known
            .iter()
            .filter(move |(_, known)| known.split == split)
            .map(|(id, known)| (id.as_str(), known))
    }

    /// The mask files of an id, whether they are there or not.
    fn paths(&self, folder: &Path, id: &str) -> Vec<PathBuf> {
        let mut paths = mask_paths(folder, &self.classes, id);
        let packed = self.classes.space == LabelSpace::Exclusive;
        for path in paths.iter_mut().filter(|path| !path.is_file()) {
            let endings = ["PNG"].into_iter().chain(packed.then_some("mat"));
            let others = endings.map(|ending| path.with_extension(ending));
            if let Some(there) = others.into_iter().find(|other| other.is_file()) {
                *path = there;
            }
        }
        paths
    }

    /// Whether the files say anything of a case: one of them exists, or its labels make all of them needless.
    fn covered(&self, paths: &[PathBuf], known: &Known) -> Result<bool, DataError> {
        for path in paths.iter().filter(|path| !path.is_file()) {
            for ending in ["jpg", "jpeg", "JPG", "JPEG"] {
                let lossy = path.with_extension(ending);
                if lossy.is_file() {
                    return Err(DataError::unreadable(
                        &lossy,
                        "the mask is a JPEG, which blurs class numbers into each other",
                        "save masks as PNG",
                    ));
                }
            }
        }
        let there = paths.iter().any(|path| path.is_file());
        Ok(there || (self.classes.space == LabelSpace::Findings && !known.labels.contains(&true)))
    }

    fn read(&self, path: &Path, height: usize, width: usize) -> Result<Plane<u8>, DataError> {
        let plane = self.index_map(path, height, width)?;
        match self.classes.space {
            LabelSpace::Findings => binary(path, &plane),
            LabelSpace::Exclusive => {
                check_indices(path, &plane, self.classes.len())?;
                Ok(plane)
            }
        }
    }

    /// An index map of the image's size, whatever its values mean.
    fn index_map(&self, path: &Path, height: usize, width: usize) -> Result<Plane<u8>, DataError> {
        let plane = read_index_map(path, &self.limits)?;
        match self.resize {
            _ if (plane.height(), plane.width()) == (height, width) => Ok(plane),
            Some(resize) => Ok(resize.apply(&plane, height, width)),
            None => Err(DataError::MaskSize {
                path: path.to_owned(),
                height,
                width,
                found_height: plane.height(),
                found_width: plane.width(),
            }),
        }
    }
}
