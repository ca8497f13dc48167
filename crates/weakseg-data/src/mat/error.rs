//! [`MatError`]: what is wrong with a MAT-file, and at which byte.

use std::fmt;
use std::io;

/// A place in a file, or in what was unpacked from one of its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where in the file the compressed element begins, if it is inside of one.
    pub(super) packed: Option<usize>,
    /// The byte, counted from 0.
    pub(super) at: usize,
}

impl Place {
    /// So many bytes further on.
    pub(super) fn further(self, bytes: usize) -> Self {
        Self {
            at: self.at + bytes,
            ..self
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.at)?;
        match self.packed {
            None => Ok(()),
            Some(packed) => write!(f, " of what is packed at byte {packed}"),
        }
    }
}

/// Why a MAT-file gives not what is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MatError {
    /// Shorter than every MAT-file.
    #[error("the file has {length} bytes, the header of a MAT-file alone has 128")]
    Header {
        /// Bytes of the file.
        length: usize,
    },
    /// No mark of the byte order.
    #[error("not a MAT-file of version 5: bytes 126 and 127 are neither `IM` nor `MI`")]
    NoMat,
    /// Another format under the same header.
    #[error(
        "a MAT-file of version {:#06x} (bytes 124 and 125), 0x0100 is read",
        version
    )]
    Version {
        /// The version; 0x0200 is HDF5.
        version: u16,
    },
    /// A length beyond the end.
    #[error("{place}: the element has {needed} bytes by its tag, {left} are left")]
    CutOff {
        /// Where its tag begins.
        place: Place,
        /// Bytes that it says it has.
        needed: usize,
        /// Bytes to the end of the file, or of the array around it.
        left: usize,
    },
    /// More data than a small element has room for.
    #[error("{place}: a small element of {length} bytes, which can have 4 at most")]
    Small {
        /// Where it begins.
        place: Place,
        /// Bytes that it says it has.
        length: usize,
    },
    /// Data of another type.
    #[error("{place}: {what} is an element of type {found}, expected type {expected}")]
    Kind {
        /// Where its tag begins.
        place: Place,
        /// What it was to be.
        what: &'static str,
        /// Its type.
        found: u32,
        /// The type it was to be of.
        expected: u32,
    },
    /// An array that ends before one of its parts.
    #[error("{place}: the array ends before {what}")]
    Missing {
        /// Where it ends.
        place: Place,
        /// What is not there.
        what: &'static str,
    },
    /// A part that has not the form its place needs.
    #[error("{place}: {what} is {found}, expected {expected}")]
    Form {
        /// Where it begins.
        place: Place,
        /// The part.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it was to be.
        expected: String,
    },
    /// More to unpack than is allowed.
    #[error(
        "{place}: the compressed element holds {declared} bytes by its tag, {most} are allowed"
    )]
    Bomb {
        /// Where it begins.
        place: Place,
        /// Bytes that it says it unpacks to.
        declared: u64,
        /// Bytes allowed, less those of the elements before.
        most: u64,
    },
    /// Damage inside a compressed element.
    #[error("{place}: the compressed element cannot be unpacked: {source}")]
    Unpack {
        /// Where it begins.
        place: Place,
        /// What zlib says.
        source: io::Error,
    },
    /// No variable of the name.
    #[error("the file holds {}, expected the variable `{name}`", names(found))]
    NoVariable {
        /// The name.
        name: String,
        /// The names of those that are there.
        found: Vec<String>,
    },
    /// No field of the name.
    #[error("{place}: the structure has no field `{name}`")]
    NoField {
        /// Where its field names begin.
        place: Place,
        /// The name.
        name: String,
    },
}

/// At most five names of many.
fn names(found: &[String]) -> String {
    match found {
        [] => "no variable".to_owned(),
        some => crate::fault::some_of(some),
    }
}
