//! MATLAB's MAT-files of version 5, as far as the Semantic Boundaries Dataset needs them: a variable by its name, a field of
//! it, and a matrix of bytes (MathWorks, "MAT-File Format", level 5).
//!
//! Nothing is walked into but the way to what is asked for: everything beside it is passed over by its length, so neither
//! depth nor number of arrays costs anything. Lengths are compared with the bytes that are there before they are used, and an
//! unpacked element has the length that its own tag declares, which the caller limits.

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
            left -= unpacked.len() as u64;
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
