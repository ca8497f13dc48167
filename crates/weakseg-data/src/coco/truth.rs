//! [`CocoTruth`]: the true objects of a set by a document beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{CocoFile, CocoImage, CocoInstance};
use crate::{Classes, DataError, Limits, TrueInstance};

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
            DataError::unreadable(path, problem, "expected a document of true objects")
        })?;
        let mut class_of = BTreeMap::new();
        for category in &head.categories {
            let class = classes.index(&category.name).ok_or_else(|| {
                let problem = format!(
                    "the category `{}` is none of the classes {}",
                    category.name,
                    crate::fault::some_of(&classes.names)
                );
                DataError::unreadable(
                    path,
                    problem,
                    "remove it and its annotations, or correct its name",
                )
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

    /// The objects of the image of a case, `height` by `width`; none if the document does not speak of it.
    ///
    /// # Errors
    /// [`DataError::MaskSize`] if the document has another size, [`DataError::TooLarge`] if all masks together are.
    pub(crate) fn instances(
        &self,
        id: &str,
        height: usize,
        width: usize,
        limits: &Limits,
    ) -> Result<Option<Vec<TrueInstance>>, DataError> {
        let Some((image, instances)) = self.of.get(id) else {
            return Ok(None);
        };
        if [image.height, image.width] != [height, width] {
            return Err(DataError::MaskSize {
                path: self.path.clone(),
                height,
                width,
                found_height: image.height,
                found_width: image.width,
            });
        }
        let bytes = (instances.len() * height) as u64 * width as u64;
        limits.check_bytes(&self.path, bytes)?;
        let instances = instances.iter().map(|(class, instance)| TrueInstance {
            class: *class,
            mask: instance.mask(),
        });
        Ok(Some(instances.collect()))
    }
}
