//! Images named on a command line, as files and folders.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fault::counted;
use crate::listing::{id_of_file, is_ending};
use crate::{DataError, dicom, unsafe_id};

/// The images found, what was passed over, and what should have been an image and is none.
#[derive(Debug, Default)]
pub struct ImageList {
    /// PNG, JPEG and DICOM files, by their ending, and DICOM files without one, by their content; sorted, no two of one
    /// id.
    pub images: Vec<PathBuf>,
    /// Other files in the folders given, and folders of runs, sorted.
    pub others: Vec<PathBuf>,
    /// Inputs without an image, images whose id cannot name an output, and in the folders given links to nothing and
    /// subfolders that cannot be listed, each with the reason.
    pub refused: Vec<(PathBuf, DataError)>,
}

/// Lists the images among files and folders. Folders are searched with their subfolders; hidden files, and folders that
/// are links, are not followed, nor are folders of runs, whose pictures were made from images.
///
/// # Errors
/// If there is no image at all, what is wrong with the first input; [`DataError::Set`] if two images would give one id
/// (and so write one output).
pub fn list_images(inputs: &[PathBuf]) -> Result<ImageList, DataError> {
    let mut list = ImageList::default();
    for input in inputs {
        if let Err(error) = add(input, &mut list) {
            list.refused.push((input.clone(), error));
        }
    }
    list.images.sort();
    list.images.dedup();
    list.others.sort();
    for path in std::mem::take(&mut list.images) {
        let id = id_of_file(&path);
        match unsafe_id(&id) {
            None => list.images.push(path),
            Some(reason) => {
                let named = path.clone();
                let error = DataError::UnsafeId {
                    path: named,
                    id,
                    reason,
                };
                list.refused.push((path, error));
            }
        }
    }
    if list.images.is_empty() && !list.refused.is_empty() {
        return Err(list.refused.swap_remove(0).1);
    }
    let remedy = "rename one of the two, or name the files of each folder in a call with an output of its own";
    one_id_each(&list.images, remedy)?;
    Ok(list)
}

/// Adds what is named on the command line.
fn add(input: &Path, list: &mut ImageList) -> Result<(), DataError> {
    let kind = fs::metadata(input).map_err(DataError::io(input, "read"))?;
    if kind.is_dir() {
        let (images, others) = (list.images.len(), list.others.len());
        search(input, list)?;
        if list.images.len() == images {
            return Err(DataError::Set {
                path: input.to_owned(),
                problem: format!(
                    "no PNG, JPEG or DICOM image ({})",
                    counted(list.others.len() - others, "other file")
                ),
                remedy: "name images, or folders that hold some".into(),
            });
        }
    } else if is_image(input) {
        list.images.push(input.to_owned());
    } else {
        return Err(DataError::unreadable(
            input,
            "neither `.png`, `.jpg` nor `.dcm` by its name, nor DICOM by its content",
            "convert the image to PNG",
        ));
    }
    Ok(())
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
    one_id_each(&masks, "rename one of the two")?;
    Ok(masks)
}

/// Refuses two files of one id.
fn one_id_each(images: &[PathBuf], remedy: &str) -> Result<(), DataError> {
    let mut ids: BTreeMap<String, &Path> = BTreeMap::new();
    for image in images {
        let id = id_of_file(image).to_lowercase();
        if let Some(other) = ids.insert(id.clone(), image) {
            return Err(DataError::Set {
                path: image.clone(),
                problem: format!(
                    "has the id `{id}` of {} too; their outputs would be one file",
                    other.display()
                ),
                remedy: remedy.into(),
            });
        }
    }
    Ok(())
}

/// Adds the images below a folder, and what else lies there, to a list.
///
/// # Errors
/// [`DataError::Io`] if the folder itself cannot be listed.
pub(crate) fn search(folder: &Path, list: &mut ImageList) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::io(folder, "list"))? {
        let entry = entry.map_err(DataError::io(folder, "list"))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(DataError::io(&path, "read"))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if is_run(&path) {
                list.others.push(path);
            } else if let Err(error) = search(&path, list) {
                list.refused.push((path, error));
            }
        } else if is_image(&path) && path.is_file() {
            list.images.push(path);
        } else if let Err(source) = fs::metadata(&path)
            && is_image(&path)
        {
            let error = DataError::io(&path, "read")(source);
            list.refused.push((path, error));
        } else {
            list.others.push(path);
        }
    }
    Ok(())
}

/// Whether a folder is that of a run, by two files that each has from its first moment.
fn is_run(folder: &Path) -> bool {
    ["run.json", "config.toml"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

pub(crate) fn is_image(path: &Path) -> bool {
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
        fs::create_dir_all(at("sub/run/04-make-ir-labels")).unwrap();
        for name in [
            "b.png",
            "a.JPG",
            "sub/c.jpeg",
            "d.DCM",
            "notes.txt",
            ".hidden.png",
            "sub/run/run.json",
            "sub/run/config.toml",
            "sub/run/04-make-ir-labels/b.png",
        ] {
            fs::write(at(name), b"").unwrap();
        }
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM");
        for name in ["IM0001", "1.2.840.5", "DICOMDIR"] {
            fs::write(at(name), &dicom).unwrap();
        }
        fs::create_dir(at("empty")).unwrap();
        let named = ["b.png", "IM0001", "notes.txt", "gone.png", "empty"].map(at);
        let list = list_images(&[&[root.path().to_owned()][..], &named].concat()).unwrap();
        let expected = [
            "1.2.840.5",
            "IM0001",
            "a.JPG",
            "b.png",
            "d.DCM",
            "sub/c.jpeg",
        ];
        assert_eq!(list.images, expected.map(at));
        assert_eq!(list.others, ["DICOMDIR", "notes.txt", "sub/run"].map(at));
        let refused = list.refused.iter().map(|(path, _)| path.clone());
        let expected = ["notes.txt", "gone.png", "empty"].map(at);
        assert!(refused.eq(expected), "{:?}", list.refused);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_an_image_that_is_missed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("a.png"), b"").unwrap();
        for name in ["b.png", "notes"] {
            std::os::unix::fs::symlink(at("gone"), at(name)).unwrap();
        }
        let list = list_images(&[root.path().to_owned()]).unwrap();
        assert_eq!(
            (list.images, list.others),
            (vec![at("a.png")], vec![at("notes")])
        );
        let [(path, DataError::Io { .. })] = list.refused.as_slice() else {
            panic!("{:?}", list.refused);
        };
        assert_eq!(*path, at("b.png"));
    }

    #[cfg(unix)]
    #[test]
    fn an_image_that_cannot_name_an_output_is_refused_alone() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["a.png", "12:30:05.png"] {
            fs::write(at(name), b"").unwrap();
        }
        let list = list_images(&[root.path().to_owned()]).unwrap();
        assert_eq!(list.images, [at("a.png")]);
        let [(path, DataError::UnsafeId { id, .. })] = list.refused.as_slice() else {
            panic!("{:?}", list.refused);
        };
        assert_eq!((path, id.as_str()), (&at("12:30:05.png"), "12:30:05"));
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
