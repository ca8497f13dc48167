//! A picture of what was found, as a DICOM Secondary Capture (PS3.3 A.8.1).

use std::path::Path;

use dicom_dictionary_std::{tags, uids};

use super::origin::{NAME, Origin, VERSION};
use crate::{DataError, Stack};

/// Writes a colour picture, 3×H×W, that was made from an image: 8-bit RGB, in the image's study and a series of its
/// own. A DICOM image is referred to; one of another kind gives neither patient nor date, and a study that is known by
/// the file's digest.
///
/// `colours` says what is seen in it, such as `pneumothorax #e8914a`; it stands in Image Comments, cut after the 10240
/// characters that these take.
///
/// # Errors
/// [`DataError::Shape`] for another number of channels or a side of more than 65535 pixels; [`DataError::Io`], and
/// `path` is then as before.
pub fn write_secondary_capture(
    path: &Path,
    origin: &Origin,
    picture: &Stack<u8>,
    colours: &str,
) -> Result<(), DataError> {
    if picture.channels() != 3 {
        return Err(DataError::Shape {
            what: format!("picture for {}", path.display()),
            expected: "3 channels".into(),
            found: picture.channels().to_string(),
        });
    }
    let (rows, columns) = (side(path, picture.height())?, side(path, picture.width())?);
    let [red, green, blue] = [0, 1, 2].map(|channel| picture.plane(channel));
    let interleaved = (0..red.len()).flat_map(|at| [red[at], green[at], blue[at]]);
    let pixels: Vec<u8> = interleaved.collect();
    let content = [colours.as_bytes(), &[0], &pixels].concat();
    let colours: String = colours.chars().take(10240).collect();
    // Of lungs it must be there, known or not (C.7.3.1).
    let laterality = origin.known(tags::LATERALITY).unwrap_or_default();
    let mut elements = origin
        .elements(uids::SECONDARY_CAPTURE_IMAGE_STORAGE, &content)
        .text(tags::MODALITY, "OT")
        .text(tags::SERIES_DESCRIPTION, &format!("{NAME} overlay"))
        .text(tags::LATERALITY, laterality)
        .text(tags::IMAGE_TYPE, "DERIVED\\SECONDARY")
        .text(tags::CONVERSION_TYPE, "WSD")
        .text(
            tags::DERIVATION_DESCRIPTION,
            &format!("{NAME} {VERSION}: segmentation laid over the image"),
        )
        .text(tags::IMAGE_COMMENTS, &colours)
        .word(tags::SAMPLES_PER_PIXEL, 3)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "RGB")
        .word(tags::PLANAR_CONFIGURATION, 0)
        .word(tags::ROWS, rows)
        .word(tags::COLUMNS, columns)
        .word(tags::BITS_ALLOCATED, 8)
        .word(tags::BITS_STORED, 8)
        .word(tags::HIGH_BIT, 7)
        .word(tags::PIXEL_REPRESENTATION, 0)
        .bytes(tags::PIXEL_DATA, pixels);
    if let Some(image) = &origin.reference {
        elements = elements.items(tags::SOURCE_IMAGE_SEQUENCE, [image.source()]);
    }
    elements.write(path)
}

/// A side of an image as DICOM counts it.
pub(super) fn side(path: &Path, pixels: usize) -> Result<u16, DataError> {
    u16::try_from(pixels).map_err(|_| DataError::Shape {
        what: format!("picture for {}", path.display()),
        expected: "sides of at most 65535 pixels".into(),
        found: pixels.to_string(),
    })
}
