//! Files that are never half-written: each is written beside its place and renamed over it.
//!
//! After a crash or a full disk the file under its final name is either the old one or the new one. What is not
//! promised: [`write()`] does not wait for the disk, so after a power cut a new file may be missing; use
//! [`write_durably`] for what must survive that. A killed process may leave a file `.tmp*` behind, which nothing reads.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::DataError;

/// Writes `bytes` to `path`, making its folder if there is none. A link is followed: what it leads to is replaced.
///
/// # Errors
/// [`DataError::Io`] if the folder cannot be made or the file not written, and if `path` is a device, a pipe or a
/// socket, which a file would take the place of; `path` is then as before.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    write_with(path, |file| file.write_all(bytes))
}

/// As [`write()`], and waits until the disk holds the bytes and the name.
///
/// # Errors
/// As [`write()`].
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    replace(path, true, |file| file.write_all(bytes))
}

/// As [`write()`], with what `content` writes.
///
/// # Errors
/// As [`write()`].
pub fn write_with(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&fs::File>) -> io::Result<()>,
) -> Result<(), DataError> {
    replace(path, false, content)
}

/// Whether a file could be written at `path`, for work that ends in one: tried beside it, the folder being made if
/// there is none.
///
/// # Errors
/// As [`write()`], and if `path` is a folder.
pub fn check(path: &Path) -> Result<(), DataError> {
    if path.is_dir() {
        let folder = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(DataError::io(path, "write")(folder));
    }
    let place = place_of(path).map_err(DataError::io(path, "write"))?;
    let folder = folder_of(&place);
    fs::create_dir_all(folder).map_err(DataError::io(folder, "make the folder"))?;
    let scratch = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder);
    scratch.map(drop).map_err(DataError::io(path, "write"))
}

fn replace(
    path: &Path,
    durable: bool,
    content: impl FnOnce(&mut BufWriter<&fs::File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let place = place_of(path).map_err(DataError::io(path, "write"))?;
    let folder = folder_of(&place);
    fs::create_dir_all(folder).map_err(DataError::io(folder, "make the folder"))?;
    write_beside(&place, folder, durable, content).map_err(DataError::io(path, "write"))
}

/// Where the file lies that `path` leads to, or will.
fn place_of(path: &Path) -> io::Result<PathBuf> {
    let Ok(found) = path.symlink_metadata() else {
        return Ok(path.to_owned());
    };
    let (place, found) = match found.is_symlink() {
        true => {
            let place = fs::canonicalize(path)?;
            let found = place.metadata()?;
            (place, found)
        }
        false => (path.to_owned(), found),
    };
    if found.is_file() || found.is_dir() {
        return Ok(place);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "a device, pipe or socket, not a file; name a file",
    ))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn write_beside(
    path: &Path,
    folder: &Path,
    durable: bool,
    content: impl FnOnce(&mut BufWriter<&fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    // A scratch file is private by default; the finished one must be as readable as any other output.
    #[cfg(unix)]
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(readable);
    let scratch = builder.tempfile_in(folder)?;
    let mut file = BufWriter::new(scratch.as_file());
    content(&mut file)?;
    file.flush()?;
    drop(file);
    if durable {
        scratch.as_file().sync_all()?;
    }
    scratch.persist(path)?;
    #[cfg(unix)]
    if durable {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.txt");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        let message = failed.unwrap_err().to_string();
        assert!(
            message.contains("a.txt") && message.contains("disk full"),
            "{message}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write_durably(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_what_is_no_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("a.txt"), b"old").unwrap();
        std::os::unix::fs::symlink(at("a.txt"), at("link")).unwrap();
        write(&at("link"), b"new").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read(at("a.txt")).unwrap(), b"new");
        std::os::unix::fs::symlink(at("gone"), at("dangling")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for bad in ["dangling", "socket"] {
            check(&at(bad)).unwrap_err();
            let message = write(&at(bad), b"new").unwrap_err().to_string();
            assert!(message.contains(bad), "{message}");
            assert!(!at(bad).is_file());
        }
    }

    #[test]
    fn what_could_not_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/a.txt");
        check(&file).unwrap();
        assert!(!file.exists());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 0);
        write(&file, b"old").unwrap();
        check(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"old");
        for (bad, part) in [
            (folder.path().to_owned(), "cannot write"),
            (file.join("below-a-file"), "a.txt: cannot make the folder"),
        ] {
            let message = check(&bad).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
            assert!(write(&bad, b"new").is_err(), "{message}");
        }
    }
}
