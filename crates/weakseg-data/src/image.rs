//! PNG, JPEG and DICOM pictures to 8-bit planes, told apart by content, within [`Limits`].

use std::num::NonZeroU32;
use std::path::Path;

use crate::contain::contained;
use crate::dicom::{self, Picture};
use crate::view::chosen;
use crate::{DataError, Limits, Stack, View, jpeg, png};

/// Reads a PNG, JPEG or DICOM file as 1×H×W grey or 3×H×W RGB.
///
/// 16-bit PNGs are scaled to 8 bits, palettes resolved, transparency dropped. An orientation noted in EXIF data is not
/// applied. Grey DICOM images are brought to 8 bits by [`Tone::Window`](crate::Tone::Window). The format is told by the
/// content, not by the name.
///
/// # Errors
/// [`DataError::TooLarge`] before anything is allocated; [`DataError::Unreadable`] for another format, a CMYK JPEG, a
/// DICOM file in a transfer syntax that this build does not read, or a file that is cut off (never a partly filled
/// image); [`DataError::MultiFrame`] for a DICOM file of several frames; [`DataError::NoImage`] for one that holds
/// none; [`DataError::Io`].
pub fn read_image(path: &Path, limits: &Limits) -> Result<Stack<u8>, DataError> {
    read_picture(path, limits, View::default()).map(|picture| picture.pixels)
}

/// As [`read_image`], with a choice of how grey DICOM images become 8 bits and of the frame, and with what was odd
/// about the file. Of several frames only the one is unpacked.
///
/// # Errors
/// Those of [`read_image`]; [`DataError::Unreadable`] with [`Tone::Raw`](crate::Tone::Raw) for values that do not fit
/// into 8 bits; [`DataError::FrameRange`] if there is no such frame.
pub fn read_picture(
    path: &Path,
    limits: &Limits,
    view: impl Into<View>,
) -> Result<Picture, DataError> {
    decode_picture(path, &limits.read(path)?, limits, view)
}

/// As [`read_picture`], of the `bytes` of a file that was read or sent; `path` is what messages call it.
///
/// # Errors
/// Those of [`read_picture`] but for [`DataError::Io`].
pub fn decode_picture(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    view: impl Into<View>,
) -> Result<Picture, DataError> {
    limits.check_bytes(path, bytes.len() as u64)?;
    let view = view.into();
    let mut notes = Vec::new();
    let mut picture = contained(path, || {
        if png::is_png(bytes) {
            chosen(path, 1, view.frame)?;
            let pixels = png::decode(path, bytes, limits, view.tone, &mut notes)?;
            Ok(Picture { pixels, notes })
        } else if jpeg::is_jpeg(bytes) {
            chosen(path, 1, view.frame)?;
            let pixels = jpeg::decode(path, bytes, limits, &mut notes)?;
            Ok(Picture { pixels, notes })
        } else if dicom::is_dicom(bytes) {
            dicom::decode(path, bytes, limits, view)
        } else {
            Err(unknown(path, bytes))
        }
    })?;
    if is_constant(&picture.pixels) {
        picture.notes.push("every pixel has the same colour".into());
    }
    Ok(picture)
}

/// One pixel alone is no constant.
fn is_constant(pixels: &Stack<u8>) -> bool {
    if pixels.height() * pixels.width() < 2 {
        return false;
    }
    let mut planes = (0..pixels.channels()).map(|channel| pixels.plane(channel));
    planes.all(|plane| plane.iter().all(|value| *value == plane[0]))
}

/// Reads the values that a PNG, JPEG or DICOM file stores, C×H×W: of a PNG in all their bits, of a palette the indices;
/// of a DICOM file, or the frame of it that is named, neither LUT nor window nor inversion, as in pydicom's
/// `pixel_array`. Of JPEGs they are what the decoder gives. Transparency is dropped.
///
/// # Errors
/// Those of [`read_picture`].
pub fn read_stored_values(
    path: &Path,
    limits: &Limits,
    frame: Option<NonZeroU32>,
) -> Result<Stack<i32>, DataError> {
    let bytes = limits.read(path)?;
    contained(path, || {
        if png::is_png(&bytes) {
            chosen(path, 1, frame)?;
            png::stored(path, &bytes, limits)
        } else if jpeg::is_jpeg(&bytes) {
            chosen(path, 1, frame)?;
            let pixels = jpeg::decode(path, &bytes, limits, &mut Vec::new())?;
            Ok(pixels.map(|&value| i32::from(value)))
        } else if dicom::is_dicom(&bytes) {
            dicom::stored_values(path, &bytes, limits, frame)
        } else {
            Err(unknown(path, &bytes))
        }
    })
}

/// Height and width of a PNG, JPEG or DICOM file, without decoding it. Those of all frames of a file are the same.
///
/// # Errors
/// Those of [`read_image`], except for several frames and for damage inside the coded pixels.
pub fn read_image_size(path: &Path, limits: &Limits) -> Result<(usize, usize), DataError> {
    let bytes = limits.read(path)?;
    contained(path, || {
        if png::is_png(&bytes) {
            png::size(path, &bytes, limits)
        } else if jpeg::is_jpeg(&bytes) {
            jpeg::size(path, &bytes, limits)
        } else if dicom::is_dicom(&bytes) {
            dicom::size(path, &bytes, limits)
        } else {
            Err(unknown(path, &bytes))
        }
    })
}

/// Interleaved samples, `stored` a pixel, to the first `kept` planes of them.
pub(crate) fn planar<T: Copy>(
    height: usize,
    width: usize,
    stored: usize,
    kept: usize,
    samples: &[T],
) -> Stack<T> {
    let size = height * width;
    let mut values = Vec::with_capacity(kept * size);
    for channel in 0..kept {
        values.extend(samples.iter().skip(channel).step_by(stored));
    }
    Stack::new(kept, height, width, values).expect("the decoder filled a buffer of this size")
}

fn unknown(path: &Path, bytes: &[u8]) -> DataError {
    let named_dicom = path
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(dicom::is_ending);
    let (problem, remedy) = if bytes.is_empty() {
        ("the file is empty", "copy or export the file again")
    } else if named_dicom {
        (
            "not a DICOM file: no `DICM` marker and no readable data set",
            "export it again",
        )
    } else {
        (
            "neither PNG, JPEG nor DICOM by its first bytes",
            "convert the image to PNG",
        )
    };
    DataError::unreadable(path, problem, remedy)
}
