//! PNG and JPEG pictures to 8-bit planes, told apart by content, within [`Limits`].

use std::path::Path;

use crate::contain::contained;
use crate::{DataError, Limits, Stack, jpeg, png};

/// Reads a PNG or JPEG as 1×H×W grey or 3×H×W RGB.
///
/// 16-bit PNGs are scaled to 8 bits, palettes resolved, transparency dropped. An orientation noted in EXIF data is not
/// applied. The format is told by the content, not by the name.
///
/// # Errors
/// [`DataError::TooLarge`] before anything is allocated; [`DataError::Unreadable`] for another format, a CMYK JPEG, or
/// a file that is cut off (never a partly filled image); [`DataError::Io`].
pub fn read_image(path: &Path, limits: &Limits) -> Result<Stack<u8>, DataError> {
    let bytes = limits.read(path)?;
    contained(path, || {
        if png::is_png(&bytes) {
            png::decode(path, &bytes, limits)
        } else if jpeg::is_jpeg(&bytes) {
            jpeg::decode(path, &bytes, limits)
        } else {
            Err(unknown(path, &bytes))
        }
    })
}

/// Height and width of a PNG or JPEG, without decoding it.
///
/// # Errors
/// Those of [`read_image`], except for damage inside the coded pixels of a PNG.
pub fn read_image_size(path: &Path, limits: &Limits) -> Result<(usize, usize), DataError> {
    let bytes = limits.read(path)?;
    contained(path, || {
        if png::is_png(&bytes) {
            png::size(path, &bytes, limits)
        } else if jpeg::is_jpeg(&bytes) {
            jpeg::size(path, &bytes, limits)
        } else {
            Err(unknown(path, &bytes))
        }
    })
}

/// Interleaved samples, `stored` a pixel, to the first `kept` planes of them.
pub(crate) fn planar(
    height: usize,
    width: usize,
    stored: usize,
    kept: usize,
    samples: &[u8],
) -> Stack<u8> {
    let size = height * width;
    let mut values = Vec::with_capacity(kept * size);
    for channel in 0..kept {
        values.extend(samples.iter().skip(channel).step_by(stored));
    }
    Stack::new(kept, height, width, values).expect("the decoder filled a buffer of this size")
}

fn unknown(path: &Path, bytes: &[u8]) -> DataError {
    let problem = if bytes.is_empty() {
        "the file is empty".to_owned()
    } else if bytes.get(128..132) == Some(b"DICM") {
        "this is a DICOM file; expected PNG or JPEG".to_owned()
    } else {
        "neither PNG nor JPEG by its first bytes".to_owned()
    };
    DataError::unreadable(path, problem, "convert the image to PNG")
}
