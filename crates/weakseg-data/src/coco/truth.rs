//! [`CocoTruth`]: the true objects of a set by a document beside it; and [`CocoObjects`], one that is read when it is
//! needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{CocoFile, CocoImage, CocoInstance};
use crate::{Classes, DataError, Limits, MaskResize, TrueInstance};

/// What to do about a document that has nothing to do with the set.
const OTHER: &str = "`data.instances` names another document, or `none`";

/// A document of objects, read when somebody first asks for them: most scores ask for none, and are not to end because
/// of it.
#[derive(Debug)]
pub(crate) struct CocoObjects {
    path: PathBuf,
    read: Mutex<Option<Arc<CocoTruth>>>,
}

impl CocoObjects {
    /// The document at a place, not yet looked at.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self {
            path,
            read: Mutex::new(None),
        }
    }

    /// What it says, with the classes of the set, which are those of every call. Who asks at the same time waits for
    /// the one that reads.
    ///
    /// # Errors
    /// Those of [`CocoTruth::read`].
    pub(crate) fn open(&self, classes: &Classes) -> Result<Arc<CocoTruth>, DataError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = &*read {
            return Ok(Arc::clone(document));
        }
        let document = Arc::new(CocoTruth::read(&self.path, classes)?);
        *read = Some(Arc::clone(&document));
        Ok(document)
    }
}

/// The objects of a document by the names of their images, with the classes of a set.
#[derive(Debug)]
pub(crate) struct CocoTruth {
    path: PathBuf,
    of: BTreeMap<String, (CocoImage, Vec<(usize, CocoInstance)>)>,
}

impl CocoTruth {
    /// Reads a document whose categories are classes, told by their names without regard to case.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] for a list of results and for a category that is no class, and those of
    /// [`CocoFile::read`].
    pub(crate) fn read(path: &Path, classes: &Classes) -> Result<Self, DataError> {
        let CocoFile { head, instances } = CocoFile::read(path, &Limits::default())?;
        let head = head.ok_or_else(|| {
            let problem = "a list of results, which names neither images nor categories";
            let remedy = format!("expected a document of true objects; {OTHER}");
            DataError::unreadable(path, problem, remedy)
        })?;
        let mut class_of = BTreeMap::new();
        for category in &head.categories {
            let class = classes.index(&category.name).ok_or_else(|| {
                let problem = format!(
                    "the category `{}` is none of the classes {}",
                    category.name,
                    crate::fault::some_of(&classes.names)
                );
                let remedy = format!("remove it and its annotations, or correct its name; {OTHER}");
                DataError::unreadable(path, problem, remedy)
            })?;
            class_of.insert(category.id, class);
        }
        let mut instances = instances;
        let images = head.images.into_iter().map(|image| {
            let found = instances.remove(&image.id).unwrap_or_default();
            let found = found.into_iter().map(|one| (class_of[&one.category], one));
            (image.name().to_owned(), (image, found.collect()))
        });
        Ok(Self {
            path: path.to_owned(),
            of: images.collect(),
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the images it speaks of.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.of.keys().map(String::as_str)
    }

    /// The objects of the image of a case, `height` by `width`; none if the document does not speak of it. Masks of
    /// another size are brought to it if `resize` says how; an object may lose all its pixels by that.
    ///
    /// # Errors
    /// [`DataError::MaskSize`] if the document has another size and they are not to be resized, [`DataError::TooLarge`]
    /// if all masks together are.
    pub(crate) fn instances(
        &self,
        id: &str,
        height: usize,
        width: usize,
        resize: Option<MaskResize>,
        limits: &Limits,
    ) -> Result<Option<Vec<TrueInstance>>, DataError> {
        let Some((image, instances)) = self.of.get(id) else {
            return Ok(None);
        };
        let alike = [image.height, image.width] == [height, width];
        if !alike && resize.is_none() {
            return Err(DataError::MaskSize {
                path: self.path.clone(),
                height,
                width,
                found_height: image.height,
                found_width: image.width,
            });
        }
        limits.check_masks(&self.path, instances.len(), height, width)?;
        let instances = instances.iter().map(|(class, instance)| {
            let mask = instance.mask();
            let mask = match resize {
                Some(resize) if !alike => resize.apply(&mask, height, width),
                _ => mask,
            };
            TrueInstance {
                class: *class,
                mask,
            }
        });
        Ok(Some(instances.collect()))
    }
}
