//! One frame of an image as bytes, whatever they were packed in.

use std::ops::Range;
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

/// Unpacks frame `number`, counted from 0 and below the header's number of frames. What comes back has the length that
/// the header asks for.
pub(crate) fn read(
    path: &Path,
    object: &DataSet,
    header: &Header,
    number: usize,
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
        | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => native(path, object, header, number, notes),
        uids::RLE_LOSSLESS => {
            let coded = fragments(path, object, header, number)?;
            rle_frame::read(path, &coded, header).map(interleaved)
        }
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => {
            let coded = fragments(path, object, header, number)?.concat();
            jpeg_frame::read(path, &coded, header).map(interleaved)
        }
        #[cfg(feature = "jpeg2000")]
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => {
            let coded = fragments(path, object, header, number)?.concat();
            super::jpeg2000_frame::read(path, object, coded, header).map(interleaved)
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

/// The fragments of one frame of encapsulated pixel data.
fn fragments<'a>(
    path: &Path,
    object: &'a DataSet,
    header: &Header,
    number: usize,
) -> Result<Vec<&'a [u8]>, DataError> {
    let sequence = match object.get(tags::PIXEL_DATA).map(|element| element.value()) {
        Some(Value::PixelSequence(sequence)) if !sequence.fragments().is_empty() => sequence,
        _ => {
            return Err(DataError::unreadable(
                path,
                "the transfer syntax is a packed one, but the pixel data holds no packed frame",
                "export it again",
            ));
        }
    };
    let all: Vec<&[u8]> = sequence.fragments().iter().map(Vec::as_slice).collect();
    let lengths: Vec<usize> = all.iter().map(|fragment| fragment.len()).collect();
    let frames = header.frames as usize;
    let own = own_fragments(sequence.offset_table(), &lengths, frames, number);
    own.map(|own| all[own].to_vec()).map_err(|problem| {
        DataError::unreadable(
            path,
            problem,
            "convert the file to Explicit VR Little Endian, or split it into single frames",
        )
    })
}

/// Which fragments are those of frame `number` of `frames` (PS3.5 A.4): all of a single frame; one each where there are
/// as many; else those from the frame's offset to the next one's. Offsets count from the first fragment's tag, of 8
/// bytes like every other.
fn own_fragments(
    offsets: &[u32],
    lengths: &[usize],
    frames: usize,
    number: usize,
) -> Result<Range<usize>, String> {
    let count = lengths.len();
    if frames == 1 {
        return Ok(0..count);
    }
    if count == frames {
        return Ok(number..number + 1);
    }
    if offsets.is_empty() {
        return Err(format!(
            "{frames} frames lie in {count} fragments without an offset table, so they cannot be told apart"
        ));
    }
    if offsets.len() != frames {
        return Err(format!(
            "the offset table has {} entries for {frames} frames",
            offsets.len()
        ));
    }
    let starts: Vec<usize> = lengths
        .iter()
        .scan(0, |next, length| {
            let start = *next;
            *next += length + 8;
            Some(start)
        })
        .collect();
    let place = |number: usize| match offsets.get(number) {
        None => Some(count),
        Some(&offset) => starts.binary_search(&(offset as usize)).ok(),
    };
    match (place(number), place(number + 1)) {
        (Some(first), Some(next)) if first < next => Ok(first..next),
        _ => Err(format!(
            "the offset table does not lead from the fragments of frame {} to those of the next",
            number + 1
        )),
    }
}

/// Pixel data that is not packed.
enum Native<'a> {
    Bytes(&'a [u8]),
    /// Of 16 bits, the lower byte first.
    Words(&'a [u16]),
}

impl Native<'_> {
    /// Number of bytes.
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => 2 * words.len(),
        }
    }

    /// So many bytes from a place on, which must be there.
    fn cut(&self, start: usize, length: usize) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes[start..start + length].to_vec(),
            Self::Words(words) => {
                // An odd number of bytes begins or ends inside a word.
                let words = &words[start / 2..(start + length).div_ceil(2)];
                let bytes = words.iter().flat_map(|word| word.to_le_bytes());
                bytes.skip(start % 2).take(length).collect()
            }
        }
    }
}

fn native(
    path: &Path,
    object: &DataSet,
    header: &Header,
    number: usize,
    notes: &mut Vec<String>,
) -> Result<Frame, DataError> {
    if header.photometric == Photometric::YbrFull422 {
        return Err(DataError::unreadable(
            path,
            "YBR_FULL_422 is read from JPEG only, not uncompressed",
            "convert the image to RGB",
        ));
    }
    let native = match object.get(tags::PIXEL_DATA).map(|element| element.value()) {
        Some(Value::Primitive(PrimitiveValue::U8(bytes))) => Native::Bytes(bytes),
        Some(Value::Primitive(PrimitiveValue::U16(words))) => Native::Words(words),
        _ => {
            return Err(DataError::unreadable(
                path,
                "the pixel data is neither bytes nor words of 16 bits",
                "export it again",
            ));
        }
    };
    let (found, length) = (native.len(), header.frame_bytes());
    let expected = length.saturating_mul(header.frames as usize);
    if found < expected {
        let frames = match header.frames {
            1 => String::new(),
            frames => format!("{frames} frames of "),
        };
        return Err(DataError::unreadable(
            path,
            format!(
                "the pixel data has {found} bytes, {frames}{} rows of {} columns need {expected}",
                header.rows, header.columns
            ),
            "copy or export the file again",
        ));
    }
    // An odd number of bytes is made even by one more; that is no oddity.
    if found > expected + expected % 2 {
        notes.push(format!(
            "the pixel data has {} bytes more than its rows and columns need; they are not used",
            found - expected
        ));
    }
    Ok(Frame {
        bytes: native.cut(number * length, length),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_told_apart_by_number_or_by_offsets() {
        let own = |offsets: &[u32], lengths: &[usize], frames, number| {
            own_fragments(offsets, lengths, frames, number)
        };
        // A single frame has all of them, whatever its table says.
        assert_eq!(own(&[7], &[2, 4], 1, 0), Ok(0..2));
        assert_eq!(own(&[], &[2, 4, 6], 3, 1), Ok(1..2));
        // Tags of 8 bytes between: fragments begin at 0, 10, 22 and 36.
        let lengths = [2, 4, 6, 2];
        assert_eq!(own(&[0, 22], &lengths, 2, 0), Ok(0..2));
        assert_eq!(own(&[0, 22], &lengths, 2, 1), Ok(2..4));
        assert_eq!(own(&[0, 10, 36], &lengths, 3, 1), Ok(1..3));
        for (offsets, problem) in [
            (
                &[][..],
                "2 frames lie in 4 fragments without an offset table",
            ),
            (&[0], "has 1 entries for 2 frames"),
            (&[0, 21], "does not lead from the fragments of frame 1"),
            (&[22, 0], "does not lead from the fragments of frame 1"),
            (&[0, 0], "does not lead from the fragments of frame 1"),
        ] {
            let error = own(offsets, &lengths, 2, 0).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        assert!(own(&[], &[2], 1_000_000_000, 0).is_err());
    }
}
