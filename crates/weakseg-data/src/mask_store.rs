//! [`MaskStore`]: a folder of masks that a step writes and a later one reads.
//!
//! Index maps and sets of one finding lie at `DIR/ID.png`, several findings at `DIR/FINDING/ID.png`; all are palette
//! PNGs of 0, class numbers and 255 (void), each written beside and renamed.

use std::path::{Path, PathBuf};

use crate::mask::check_indices;
use crate::{
    Classes, DataError, LabelSpace, Limits, Mask, Stack, read_index_png, unsafe_id, write_index_png,
};

/// A folder of masks, one per id.
#[derive(Clone, Debug)]
pub struct MaskStore {
    folder: PathBuf,
    classes: Classes,
    limits: Limits,
}

impl MaskStore {
    /// The masks in `folder`, which need not exist yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, classes: Classes) -> Self {
        Self {
            folder: folder.into(),
            classes,
            limits: Limits::default(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of one id, one per plane.
    ///
    /// # Errors
    /// [`DataError::UnsafeId`] if the id could lead out of the folder.
    pub fn paths(&self, id: &str) -> Result<Vec<PathBuf>, DataError> {
        if let Some(reason) = unsafe_id(id) {
            return Err(DataError::UnsafeId {
                path: self.folder.clone(),
                id: id.to_owned(),
                reason,
            });
        }
        Ok(mask_paths(&self.folder, &self.classes, id))
    }

    /// Whether every plane of an id is there.
    #[must_use]
    pub fn exists(&self, id: &str) -> bool {
        self.paths(id)
            .is_ok_and(|paths| paths.iter().all(|path| path.is_file()))
    }

    /// Writes the mask of an id over what there was.
    ///
    /// # Errors
    /// [`DataError::Shape`] if the mask has not one plane per file, [`DataError::MaskValues`] if a value stands for
    /// nothing, [`DataError::UnsafeId`], [`DataError::Io`].
    pub fn write(&self, id: &str, mask: &Mask) -> Result<(), DataError> {
        let paths = self.paths(id)?;
        if mask.planes.channels() != paths.len() {
            return Err(DataError::Shape {
                what: format!("mask of `{id}`"),
                expected: format!("{} planes", paths.len()),
                found: format!("{}", mask.planes.channels()),
            });
        }
        for (index, path) in paths.iter().enumerate() {
            let plane = mask.planes.to_plane(index);
            check_indices(path, &plane, self.greatest())?;
            write_index_png(path, &plane)?;
        }
        Ok(())
    }

    /// Reads the mask of an id.
    ///
    /// # Errors
    /// Those of [`read_index_png`]; [`DataError::MaskValues`] if a value stands for nothing, [`DataError::Shape`] if
    /// planes differ in size, [`DataError::UnsafeId`].
    pub fn read(&self, id: &str) -> Result<Mask, DataError> {
        let mut planes = Vec::new();
        for path in self.paths(id)? {
            let plane = read_index_png(&path, &self.limits)?;
            check_indices(&path, &plane, self.greatest())?;
            planes.push(plane);
        }
        Ok(Mask {
            planes: Stack::from_planes(&planes)?,
        })
    }

    fn greatest(&self) -> usize {
        match self.classes.space {
            LabelSpace::Exclusive => self.classes.len(),
            LabelSpace::Findings => 1,
        }
    }
}

/// The mask files of an id that is known to be safe.
pub(crate) fn mask_paths(folder: &Path, classes: &Classes, id: &str) -> Vec<PathBuf> {
    let file = format!("{id}.png");
    match classes.space {
        LabelSpace::Findings if classes.len() > 1 => classes
            .names
            .iter()
            .map(|finding| folder.join(finding).join(&file))
            .collect(),
        _ => vec![folder.join(file)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plane;

    fn store(folder: &Path, names: &[&str], space: LabelSpace) -> MaskStore {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        MaskStore::new(folder, Classes { names, space })
    }

    #[test]
    fn masks_come_back_as_written_in_each_layout() {
        let folder = tempfile::tempdir().unwrap();
        let plane = |values: [u8; 4]| Plane::new(2, 2, values.to_vec()).unwrap();
        let voc = store(
            &folder.path().join("voc"),
            &["cat", "dog"],
            LabelSpace::Exclusive,
        );
        let indices = Mask {
            planes: plane([0, 2, 1, 255]).into_stack(),
        };
        assert!(!voc.exists("a"));
        voc.write("a", &indices).unwrap();
        assert!(voc.exists("a") && folder.path().join("voc/a.png").is_file());
        assert_eq!(voc.read("a").unwrap(), indices);

        let two = store(
            &folder.path().join("two"),
            &["mass", "node"],
            LabelSpace::Findings,
        );
        let planes = [plane([0, 1, 1, 255]), plane([1, 1, 0, 0])];
        let findings = Mask {
            planes: Stack::from_planes(&planes).unwrap(),
        };
        two.write("a", &findings).unwrap();
        assert!(folder.path().join("two/node/a.png").is_file());
        assert_eq!(two.read("a").unwrap(), findings);
        std::fs::remove_file(folder.path().join("two/node/a.png")).unwrap();
        assert!(!two.exists("a"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let voc = store(folder.path(), &["cat"], LabelSpace::Exclusive);
        let strange = Mask {
            planes: Stack::filled(1, 2, 2, 2),
        };
        assert!(matches!(
            voc.write("a", &strange),
            Err(DataError::MaskValues { .. })
        ));
        assert!(!voc.exists("a"));
        let planes = Mask {
            planes: Stack::filled(2, 2, 2, 0),
        };
        assert!(matches!(
            voc.write("a", &planes),
            Err(DataError::Shape { .. })
        ));
        assert!(matches!(voc.read("../a"), Err(DataError::UnsafeId { .. })));
    }
}
