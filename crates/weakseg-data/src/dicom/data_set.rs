//! Bytes to a data set, after a look at what they declare.
//!
//! dicom-rs makes room for a value as long as its element says, and goes down into sequences by recursion. So the
//! elements are walked once without their values: one that is longer than the file, or nested without end, is refused
//! before anything is made for it. Deflated data sets are inflated here, up to the limit.

use std::error::Error;
use std::io::{Cursor, Read};
use std::path::Path;

use dicom_core::Tag;
use dicom_core::header::Header as _;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::{TransferSyntax, TransferSyntaxIndex};
use dicom_object::{FileDicomObject, FileMetaTable, InMemDicomObject};
use dicom_parser::StatefulDecode;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use crate::{DataError, Limits};

/// A data set with its file meta information.
pub(crate) type DataSet = FileDicomObject<InMemDicomObject>;

const MARKER: &[u8] = b"DICM";

/// Deepest nesting of sequences; what images need is below ten.
const DEEPEST: usize = 32;

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
pub(crate) fn read(path: &Path, bytes: &[u8], limits: &Limits) -> Result<DataSet, DataError> {
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
        parse(path, &inflated, plain)?
    } else {
        parse(path, body, syntax)?
    };
    Ok(object.with_exact_meta(meta))
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
        survey(path, &bytes[..end], plain)?;
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

fn parse(path: &Path, body: &[u8], syntax: &TransferSyntax) -> Result<InMemDicomObject, DataError> {
    survey(path, body, syntax)?;
    InMemDicomObject::read_dataset_with_ts(body, syntax).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &dyn Error) -> DataError {
    DataError::unreadable(
        path,
        format!("the DICOM data set cannot be read: {}", chain(error)),
        "copy or export the file again",
    )
}

/// Walks the elements and refuses what claims to be longer than the file or nested too deep.
fn survey(path: &Path, body: &[u8], syntax: &TransferSyntax) -> Result<(), DataError> {
    let mut reader = LazyDataSetReader::new_with_ts(Cursor::new(body), syntax)
        .map_err(|error| broken(path, &error))?;
    let mut depth = 0_usize;
    let mut last = Tag(0, 0);
    while let Some(token) = reader.advance() {
        let token = token.map_err(|error| broken(path, &error))?;
        let (length, position) = match &token {
            LazyDataToken::ElementHeader(header) => {
                last = header.tag();
                continue;
            }
            LazyDataToken::SequenceStart { .. } | LazyDataToken::PixelSequenceStart => {
                if matches!(token, LazyDataToken::PixelSequenceStart) {
                    last = tags::PIXEL_DATA;
                }
                depth += 1;
                if depth > DEEPEST {
                    return Err(DataError::unreadable(
                        path,
                        format!("the DICOM data set nests sequences more than {DEEPEST} deep"),
                        "export it again",
                    ));
                }
                continue;
            }
            LazyDataToken::SequenceEnd => {
                depth = depth.saturating_sub(1);
                continue;
            }
            LazyDataToken::LazyValue { header, decoder } => (header.len.0, decoder.position()),
            LazyDataToken::LazyItemValue { len, decoder } => (*len, decoder.position()),
            _ => continue,
        };
        let left = (body.len() as u64).saturating_sub(position);
        if u64::from(length) > left {
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
                "copy or export the file again",
            ));
        }
        token.skip().map_err(|error| broken(path, &error))?;
    }
    Ok(())
}

/// Inflates a deflated data set, refusing one that grows beyond the limit.
fn inflate(path: &Path, body: &[u8], limits: &Limits) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(body)
        .take(limits.max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| {
            DataError::unreadable(
                path,
                format!("the deflated data set cannot be unpacked: {error}"),
                "copy or export the file again",
            )
        })?;
    limits.check_bytes(path, bytes.len() as u64)?;
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
