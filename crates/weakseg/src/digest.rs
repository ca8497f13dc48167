//! SHA-256 of what a step reads and writes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use weakseg_data::DataError;

use crate::files::{io, read};

/// SHA-256 in lower-case hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read piece by piece, and its length in bytes.
///
/// # Errors
/// When the file cannot be read.
pub fn digest_file(path: &Path) -> Result<(u64, String), DataError> {
    let mut file = File::open(path).map_err(io(path, "open"))?;
    let mut piece = vec![0; 1 << 16];
    let (mut whole, mut length) = (Sha256::new(), 0);
    loop {
        let read = file.read(&mut piece).map_err(io(path, "read"))?;
        if read == 0 {
            return Ok((length, hex(&whole.finalize())));
        }
        whole.update(&piece[..read]);
        length += read as u64;
    }
}

/// SHA-256 over the names and contents of all files below `folder`, in the order of their names; the file `leave_out`
/// at its top is left out.
///
/// # Errors
/// When a file cannot be read.
pub fn digest_folder(folder: &Path, leave_out: &str) -> Result<String, DataError> {
    let mut whole = Sha256::new();
    for path in files(folder)? {
        let name = path
            .strip_prefix(folder)
            .expect("listed below the folder")
            .to_string_lossy()
            .into_owned();
        if name != leave_out {
            whole.update(name.as_bytes());
            whole.update([0]);
            whole.update(Sha256::digest(read(&path)?));
        }
    }
    Ok(hex(&whole.finalize()))
}

/// All files below `folder`, sorted.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder, "list"))? {
        let path = entry.map_err(io(folder, "list"))?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        // More than two pieces, and no whole number of them.
        let bytes: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).expect("written");
        let found = super::digest_file(&path).expect("read");
        assert_eq!(found, (150_000, super::digest(&bytes)));
    }

    #[test]
    fn the_empty_digest_is_the_published_one() {
        assert_eq!(
            super::digest(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
