//! JPEG inside DICOM: baseline and extended of 8 bits, lossless of 2 to 16.
//!
//! The frame header is read before the decoder runs, and the coded data are followed to their end: a JPEG of another
//! size than its data set says, or one that lacks a part, must be an error, and neither a picture filled up with black
//! nor a panic.

use std::path::Path;

use jpeg_decoder::{ColorTransform, Decoder};

use super::header::{Header, Photometric};
use crate::{DataError, jpeg};

/// Decodes to interleaved samples, YCbCr to RGB.
pub(crate) fn read(path: &Path, coded: &[u8], header: &Header) -> Result<Vec<u8>, DataError> {
    let again = "copy or export the file again";
    if !jpeg::is_jpeg(coded) {
        return Err(DataError::unreadable(
            path,
            "the pixel data is no JPEG, which its transfer syntax says it is",
            again,
        ));
    }
    let frame = jpeg::walk(coded).map_err(|problem| DataError::unreadable(path, problem, again))?;
    let found = (frame.height, frame.width, usize::from(frame.components));
    let expected = (header.rows as u64, header.columns as u64, header.samples);
    if found != expected {
        return Err(DataError::unreadable(
            path,
            format!(
                "the JPEG inside is {}x{} (height x width) with {} components, the data set says {}x{} with {}",
                found.0, found.1, found.2, expected.0, expected.1, expected.2
            ),
            "export it again",
        ));
    }
    if u32::from(frame.precision) > header.allocated {
        return Err(DataError::unreadable(
            path,
            format!(
                "the JPEG inside has {} bits a sample, the data set says {}",
                frame.precision, header.allocated
            ),
            "export it again",
        ));
    }
    if !frame.lossless && frame.precision != 8 {
        return Err(DataError::unreadable(
            path,
            format!(
                "a lossy JPEG of {} bits a sample (JPEG Extended, process 4), which no decoder in Rust reads",
                frame.precision
            ),
            "convert the file to Explicit VR Little Endian",
        ));
    }
    jpeg::check(coded).map_err(|problem| DataError::unreadable(path, problem, again))?;
    let mut decoder = Decoder::new(coded);
    if header.samples == 3 {
        // What the JPEG says of itself goes before the data set, which is often wrong about it.
        let is_rgb = frame
            .is_rgb
            .unwrap_or(header.photometric == Photometric::Rgb);
        decoder.set_color_transform(if is_rgb {
            ColorTransform::RGB
        } else {
            ColorTransform::YCbCr
        });
    }
    let bytes = decoder.decode().map_err(|error| {
        DataError::unreadable(path, format!("the JPEG inside is damaged: {error}"), again)
    })?;
    // Samples of any number of bits but 8 come in two bytes, whatever its pixel format says.
    let wide = frame.lossless && frame.precision != 8;
    let words: Vec<u16> = if wide {
        let pairs = bytes.chunks_exact(2);
        pairs
            .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
            .collect()
    } else {
        bytes.iter().map(|&byte| byte.into()).collect()
    };
    if let Some(word) = words.iter().find(|&&word| !fits(word, header)) {
        return Err(DataError::unreadable(
            path,
            format!(
                "the JPEG inside has {} bits a sample and holds {word}, which leaves the {} bits that the data set says",
                frame.precision, header.stored
            ),
            "export it again",
        ));
    }
    let samples: Vec<u8> = match header.allocated {
        16 => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        // It fits, as was looked at.
        _ => words.iter().map(|&word| word as u8).collect(),
    };
    if samples.len() != header.frame_bytes() {
        return Err(DataError::unreadable(
            path,
            format!(
                "the JPEG inside gave {} bytes, expected {}",
                samples.len(),
                header.frame_bytes()
            ),
            again,
        ));
    }
    Ok(samples)
}

/// Whether what lies above High Bit is empty, or repeats the sign.
fn fits(word: u16, header: &Header) -> bool {
    let above = u32::from(word) >> (header.high + 1);
    let filled = u32::from(u16::MAX) >> (header.high + 1);
    let negative = word >> header.high & 1 == 1;
    above == 0 || (header.signed && negative && above == filled)
}
