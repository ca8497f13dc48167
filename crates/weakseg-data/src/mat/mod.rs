//! MATLAB's MAT-files of version 5, as far as the Semantic Boundaries Dataset needs them: a variable by its name, a
//! field of it, and a matrix of bytes (MathWorks, "MAT-File Format", level 5).
//!
//! Nothing is walked into but the way to what is asked for: everything beside it is passed over by its length, so
//! neither depth nor number of arrays costs anything. Lengths are compared with the bytes that are there before they
//! are used, and an unpacked element has the length that its own tag declares, which the caller limits.

mod element;
mod error;
mod matrix;
mod unpack;

pub(crate) use error::MatError;
pub(crate) use matrix::Matrix;

use element::{ByteOrder, Elements, kind};
use unpack::unpack;

/// Bytes before the first element.
const HEADER: usize = 128;

/// Whether the bytes begin as a MAT-file of version 5 (or 7.3, which is another format with the same header) does.
pub(crate) fn is_mat(bytes: &[u8]) -> bool {
    matches!(bytes.get(HEADER - 2..HEADER), Some(b"IM" | b"MI"))
}

/// Hands the variable of a name to `read`; variables before it are unpacked for their names, to `most` bytes in all.
///
/// # Errors
/// [`MatError::NoVariable`] with the names of those that are there, and whatever damage lies on the way.
pub(crate) fn variable<T>(
    bytes: &[u8],
    name: &str,
    most: u64,
    read: impl FnOnce(Matrix<'_>) -> Result<T, MatError>,
) -> Result<T, MatError> {
    let order = header(bytes)?;
    let mut elements = Elements::new(&bytes[HEADER..], order, HEADER);
    let mut left = most;
    let mut found = Vec::new();
    while let Some(element) = elements.advance()? {
        let unpacked;
        let element = if element.kind == kind::COMPRESSED {
            unpacked = unpack(&element, order, left)?;
            left = left.saturating_sub(unpacked.len() as u64);
            let mut inner = Elements::unpacked(&unpacked, order, element.place.at);
            inner.advance()?.ok_or(MatError::CutOff {
                place: element.place,
                needed: 8,
                left: 0,
            })?
        } else {
            element
        };
        let matrix = Matrix::read(&element, order)?;
        if matrix.name == name.as_bytes() {
            return read(matrix);
        }
        found.push(String::from_utf8_lossy(matrix.name).into_owned());
    }
    Err(MatError::NoVariable {
        name: name.to_owned(),
        found,
    })
}

/// The byte order of a file, if it is one that is read.
fn header(bytes: &[u8]) -> Result<ByteOrder, MatError> {
    let (version, order) = match bytes.get(HEADER - 4..HEADER) {
        None => {
            return Err(MatError::Header {
                length: bytes.len(),
            });
        }
        Some([low, high, b'I', b'M']) => ([*high, *low], ByteOrder::Little),
        Some([high, low, b'M', b'I']) => ([*high, *low], ByteOrder::Big),
        Some(_) => return Err(MatError::NoMat),
    };
    match u16::from_be_bytes(version) {
        0x0100 => Ok(order),
        version => Err(MatError::Version { version }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    /// An element, filled up to a multiple of eight bytes.
    fn element(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// An array that has nothing but what every array begins with.
    fn array(name: &str) -> Vec<u8> {
        let parts = [
            element(kind::UINT32, &[9, 0, 0, 0, 0, 0, 0, 0]),
            element(kind::INT32, &[0; 8]),
            element(kind::INT8, name.as_bytes()),
        ];
        element(kind::MATRIX, &parts.concat())
    }

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![b' '; HEADER - 4];
        bytes.extend([0, 1, b'I', b'M']);
        bytes.extend(elements.concat());
        bytes
    }

    /// What a search for the variable `x` ends with.
    fn missed(bytes: &[u8], most: u64) -> String {
        let found = variable(bytes, "x", most, |_| Ok(()));
        found.unwrap_err().to_string()
    }

    #[test]
    fn filling_is_not_taken_off_what_may_be_unpacked() {
        for filling in 0..8 {
            let inner = array("other");
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&inner).unwrap();
            encoder.write_all(&vec![0; filling]).unwrap();
            let packed = encoder.finish().unwrap();
            let mut bytes = file(&[]);
            for _ in 0..2 {
                bytes.extend(kind::COMPRESSED.to_le_bytes());
                bytes.extend((packed.len() as u32).to_le_bytes());
                bytes.extend(&packed);
            }
            let length = inner.len() as u64;
            // Enough for both to the byte, then for the first alone, of which nothing is left for the second.
            let text = missed(&bytes, 2 * length);
            assert!(text.contains("`other`, `other`"), "{filling}: {text}");
            let text = missed(&bytes, length);
            assert!(text.contains("0 are allowed"), "{filling}: {text}");
        }
    }

    #[test]
    fn names_that_no_variable_has_are_refused() {
        let text = missed(&file(&[array(&"n".repeat(64))]), 0);
        assert!(text.contains("the variable `x`"), "{text}");
        let text = missed(&file(&[array(&"n".repeat(65))]), 0);
        assert_eq!(
            text,
            "byte 168: the name of an array is 65 bytes, expected at most 64"
        );
    }
}
