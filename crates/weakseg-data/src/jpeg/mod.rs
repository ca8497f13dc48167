//! JPEG: the header read by hand, so that size, completeness and colour model are known before a decoder runs.
//!
//! The decoder fills what is missing from a file that was cut off with grey; a cut file must be an error. So the
//! markers are walked to the end-of-image marker first, and the coded data between them to the last block (`scan`): an
//! end-of-image marker may stand behind half an image too.

mod huffman;
mod scan;
mod segments;

use std::io::Cursor;
use std::path::Path;

use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::metadata::Orientation;

use crate::{DataError, Limits, Stack};

pub(crate) use scan::check;
use segments::{Segment, Segments};

/// What the markers of a JPEG say.
pub(crate) struct Frame {
    pub(crate) height: u64,
    pub(crate) width: u64,
    pub(crate) components: u8,
    /// Bits a sample.
    pub(crate) precision: u8,
    /// Whether it is coded by prediction and not by cosines (process 14).
    pub(crate) lossless: bool,
    /// Whether three components are RGB or YCbCr, where the file says so (JFIF, Adobe's marker, names of components).
    pub(crate) is_rgb: Option<bool>,
}

/// Whether the bytes begin as a JPEG does.
pub(crate) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// Height and width of a JPEG that has all its markers and is within the limits.
pub(crate) fn size(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(usize, usize), DataError> {
    let frame = checked_frame(path, bytes, limits)?;
    Ok((frame.height as usize, frame.width as usize))
}

/// Decodes a JPEG to 1×H×W grey or 3×H×W RGB. An orientation noted in EXIF data is not applied, and told.
pub(crate) fn decode(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    notes: &mut Vec<String>,
) -> Result<Stack<u8>, DataError> {
    let frame = checked_frame(path, bytes, limits)?;
    check(bytes)
        .map_err(|problem| DataError::unreadable(path, problem, "copy or export the file again"))?;
    let corrupt = |error: image::ImageError| {
        DataError::unreadable(
            path,
            format!("not a readable JPEG: {error}"),
            "export it again",
        )
    };
    let mut decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
    if matches!(decoder.orientation(), Ok(turn) if turn != Orientation::NoTransforms) {
        notes.push(
            "its EXIF data say that the picture is to be turned; it is read as it is stored".into(),
        );
    }
    let (width, height) = decoder.dimensions();
    let channels = usize::from(decoder.color_type().channel_count());
    let (height, width) = (height as usize, width as usize);
    if (height as u64, width as u64) != (frame.height, frame.width) || !matches!(channels, 1 | 3) {
        return Err(DataError::unreadable(
            path,
            format!(
                "the JPEG's header says {}x{} with {} components, its content {height}x{width} with {channels}",
                frame.height, frame.width, frame.components
            ),
            "export it again",
        ));
    }
    let mut interleaved = vec![0; channels * height * width];
    decoder.read_image(&mut interleaved).map_err(corrupt)?;
    Ok(crate::image::planar(
        height,
        width,
        channels,
        channels,
        &interleaved,
    ))
}

fn checked_frame(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Frame, DataError> {
    let frame = walk(bytes)
        .map_err(|problem| DataError::unreadable(path, problem, "copy or export the file again"))?;
    limits.check_size(path, frame.height, frame.width)?;
    match frame.components {
        1 | 3 => Ok(frame),
        4 => Err(DataError::unreadable(
            path,
            "the JPEG is CMYK (4 components), expected grey or colour (1 or 3)",
            "convert it to RGB",
        )),
        other => Err(DataError::unreadable(
            path,
            format!("the JPEG has {other} components, expected 1 or 3"),
            "convert it to RGB",
        )),
    }
}

/// Walks the markers from the start of the image to its end and returns what they say.
pub(crate) fn walk(bytes: &[u8]) -> Result<Frame, String> {
    let mut frame: Option<Frame> = None;
    let mut is_rgb = None;
    let mut scanned = false;
    let mut segments = Segments::new(bytes);
    while let Some(Segment { marker, body, .. }) = segments.next()? {
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let [precision, h1, h0, w1, w0, components, ref named @ ..] = *body else {
                    return Err("the JPEG's frame header is too short".into());
                };
                let names = named.iter().step_by(3).take(3);
                frame = Some(Frame {
                    height: u64::from(h1) << 8 | u64::from(h0),
                    width: u64::from(w1) << 8 | u64::from(w0),
                    components,
                    precision,
                    lossless: marker == 0xc3,
                    is_rgb: names.eq(b"RGB").then_some(true),
                });
            }
            0xe0 if body.starts_with(b"JFIF\0") => is_rgb = Some(false),
            0xee if body.starts_with(b"Adobe") => is_rgb = body.get(11).map(|&kind| kind == 0),
            0xda => scanned = true,
            _ => {}
        }
    }
    match frame {
        Some(frame) if scanned => Ok(Frame {
            is_rgb: is_rgb.or(frame.is_rgb),
            ..frame
        }),
        _ => Err("the JPEG ends before its image data".into()),
    }
}
