//! The files and folders that the settings of a set name, and the key of one that is not there.

use std::path::{Path, PathBuf};

use crate::DataError;
use crate::listing::below;

/// What a setting names.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    File,
    Folder,
}

impl Place {
    fn is_at(self, path: &Path) -> bool {
        match self {
            Self::File => path.is_file(),
            Self::Folder => path.is_dir(),
        }
    }

    fn not_at(self, path: &Path, key: &'static str, given: &Path, from: &str) -> DataError {
        let kind = match self {
            Self::File => "file",
            Self::Folder => "folder",
        };
        DataError::Config {
            key,
            found: given.display().to_string(),
            expected: format!(
                "a {kind}, found none at {}; the path starts from {from}",
                path.display()
            ),
        }
    }
}

/// The folder of a set.
///
/// # Errors
/// [`DataError::Config`] if there is none.
pub(crate) fn root_folder(base: &Path, given: &Path) -> Result<PathBuf, DataError> {
    let (root, place) = (below(base, given), Place::Folder);
    match place.is_at(&root) {
        true => Ok(root),
        false => Err(place.not_at(&root, "root", given, "the configuration's folder")),
    }
}

/// A path that must exist below the set's folder.
///
/// # Errors
/// [`DataError::Config`] if it does not.
pub(crate) fn required(
    root: &Path,
    key: &'static str,
    given: &Path,
    place: Place,
) -> Result<PathBuf, DataError> {
    let path = root.join(given);
    match place.is_at(&path) {
        true => Ok(path),
        false => Err(place.not_at(&path, key, given, "`data.root`")),
    }
}

/// A path that was given and must exist below the set's folder, or a usual one that may.
///
/// # Errors
/// [`DataError::Config`] if one that was given does not exist.
pub(crate) fn optional(
    root: &Path,
    key: &'static str,
    given: Option<&Path>,
    usual: &str,
    place: Place,
) -> Result<Option<PathBuf>, DataError> {
    match given {
        Some(given) => required(root, key, given, place).map(Some),
        None => {
            let path = root.join(usual);
            Ok(place.is_at(&path).then_some(path))
        }
    }
}
