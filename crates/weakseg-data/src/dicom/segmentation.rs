//! A mask as a DICOM Segmentation (PS3.3 A.51, C.8.20).

use std::path::Path;

use dicom_dictionary_std::{tags, uids};

use super::elements::Elements;
use super::origin::{NAME, Origin, Reference, VERSION};
use super::secondary_capture::side;
use super::uid::uid;
use crate::{Classes, DataError, Mask, Plane};

/// Writes the mask of a DICOM image: one segment a class, numbered from 1 in the order of the classes, and a frame of
/// one bit a pixel for each that is present. Where none is, the first segment has a frame of zeros, for a file must
/// have one.
///
/// Void pixels are not in a segment. Findings have no code in anybody's catalogue, but one of this file's own
/// (`99WEAKSEG`) with their name as meaning, cut after 64 characters.
///
/// # Errors
/// [`DataError::Unreadable`] for an image that is not DICOM, or has no UIDs to refer to; [`DataError::Shape`] for a
/// side of more than 65535 pixels; [`DataError::Io`], and `path` is then as before.
pub fn write_segmentation(
    path: &Path,
    origin: &Origin,
    classes: &Classes,
    mask: &Mask,
) -> Result<(), DataError> {
    let (image, series) = referred(origin)?;
    let (rows, columns) = (
        side(path, mask.planes.height())?,
        side(path, mask.planes.width())?,
    );
    let mut frames: Vec<(u16, Plane<u8>)> = (1..)
        .zip(0..classes.len())
        .map(|(number, class)| (number, mask.of_class(classes.space, class)))
        .filter(|(_, plane)| plane.as_slice().contains(&1))
        .collect();
    if frames.is_empty() {
        frames.push((1, Plane::filled(rows.into(), columns.into(), 0)));
    }
    let names: Vec<String> = classes.names.iter().map(|name| long_string(name)).collect();
    let pixels = packed(&frames);
    let content = [names.join("\\").as_bytes(), &[0], &pixels].concat();
    let elements = origin.elements(uids::SEGMENTATION_STORAGE, &content);
    let dimensions = uid(&[b"dimensions", &content]);
    let lossy = origin.known(tags::LOSSY_IMAGE_COMPRESSION).unwrap_or("00");
    elements
        .text(tags::MODALITY, "SEG")
        .text(tags::SERIES_DESCRIPTION, &format!("{NAME} segmentation"))
        .text(tags::IMAGE_TYPE, "DERIVED\\PRIMARY")
        .text(tags::CONTENT_LABEL, "SEGMENTATION")
        .text(tags::CONTENT_DESCRIPTION, &format!("{NAME} {VERSION}"))
        .text(tags::CONTENT_CREATOR_NAME, "")
        .text(tags::LOSSY_IMAGE_COMPRESSION, lossy)
        .text(tags::SEGMENTATION_TYPE, "BINARY")
        .items(tags::SEGMENT_SEQUENCE, (1..).zip(&names).map(segment))
        .items(
            tags::DIMENSION_ORGANIZATION_SEQUENCE,
            [Elements::new().text(tags::DIMENSION_ORGANIZATION_UID, &dimensions)],
        )
        .items(tags::DIMENSION_INDEX_SEQUENCE, [by_segment(&dimensions)])
        .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [Elements::new()])
        .items(
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            frames.iter().map(|(number, _)| of_frame(*number, image)),
        )
        .items(
            tags::REFERENCED_SERIES_SEQUENCE,
            [Elements::new()
                .text(tags::SERIES_INSTANCE_UID, series)
                .items(tags::REFERENCED_INSTANCE_SEQUENCE, [image.item()])],
        )
        .text(tags::NUMBER_OF_FRAMES, &frames.len().to_string())
        .word(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .word(tags::ROWS, rows)
        .word(tags::COLUMNS, columns)
        .word(tags::BITS_ALLOCATED, 1)
        .word(tags::BITS_STORED, 1)
        .word(tags::HIGH_BIT, 0)
        .word(tags::PIXEL_REPRESENTATION, 0)
        .bytes(tags::PIXEL_DATA, pixels)
        .write(path)
}

/// The image and its series, if they can be referred to.
fn referred(origin: &Origin) -> Result<(&Reference, &str), DataError> {
    let refused = |problem: &str| {
        let remedy = "leave out the format `seg` for it; `sc` and `mask` need no reference";
        DataError::unreadable(&origin.path, problem, remedy)
    };
    let Some(image) = &origin.reference else {
        return Err(refused(
            "not a DICOM image with a SOP Instance UID (digits and dots, at most 64), to which a DICOM segmentation must refer",
        ));
    };
    match &image.series {
        Some(series) if origin.has_study() => Ok((image, series)),
        _ => Err(refused(
            "the image has no Study or no Series Instance UID (digits and dots, at most 64), to which a DICOM segmentation must refer",
        )),
    }
}

/// What a segment is; its number counts from 1.
fn segment((number, name): (u16, &String)) -> Elements {
    const ABNORMAL: [&str; 3] = ["49755003", "SCT", "Morphologically Abnormal Structure"];
    let own = [&number.to_string(), "99WEAKSEG", name];
    Elements::new()
        .word(tags::SEGMENT_NUMBER, number)
        .text(tags::SEGMENT_LABEL, name)
        .text(tags::SEGMENT_ALGORITHM_TYPE, "AUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, &format!("{NAME} {VERSION}"))
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, ABNORMAL)
        .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, own)
}

/// The one dimension in which frames are counted.
fn by_segment(dimensions: &str) -> Elements {
    Elements::new()
        .text(tags::DIMENSION_ORGANIZATION_UID, dimensions)
        .pointer(
            tags::DIMENSION_INDEX_POINTER,
            tags::REFERENCED_SEGMENT_NUMBER,
        )
        .pointer(
            tags::FUNCTIONAL_GROUP_POINTER,
            tags::SEGMENT_IDENTIFICATION_SEQUENCE,
        )
        .text(tags::DIMENSION_DESCRIPTION_LABEL, "Segment Number")
}

/// What is told of a frame: its segment, and the image that it was derived from. A radiograph has no frame of
/// reference, so its place in the patient is told by that image alone. It is the same for all frames and told with
/// each, where highdicom looks for it.
fn of_frame(number: u16, image: &Reference) -> Elements {
    const SEGMENTED: [&str; 3] = ["113076", "DCM", "Segmentation"];
    let content = Elements::new().long(tags::DIMENSION_INDEX_VALUES, number.into());
    let identity = Elements::new().word(tags::REFERENCED_SEGMENT_NUMBER, number);
    let derivation = Elements::new()
        .code(tags::DERIVATION_CODE_SEQUENCE, SEGMENTED)
        .items(tags::SOURCE_IMAGE_SEQUENCE, [image.source()]);
    Elements::new()
        .items(tags::FRAME_CONTENT_SEQUENCE, [content])
        .items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, [identity])
        .items(tags::DERIVATION_IMAGE_SEQUENCE, [derivation])
}

/// One bit a pixel, the first in the lowest, frame after frame without a gap (PS3.5 8.1.1, 8.2).
fn packed(frames: &[(u16, Plane<u8>)]) -> Vec<u8> {
    let values = frames.iter().flat_map(|(_, plane)| plane.as_slice());
    let bits: usize = frames.iter().map(|(_, plane)| plane.len()).sum();
    let mut bytes = vec![0; bits.div_ceil(8)];
    for (at, _) in values.enumerate().filter(|(_, value)| **value == 1) {
        bytes[at / 8] |= 1 << (at % 8);
    }
    bytes
}

/// A name as a text of one value (LO): at most 64 characters, none of them a control character or a backslash.
fn long_string(name: &str) -> String {
    let plain = |c: char| if c.is_control() || c == '\\' { '_' } else { c };
    name.trim().chars().take(64).map(plain).collect()
}
