//! The Semantic Boundaries Dataset: index maps in MAT-files, `dataset/cls/ID.mat` and `dataset/inst/ID.mat`.
//!
//! Each holds one structure (`GTcls` or `GTinst`) whose field `Segmentation` is a matrix of bytes; its boundaries and
//! lists beside it are passed over (Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011, the README
//! of its data).

use std::path::Path;

use crate::mat::{self, MatError};
use crate::{DataError, Limits, Plane, png};

/// Bytes for what stands beside the pixels in a compressed file: boundaries of every class, which are sparse.
const BESIDE_PIXELS: u64 = 1 << 24;

/// Which of the dataset's two kinds of map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SbdMap {
    /// Class numbers, 0 = background (`GTcls`, below `dataset/cls`).
    Classes,
    /// Numbers of objects, 0 = background (`GTinst`, below `dataset/inst`).
    Instances,
}

impl SbdMap {
    fn variable(self) -> &'static str {
        match self {
            Self::Classes => "GTcls",
            Self::Instances => "GTinst",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Classes => "cls",
            Self::Instances => "inst",
        }
    }
}

/// Reads a map of the Semantic Boundaries Dataset, H×W. The dataset marks no void.
///
/// # Errors
/// [`DataError::Io`], [`DataError::TooLarge`]; [`DataError::Unreadable`] if the file is no MAT-file of version 5, is
/// cut off or damaged (with the byte), or holds the other kind of map.
pub fn read_sbd(path: &Path, map: SbdMap, limits: &Limits) -> Result<Plane<u8>, DataError> {
    decode(path, &limits.read(path)?, map, limits)
}

/// Reads an index map: a PNG as [`read_index_png`](crate::read_index_png) does, or the class numbers of a `.mat` file
/// of the Semantic Boundaries Dataset. The format is told by the content.
///
/// # Errors
/// Those of [`read_index_png`](crate::read_index_png) and of [`read_sbd`].
pub fn read_index_map(path: &Path, limits: &Limits) -> Result<Plane<u8>, DataError> {
    let bytes = limits.read(path)?;
    let named = path.extension().is_some_and(is_mat_ending);
    // A MAT-file is known by two bytes in its midst, which a PNG may have there as well.
    if !png::is_png(&bytes) && (named || mat::is_mat(&bytes)) {
        decode(path, &bytes, SbdMap::Classes, limits)
    } else {
        png::decode_indices(path, &bytes, limits)
    }
}

/// Whether a file name's ending is that of a MAT-file.
fn is_mat_ending(ending: &std::ffi::OsStr) -> bool {
    ending.eq_ignore_ascii_case("mat")
}

fn decode(path: &Path, bytes: &[u8], map: SbdMap, limits: &Limits) -> Result<Plane<u8>, DataError> {
    let told = |error: MatError| {
        let remedy = match &error {
            MatError::NoVariable { .. } => format!(
                "take the files below `dataset/{}` of the Semantic Boundaries Dataset",
                map.folder()
            ),
            MatError::NoMat | MatError::Version { .. } => {
                "save it from MATLAB with `-v7`, or as an index PNG".to_owned()
            }
            _ => "copy the file again; it may be cut off or damaged".to_owned(),
        };
        DataError::unreadable(path, error.to_string(), remedy)
    };
    let most = limits.max_pixels.saturating_add(BESIDE_PIXELS);
    let most = most.min(limits.max_bytes);
    let read = mat::variable(bytes, map.variable(), most, |structure| {
        let matrix = structure.field("Segmentation")?;
        let size = matrix.size()?;
        Ok((size, matrix.bytes()?.to_vec()))
    });
    let ([rows, columns], values) = read.map_err(told)?;
    limits.check_size(path, rows.into(), columns.into())?;
    let (rows, columns) = (rows as usize, columns as usize);
    // MATLAB goes down the columns.
    Ok(Plane::from_fn(rows, columns, |y, x| values[x * rows + y]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_never_panics_and_half_a_file_is_an_error() {
        let path = Path::new("damaged.mat");
        let read = |bytes: &[u8]| decode(path, bytes, SbdMap::Classes, &Limits::default());
        for whole in [
            &include_bytes!("../tests/oracle/sbd_cls.mat")[..],
            include_bytes!("../tests/oracle/sbd_cls_plain.mat"),
            include_bytes!("../tests/oracle/sbd_cls_big_endian.mat"),
        ] {
            let map = read(whole).unwrap();
            let mut same = 0;
            for at in 0..whole.len() {
                assert!(read(&whole[..at]).is_err(), "{at} bytes");
                for flip in [0x01, 0x55, 0x80, 0xff] {
                    let mut damaged = whole.to_vec();
                    damaged[at] ^= flip;
                    match read(&damaged) {
                        // The header's text, parts that are passed over, or, without a checksum, other class numbers.
                        Ok(found) => {
                            assert_eq!(found.len(), map.len(), "byte {at}");
                            same += usize::from(found == map);
                        }
                        Err(error) => assert!(error.to_string().contains("damaged.mat: ")),
                    }
                }
            }
            // Nothing of the header but version and byte order is read.
            assert!((4 * 124..4 * whole.len()).contains(&same), "{same}");
        }
    }
}
