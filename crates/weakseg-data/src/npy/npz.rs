//! Several arrays in one file: a ZIP archive of `.npy` files.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use npyz::npz::{NpzArchive, array_name_from_file_name, file_name_from_array_name};
use npyz::zip::result::ZipError;
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Array, Values, encode, parse};
use crate::contain::contained;
use crate::{DataError, Limits, atomic};

/// Reads every array of a `.npz` file, stored or deflated. Members that are no arrays are passed over.
///
/// # Errors
/// [`DataError::TooLarge`] if the arrays unpack to more than [`Limits::max_bytes`] together, whatever sizes the archive
/// declares; [`DataError::Unreadable`] if it is no archive, is cut off or damaged, or an array cannot be read (its name
/// is in the message); [`DataError::Io`].
pub fn read_npz(path: &Path) -> Result<BTreeMap<String, Array>, DataError> {
    let limits = Limits::default();
    let bytes = limits.read(path)?;
    contained(path, || unpack(path, &bytes, &limits))
}

fn unpack(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<BTreeMap<String, Array>, DataError> {
    let broken = |problem: String| {
        DataError::unreadable(
            path,
            problem,
            "write the file again; it may be cut off or damaged",
        )
    };
    let mut archive = NpzArchive::new(Cursor::new(bytes))
        .map_err(|error| broken(format!("not a NumPy archive: {error}")))?;
    let zip = archive.zip_archive();
    let mut unpacked = 0_u64;
    let mut arrays = BTreeMap::new();
    for index in 0..zip.len() {
        let member = zip.by_index(index);
        let mut member = member.map_err(|error| broken(format!("member {index}: {error}")))?;
        let Some(name) = array_name_from_file_name(member.name()).map(str::to_owned) else {
            continue;
        };
        limits.check_bytes(path, unpacked.saturating_add(member.size()))?;
        // The declared size may be a lie; what comes out is counted too.
        let mut content = Vec::new();
        let budget = limits.max_bytes - unpacked;
        member
            .by_ref()
            .take(budget + 1)
            .read_to_end(&mut content)
            .map_err(|error| broken(format!("array `{name}`: {error}")))?;
        unpacked += content.len() as u64;
        limits.check_bytes(path, unpacked)?;
        let array = parse(path, &content).map_err(|error| match error {
            DataError::Unreadable {
                path,
                problem,
                remedy,
            } => DataError::Unreadable {
                path,
                problem: format!("array `{name}`: {problem}"),
                remedy,
            },
            other => other,
        })?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// Gathers arrays and writes them as one `.npz` file, stored (not deflated), without time stamps: the same arrays give
/// the same bytes.
#[derive(Debug, Default)]
pub struct NpzWriter {
    arrays: Vec<(String, Array)>,
}

impl NpzWriter {
    /// A file of no arrays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array of floats.
    pub fn f32(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> &mut Self {
        self.array(name, shape, Values::F32(values))
    }

    /// Adds an array of bytes.
    pub fn u8(&mut self, name: &str, shape: &[usize], values: Vec<u8>) -> &mut Self {
        self.array(name, shape, Values::U8(values))
    }

    /// Adds an array of integers.
    pub fn i64(&mut self, name: &str, shape: &[usize], values: Vec<i64>) -> &mut Self {
        self.array(name, shape, Values::I64(values))
    }

    fn array(&mut self, name: &str, shape: &[usize], values: Values) -> &mut Self {
        let shape = shape.to_vec();
        self.arrays.push((name.to_owned(), Array { shape, values }));
        self
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`DataError::Shape`] if an array has not one value per cell, or two have one name; [`DataError::Io`], and `path`
    /// is then as before.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        let mut members = Vec::with_capacity(self.arrays.len());
        for (index, (name, array)) in self.arrays.iter().enumerate() {
            if self.arrays[..index].iter().any(|(other, _)| other == name) {
                return Err(DataError::Shape {
                    what: format!("arrays for {}", path.display()),
                    expected: "one array of each name".into(),
                    found: format!("two of the name `{name}`"),
                });
            }
            let content = match &array.values {
                Values::F32(values) => encode(path, &array.shape, values),
                Values::U8(values) => encode(path, &array.shape, values),
                Values::I64(values) => encode(path, &array.shape, values),
            };
            members.push((file_name_from_array_name(name), content?));
        }
        let archive = pack(&members).map_err(|error| match error {
            ZipError::Io(error) => DataError::io(path, "write")(error),
            other => DataError::io(path, "write")(std::io::Error::other(other)),
        })?;
        atomic::write(path, &archive)
    }
}

fn pack(members: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = FileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(content.len() as u64 >= u64::from(u32::MAX));
        zip.start_file(name, options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_by_name_and_bytes_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
        for path in &paths {
            let mut writer = NpzWriter::new();
            writer.f32("cam", &[1, 2, 2], vec![0.0, 0.5, 1.0, -1.0]);
            writer.u8("mask", &[3], vec![0, 1, 255]);
            writer
                .i64("keys", &[2], vec![-5, i64::MAX])
                .write(path)
                .unwrap();
        }
        let arrays = read_npz(&paths[0]).unwrap();
        assert_eq!(arrays.keys().collect::<Vec<_>>(), ["cam", "keys", "mask"]);
        assert_eq!(arrays["cam"].shape, [1, 2, 2]);
        assert_eq!(arrays["cam"].values, Values::F32(vec![0.0, 0.5, 1.0, -1.0]));
        assert_eq!(arrays["mask"].values, Values::U8(vec![0, 1, 255]));
        assert_eq!(arrays["keys"].values, Values::I64(vec![-5, i64::MAX]));
        let bytes = paths.map(|path| std::fs::read(path).unwrap());
        assert_eq!(bytes[0], bytes[1]);
    }

    #[test]
    fn damage_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        NpzWriter::new()
            .u8("mask", &[4], vec![1, 2, 3, 4])
            .write(&path)
            .unwrap();
        let whole = std::fs::read(&path).unwrap();
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_npz(&path).unwrap_err().to_string()
        };
        for length in [0, 10, whole.len() / 2, whole.len() - 1] {
            assert!(error(&whole[..length]).contains("a.npz"));
        }
        let at = whole.windows(4).position(|w| w == [1, 2, 3, 4]).unwrap();
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        assert!(
            error(&flipped).contains("mask"),
            "a checksum must catch one flipped bit"
        );
    }

    #[test]
    fn names_and_shapes_are_checked_before_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut twice = NpzWriter::new();
        twice.u8("a", &[1], vec![1]).u8("a", &[1], vec![2]);
        assert!(twice.write(&path).is_err());
        assert!(
            NpzWriter::new()
                .u8("a", &[2], vec![1])
                .write(&path)
                .is_err()
        );
        assert!(!path.exists());
    }
}
