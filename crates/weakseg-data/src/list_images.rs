//! Images named on a command line, as files and folders.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::listing::{id_of, is_ending};
use crate::{DataError, dicom};

/// The images found, and what was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageList {
    /// PNG, JPEG and DICOM files, by their ending, and DICOM files without one, by their content; sorted, no two of one
    /// id.
    pub images: Vec<PathBuf>,
    /// Other files in the folders given, sorted.
    pub others: Vec<PathBuf>,
}

/// Lists the images among files and folders. Folders are searched with their subfolders; hidden files, and folders that
/// are links, are not followed.
///
/// # Errors
/// [`DataError::Io`] if an input does not exist or a folder cannot be listed; [`DataError::Unreadable`] if a file that
/// was named is neither PNG, JPEG nor DICOM; [`DataError::Set`] if there is no image at all, or if two images
/// would give one id (and so write one output).
pub fn list_images(inputs: &[PathBuf]) -> Result<ImageList, DataError> {
    let mut list = ImageList::default();
    for input in inputs {
        let kind = fs::metadata(input).map_err(DataError::io(input, "read"))?;
        if kind.is_dir() {
            search(input, &mut list)?;
        } else if is_image(input) {
            list.images.push(input.clone());
        } else {
            return Err(DataError::unreadable(
                input,
                "neither `.png`, `.jpg` nor `.dcm` by its name, nor DICOM by its content",
                "convert the image to PNG",
            ));
        }
    }
    list.images.sort();
    list.images.dedup();
    list.others.sort();
    if list.images.is_empty() {
        return Err(DataError::Set {
            path: inputs.first().cloned().unwrap_or_default(),
            problem: format!(
                "no PNG, JPEG or DICOM image ({} other files)",
                list.others.len()
            ),
            remedy: "name images, or folders that hold some".into(),
        });
    }
    one_id_each(&list.images)?;
    Ok(list)
}

/// The masks of a folder, sorted, no two of one id: the pictures in it, not those in its subfolders.
pub(crate) fn masks_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut masks = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder, "list"))? {
        let path = entry.map_err(DataError::io(folder, "list"))?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let ending = path.extension().and_then(|ending| ending.to_str());
        if !hidden && ending.is_some_and(is_ending) && path.is_file() {
            masks.push(path);
        }
    }
    masks.sort();
    if masks.is_empty() {
        return Err(DataError::Set {
            path: folder.to_owned(),
            problem: "no masks in this folder (its subfolders are not looked into)".into(),
            remedy: "name the folder that holds ID.png; of several findings each has its own"
                .into(),
        });
    }
    one_id_each(&masks)?;
    Ok(masks)
}

/// Refuses two files of one id.
fn one_id_each(images: &[PathBuf]) -> Result<(), DataError> {
    let mut ids: BTreeMap<String, &Path> = BTreeMap::new();
    for image in images {
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let id = id_of(&name).to_lowercase();
        if let Some(other) = ids.insert(id.clone(), image) {
            return Err(DataError::Set {
                path: image.clone(),
                problem: format!(
                    "has the id `{id}` of {} too; their outputs would be one file",
                    other.display()
                ),
                remedy: "rename one of the two, or treat their folders one by one".into(),
            });
        }
    }
    Ok(())
}

/// Adds the images below a folder, and what else lies there, to a list.
pub(crate) fn search(folder: &Path, list: &mut ImageList) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::io(folder, "list"))? {
        let entry = entry.map_err(DataError::io(folder, "list"))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(DataError::io(&path, "read"))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            search(&path, list)?;
        } else if is_image(&path) && path.is_file() {
            list.images.push(path);
        } else {
            list.others.push(path);
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(is_ending) || is_unnamed_dicom(path)
}

/// Whether a file without a known ending has the DICOM marker: that is how many archives write them. Indices of media
/// (DICOMDIR) have it too, and are no images.
fn is_unnamed_dicom(path: &Path) -> bool {
    let index = path
        .file_name()
        .is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"));
    let mut start = [0; 132];
    !index
        && path.is_file()
        && fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && dicom::is_dicom(&start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_and_others_reported() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("sub/x.png")).unwrap();
        for name in [
            "b.png",
            "a.JPG",
            "sub/c.jpeg",
            "d.DCM",
            "notes.txt",
            ".hidden.png",
        ] {
            fs::write(at(name), b"").unwrap();
        }
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM");
        for name in ["IM0001", "1.2.840.5", "DICOMDIR"] {
            fs::write(at(name), &dicom).unwrap();
        }
        let list = list_images(&[root.path().to_owned(), at("b.png"), at("IM0001")]).unwrap();
        let expected = [
            "1.2.840.5",
            "IM0001",
            "a.JPG",
            "b.png",
            "d.DCM",
            "sub/c.jpeg",
        ];
        assert_eq!(list.images, expected.map(at));
        assert_eq!(list.others, [at("DICOMDIR"), at("notes.txt")]);
    }

    #[test]
    fn nothing_to_do_and_two_outputs_of_one_name_are_errors() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("a.txt"), b"").unwrap();
        let error = |inputs: &[PathBuf]| list_images(inputs).unwrap_err().to_string();
        assert!(error(&[root.path().to_owned()]).contains("no PNG, JPEG or DICOM"));
        assert!(error(&[at("a.txt")]).contains("a.txt"));
        assert!(error(&[at("gone.png")]).contains("gone.png"));
        fs::write(at("a.png"), b"").unwrap();
        fs::write(at("A.jpg"), b"").unwrap();
        assert!(error(&[root.path().to_owned()]).contains("a.png"));
    }
}
