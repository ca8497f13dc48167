//! Bytes to a data set, after a look at what they declare.
//!
//! dicom-rs makes room for a value as long as its element says, goes down into sequences by recursion, and makes an
//! object of every element, item and string however small. So the elements are walked once without their values: one
//! that is longer than the file, or nested without end, and a data set of too many parts are refused before anything is
//! made for them. Deflated data sets are inflated here, up to what the largest image needs.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::{TransferSyntax, TransferSyntaxIndex};
use dicom_object::{FileDicomObject, FileMetaTable, InMemDicomObject};
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use crate::{DataError, Limits};

/// A data set with its file meta information.
pub(crate) type DataSet = FileDicomObject<InMemDicomObject>;

const MARKER: &[u8] = b"DICM";

/// Deepest nesting of sequences; what images need is below ten.
const DEEPEST: usize = 32;

/// Most elements, items and strings of one data set; images have hundreds, the longest reports some ten thousand. Each
/// takes some hundred bytes once it is read, and as few as one in the file.
const MOST_PARTS: usize = 100_000;

/// Bytes for what stands beside the pixels in a deflated file.
const BESIDE_PIXELS: u64 = 1 << 24;

/// Whether the bytes begin as a DICOM file does: with the marker after its preamble, with the marker, or with the
/// group of file meta information.
pub(crate) fn is_dicom(bytes: &[u8]) -> bool {
    begin(bytes).is_some()
}

/// Where the marker ends, or would if it were there.
fn begin(bytes: &[u8]) -> Option<usize> {
    if bytes.get(128..132) == Some(MARKER) {
        Some(132)
    } else if bytes.starts_with(MARKER) {
        Some(4)
    } else if bytes.starts_with(b"\x02\0\0\0UL\x04\0") {
        Some(0)
    } else {
        None
    }
}

/// Reads file meta information and data set.
pub(crate) fn read(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    notes: &mut Vec<String>,
) -> Result<DataSet, DataError> {
    let start = begin(bytes).ok_or_else(|| {
        DataError::unreadable(
            path,
            "not a DICOM file: no `DICM` marker and no readable data set",
            "export it again",
        )
    })?;
    let (meta, body) = meta(path, &bytes[start..])?;
    let uid = meta.transfer_syntax();
    let syntax = TransferSyntaxRegistry.get(uid).ok_or_else(|| {
        DataError::unreadable(
            path,
            format!("the transfer syntax {uid} is not known"),
            "convert the file to Explicit VR Little Endian",
        )
    })?;
    let object = if uid == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let inflated = inflate(path, body, limits)?;
        let plain = TransferSyntaxRegistry
            .get(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .unwrap_or(syntax);
        parse(path, &inflated, plain, notes)?
    } else {
        parse(path, body, syntax, notes)?
    };
    Ok(object.with_exact_meta(meta))
}

/// The elements before `until`, from the beginning of a file. `None` if they do not end in these bytes, or cannot be
/// read without all of the file.
pub(crate) fn beginning(path: &Path, bytes: &[u8], until: Tag) -> Option<DataSet> {
    let bytes = &bytes[begin(bytes)?..];
    let (meta, body) = meta(path, bytes).ok()?;
    let uid = meta.transfer_syntax();
    let syntax = TransferSyntaxRegistry.get(uid)?;
    if uid == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return None;
    }
    let (end, reached) = survey(path, body, syntax, Some(until)).ok()?;
    let object = InMemDicomObject::read_dataset_with_ts(&body[..end], syntax).ok()?;
    reached.then(|| object.with_exact_meta(meta))
}

/// The file meta information, and the bytes after it.
fn meta<'a>(path: &Path, bytes: &'a [u8]) -> Result<(FileMetaTable, &'a [u8]), DataError> {
    let plain = TransferSyntaxRegistry.get(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    if let (Some(plain), Some(length)) = (plain, bytes.get(8..12)) {
        let length = length
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let end = length.saturating_add(12).min(bytes.len());
        survey(path, &bytes[..end], plain, None)?;
    }
    let mut rest = bytes;
    let mut from = MARKER.chain(&mut rest);
    let table = FileMetaTable::from_reader(&mut from).map_err(|error| {
        DataError::unreadable(
            path,
            format!(
                "the DICOM file meta information cannot be read: {}",
                chain(&error)
            ),
            "export it again",
        )
    })?;
    Ok((table, rest))
}

fn parse(
    path: &Path,
    body: &[u8],
    syntax: &TransferSyntax,
    notes: &mut Vec<String>,
) -> Result<InMemDicomObject, DataError> {
    let (end, _) = survey(path, body, syntax, None)?;
    if end < body.len() {
        notes.push(format!(
            "{} bytes of zeros follow the pixel data; they are not used",
            body.len() - end
        ));
    }
    InMemDicomObject::read_dataset_with_ts(&body[..end], syntax)
        .map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &dyn Error) -> DataError {
    DataError::unreadable(
        path,
        format!("the DICOM data set cannot be read: {}", chain(error)),
        "copy or export the file again",
    )
}

/// The bytes of a data set, and how far they were read.
struct Watched<'a> {
    bytes: Cursor<&'a [u8]>,
    at: &'a Cell<usize>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.at.set(self.bytes.position() as usize);
        Ok(count)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.bytes.seek(to)?;
        self.at.set(position as usize);
        Ok(position)
    }
}

/// Walks the elements and refuses what claims to be longer than the file, is nested too deep or has too many parts.
/// Returns where the data set ends, which is before zeros that only follow its pixels; with `until`, where the first
/// element at or behind that tag begins, and whether there is one.
fn survey(
    path: &Path,
    body: &[u8],
    syntax: &TransferSyntax,
    until: Option<Tag>,
) -> Result<(usize, bool), DataError> {
    let again = "copy or export the file again";
    let at = Cell::new(0);
    let source = Watched {
        bytes: Cursor::new(body),
        at: &at,
    };
    let mut reader =
        LazyDataSetReader::new_with_ts(source, syntax).map_err(|error| broken(path, &error))?;
    let explicit = syntax.uid() != uids::IMPLICIT_VR_LITTLE_ENDIAN;
    let (mut depth, mut parts) = (0_usize, 0_usize);
    // Looked for once: a tail of zeros with something behind it can have as many elements as parts are allowed.
    let last_content = body.iter().rposition(|&byte| byte != 0);
    let zeros_from = last_content.map_or(0, |place| place + 1);
    let mut last = Tag(0, 0);
    // Whether the pixels were passed.
    let mut shown = false;
    loop {
        let before = at.get();
        if shown && before >= zeros_from {
            return Ok((before, false));
        }
        let Some(token) = reader.advance() else {
            return Ok((body.len(), false));
        };
        let token = token.map_err(|error| broken(path, &error))?;
        let begun = match &token {
            LazyDataToken::ElementHeader(header) => Some(header.tag),
            LazyDataToken::SequenceStart { tag, .. } => Some(*tag),
            LazyDataToken::PixelSequenceStart => Some(tags::PIXEL_DATA),
            _ => None,
        };
        if let Some(tag) = begun {
            if depth == 0 && until.is_some_and(|until| tag >= until) {
                return Ok((before, true));
            }
            last = tag;
        }
        parts += usize::from(begun.is_some() || matches!(token, LazyDataToken::ItemStart { .. }));
        let length = match &token {
            LazyDataToken::SequenceStart { len, .. } => {
                // Inside such an element is Implicit VR, whatever the rest of the file is in (PS3.5 6.2.2).
                let vr = at.get().checked_sub(8).and_then(|at| body.get(at..at + 2));
                if explicit && len.is_undefined() && vr == Some(b"UN") {
                    return Err(DataError::unreadable(
                        path,
                        format!(
                            "the element {last} is of unknown kind (UN) and undefined length, which is not read"
                        ),
                        "convert the file to Implicit VR Little Endian and back, or leave the element out",
                    ));
                }
                depth += 1;
                None
            }
            LazyDataToken::PixelSequenceStart => {
                depth += 1;
                None
            }
            LazyDataToken::SequenceEnd => {
                depth = depth.saturating_sub(1);
                shown |= depth == 0 && last == tags::PIXEL_DATA;
                None
            }
            LazyDataToken::LazyValue { header, .. } => {
                if header.vr == VR::OW && header.len.0 % 2 == 1 {
                    return Err(DataError::unreadable(
                        path,
                        format!(
                            "the value of element {last} has {} bytes, which are no words of 16 bits",
                            header.len.0
                        ),
                        again,
                    ));
                }
                Some((header.len.0, is_text(header.vr)))
            }
            LazyDataToken::LazyItemValue { len, .. } => Some((*len, false)),
            _ => None,
        };
        if depth > DEEPEST {
            return Err(DataError::unreadable(
                path,
                format!("the DICOM data set nests sequences more than {DEEPEST} deep"),
                "export it again",
            ));
        }
        if let Some((length, text)) = length {
            let left = body.len().saturating_sub(at.get());
            if length as usize > left {
                let what = if last == tags::PIXEL_DATA {
                    "the pixel data"
                } else {
                    "a value"
                };
                return Err(DataError::unreadable(
                    path,
                    format!(
                        "the file is cut off: {what} of element {last} has {length} bytes by its header, {left} are left"
                    ),
                    again,
                ));
            }
            if text {
                let value = &body[at.get()..at.get() + length as usize];
                parts += value.iter().filter(|&&byte| byte == b'\\').count();
            }
            token.skip().map_err(|error| broken(path, &error))?;
            shown |= depth == 0 && last == tags::PIXEL_DATA;
        }
        if parts > MOST_PARTS {
            return Err(DataError::unreadable(
                path,
                format!(
                    "the DICOM data set has more than {MOST_PARTS} elements, items and strings"
                ),
                "export the image without them",
            ));
        }
    }
}

/// Whether values of a kind are strings, divided by backslashes.
fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::PN
            | VR::SH
            | VR::TM
            | VR::UC
            | VR::UI
    )
}

/// Inflates a deflated data set, refusing one that grows beyond the limit: no image needs more than three bytes a
/// pixel.
fn inflate(path: &Path, body: &[u8], limits: &Limits) -> Result<Vec<u8>, DataError> {
    let pixels = limits.max_pixels.saturating_mul(3);
    let most = pixels.saturating_add(BESIDE_PIXELS).min(limits.max_bytes);
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(body)
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| {
            DataError::unreadable(
                path,
                format!("the deflated data set cannot be unpacked: {error}"),
                "copy or export the file again",
            )
        })?;
    let tight = Limits {
        max_bytes: most,
        ..*limits
    };
    tight.check_bytes(path, bytes.len() as u64)?;
    Ok(bytes)
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text += ": ";
            text += &inner_text;
        }
        cause = inner.source();
    }
    text
}
