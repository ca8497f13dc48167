//! Reading and naming files; whole writing is [`weakseg_data::atomic`]'s.

use std::path::Path;

use weakseg_data::DataError;

/// For `map_err`: the file and what was tried with it, a verb.
pub(crate) fn io<'a>(
    path: &'a Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> DataError + 'a {
    move |source| DataError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(io(path, "read"))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), DataError> {
    std::fs::create_dir_all(path).map_err(io(path, "make the folder"))
}
