//! The one frame of an image as bytes, whatever they were packed in.

use std::path::Path;

use dicom_core::PrimitiveValue;
use dicom_core::value::Value;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::data_set::DataSet;
use super::header::{Header, Photometric};
use super::{jpeg_frame, rle_frame};
use crate::DataError;

/// Explicit VR Big Endian; retired, and still about.
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Samples of `Bits Allocated`, little endian.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Whether colours lie plane by plane.
    pub(crate) planar: bool,
}

/// Unpacks the frame. What comes back has the length that the header asks for.
pub(crate) fn read(
    path: &Path,
    object: &DataSet,
    header: &Header,
    notes: &mut Vec<String>,
) -> Result<Frame, DataError> {
    let interleaved = |bytes| Frame {
        bytes,
        planar: false,
    };
    match object.meta().transfer_syntax() {
        uids::IMPLICIT_VR_LITTLE_ENDIAN
        | uids::EXPLICIT_VR_LITTLE_ENDIAN
        | BIG_ENDIAN
        | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => native(path, object, header, notes),
        uids::RLE_LOSSLESS => rle_frame::read(path, object, header).map(interleaved),
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => {
            let coded = fragments(path, object)?.concat();
            jpeg_frame::read(path, &coded, header).map(interleaved)
        }
        #[cfg(feature = "jpeg2000")]
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => {
            super::jpeg2000_frame::read(path, object, header).map(interleaved)
        }
        other => Err(refuse(path, other)),
    }
}

/// Whether colours of a transfer syntax come out of its decoder as RGB, whatever they were inside. JPEG without loss
/// (process 14) is decoded as it is.
pub(crate) fn comes_as_rgb(uid: &str) -> bool {
    matches!(
        uid,
        uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | uids::JPEG2000_LOSSLESS
            | uids::JPEG2000
    )
}

/// The fragments of encapsulated pixel data.
pub(crate) fn fragments<'a>(path: &Path, object: &'a DataSet) -> Result<Vec<&'a [u8]>, DataError> {
    match object.get(tags::PIXEL_DATA).map(|element| element.value()) {
        Some(Value::PixelSequence(sequence)) if !sequence.fragments().is_empty() => {
            Ok(sequence.fragments().iter().map(Vec::as_slice).collect())
        }
        _ => Err(DataError::unreadable(
            path,
            "the transfer syntax is a packed one, but the pixel data holds no packed frame",
            "export it again",
        )),
    }
}

fn native(
    path: &Path,
    object: &DataSet,
    header: &Header,
    notes: &mut Vec<String>,
) -> Result<Frame, DataError> {
    if header.photometric == Photometric::YbrFull422 {
        return Err(DataError::unreadable(
            path,
            "YBR_FULL_422 is read from JPEG only, not uncompressed",
            "convert the image to RGB",
        ));
    }
    let mut bytes = match object.get(tags::PIXEL_DATA).map(|element| element.value()) {
        Some(Value::Primitive(PrimitiveValue::U8(values))) => values.to_vec(),
        Some(Value::Primitive(PrimitiveValue::U16(words))) => {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        }
        _ => {
            return Err(DataError::unreadable(
                path,
                "the pixel data is neither bytes nor words of 16 bits",
                "export it again",
            ));
        }
    };
    let expected = header.frame_bytes();
    if bytes.len() < expected {
        return Err(DataError::unreadable(
            path,
            format!(
                "the pixel data has {} bytes, {} rows of {} columns need {expected}",
                bytes.len(),
                header.rows,
                header.columns
            ),
            "copy or export the file again",
        ));
    }
    // An odd number of bytes is made even by one more; that is no oddity.
    if bytes.len() > expected + expected % 2 {
        notes.push(format!(
            "the pixel data has {} bytes more than its rows and columns need; they are not used",
            bytes.len() - expected
        ));
    }
    bytes.truncate(expected);
    Ok(Frame {
        bytes,
        planar: header.planar,
    })
}

fn refuse(path: &Path, uid: &str) -> DataError {
    let name = TransferSyntaxRegistry
        .get(uid)
        .map_or("unknown", |syntax| syntax.name());
    let jpeg2000 = matches!(uid, uids::JPEG2000_LOSSLESS | uids::JPEG2000);
    let (lacks, remedy) = if jpeg2000 {
        (
            "needs the feature `jpeg2000`, which this build has not",
            "build with `--features jpeg2000`, or convert the file to Explicit VR Little Endian",
        )
    } else {
        (
            "is not read by this program",
            "convert the file to Explicit VR Little Endian",
        )
    };
    DataError::unreadable(
        path,
        format!("the transfer syntax {name} ({uid}) {lacks}"),
        remedy,
    )
}
