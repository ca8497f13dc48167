//! JPEG 2000 inside DICOM, decoded by a Rust translation of OpenJPEG (feature `jpeg2000`).
//!
//! As with JPEG, the size in the codestream is compared with the data set's before the decoder runs.

use std::path::Path;

use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::data_set::{DataSet, chain};
use super::header::Header;
use crate::DataError;

/// Decodes a frame to interleaved samples, little endian.
pub(crate) fn read(
    path: &Path,
    object: &DataSet,
    coded: Vec<u8>,
    header: &Header,
) -> Result<Vec<u8>, DataError> {
    let damaged =
        |problem: String| DataError::unreadable(path, problem, "copy or export the file again");
    let size = codestream_size(&coded)
        .ok_or_else(|| damaged("the pixel data is no JPEG 2000 codestream".into()))?;
    let expected = [
        header.columns as u64,
        header.rows as u64,
        header.samples as u64,
    ];
    if size != expected {
        return Err(damaged(format!(
            "the JPEG 2000 inside is {}x{} (height x width) with {} components, the data set says {}x{} with {}",
            size[1], size[0], size[2], expected[1], expected[0], expected[2]
        )));
    }
    let syntax = TransferSyntaxRegistry.get(object.meta().transfer_syntax());
    let Some(Codec::EncapsulatedPixelData(Some(decoder), _)) = syntax.map(|syntax| syntax.codec())
    else {
        return Err(damaged("this build has no decoder for JPEG 2000".into()));
    };
    // The decoder looks for the frame itself; it gets an image that has no other.
    let mut single = InMemDicomObject::new_empty();
    let size = [
        tags::ROWS,
        tags::COLUMNS,
        tags::SAMPLES_PER_PIXEL,
        tags::BITS_ALLOCATED,
    ];
    for element in size.iter().filter_map(|&tag| object.get(tag)) {
        single.put(element.clone());
    }
    let sequence: PixelFragmentSequence<Vec<u8>> =
        PixelFragmentSequence::new(Vec::<u32>::new(), vec![coded]);
    let sequence = Value::PixelSequence(sequence);
    single.put(DataElement::new(tags::PIXEL_DATA, VR::OB, sequence));
    let single = single.with_exact_meta(object.meta().clone());
    let mut bytes = Vec::new();
    decoder
        .decode_frame(&single, 0, &mut bytes)
        .map_err(|error| {
            damaged(format!(
                "the JPEG 2000 inside is damaged: {}",
                chain(&error)
            ))
        })?;
    if bytes.len() != header.frame_bytes() {
        return Err(damaged(format!(
            "the JPEG 2000 inside gave {} bytes, expected {}",
            bytes.len(),
            header.frame_bytes()
        )));
    }
    Ok(bytes)
}

/// Columns, rows and components from the SIZ segment (ISO 15444-1 A.5.1), wherever the codestream begins.
fn codestream_size(coded: &[u8]) -> Option<[u64; 3]> {
    let start = coded
        .windows(4)
        .position(|bytes| bytes == [0xff, 0x4f, 0xff, 0x51])?;
    let word = |at: usize| {
        let bytes: [u8; 4] = coded.get(start + at..start + at + 4)?.try_into().ok()?;
        Some(u64::from(u32::from_be_bytes(bytes)))
    };
    let (right, bottom, left, top) = (word(8)?, word(12)?, word(16)?, word(20)?);
    let components = u64::from(*coded.get(start + 40)?) << 8 | u64::from(*coded.get(start + 41)?);
    Some([
        right.checked_sub(left)?,
        bottom.checked_sub(top)?,
        components,
    ])
}
