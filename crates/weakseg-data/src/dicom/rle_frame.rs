//! RLE Lossless inside DICOM (PS3.5 annex G).
//!
//! Unpacked here and not by dicom-rs: its decoder falls over a segment that unpacks to too little, and refuses a blank
//! image, which packs a hundredfold.

use std::path::Path;

use super::header::Header;
use crate::DataError;

/// Decodes the fragments of a frame to interleaved samples, little endian.
pub(crate) fn read(
    path: &Path,
    fragments: &[&[u8]],
    header: &Header,
) -> Result<Vec<u8>, DataError> {
    let damaged = |problem: String| {
        DataError::unreadable(
            path,
            format!("the RLE frame is damaged: {problem}"),
            "copy or export the file again",
        )
    };
    let [frame] = fragments else {
        return Err(damaged(format!(
            "it lies in {} fragments, expected one",
            fragments.len()
        )));
    };
    unpack(frame, header.samples, header.bytes(), header.pixels()).map_err(damaged)
}

/// Samples of `width` bytes, interleaved and little endian, from one segment for each of their bytes: of the first
/// sample, from its highest byte down, then of the next.
fn unpack(frame: &[u8], samples: usize, width: usize, pixels: usize) -> Result<Vec<u8>, String> {
    let count = samples * width;
    let word = |at: usize| {
        let bytes: [u8; 4] = frame.get(4 * at..4 * at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let short = || "it ends inside its own header of 64 bytes".to_owned();
    let segments = word(0).ok_or_else(short)?;
    if segments != count {
        return Err(format!("it has {segments} segments, expected {count}"));
    }
    if frame.len() < 64 {
        return Err(short());
    }
    // Two bytes stand for 128 at most: what cannot be whole gets no room.
    if frame.len().saturating_mul(64) < count * pixels {
        return Err(format!(
            "it has {} bytes, too few for {count} times {pixels}",
            frame.len()
        ));
    }
    let mut bytes = vec![0; count * pixels];
    for segment in 0..count {
        let start = word(1 + segment).ok_or_else(short)?;
        let end = if segment + 1 == count {
            frame.len()
        } else {
            word(2 + segment).ok_or_else(short)?
        };
        let runs = frame
            .get(start..end)
            .ok_or_else(|| format!("segment {segment} lies outside of it"))?;
        let (sample, byte) = (segment / width, segment % width);
        let mut places = bytes[sample * width + width - 1 - byte..]
            .iter_mut()
            .step_by(count);
        let found = each(runs, |value| {
            if let Some(place) = places.next() {
                *place = value;
            }
        });
        // A few more are padding.
        if !(pixels..=pixels + 1024).contains(&found) {
            return Err(format!(
                "segment {segment} holds {found} bytes, expected {pixels}"
            ));
        }
    }
    Ok(bytes)
}

/// Hands on each byte that PackBits runs stand for, and counts them.
fn each(runs: &[u8], mut take: impl FnMut(u8)) -> usize {
    let (mut at, mut total) = (0, 0);
    while let Some(&head) = runs.get(at) {
        let head = i8::from_le_bytes([head]);
        let length = usize::from(head.unsigned_abs()) + 1;
        if head >= 0 {
            let literal = &runs[at + 1..runs.len().min(at + 1 + length)];
            literal.iter().for_each(|&value| take(value));
            total += literal.len();
            at += 1 + length;
        } else if head > i8::MIN {
            if let Some(&value) = runs.get(at + 1) {
                (0..length).for_each(|_| take(value));
                total += length;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_unpacked() {
        let unpacked = |runs: &[u8]| {
            let mut bytes = Vec::new();
            assert_eq!(each(runs, |byte| bytes.push(byte)), bytes.len());
            bytes
        };
        assert_eq!(unpacked(&[2, 7, 8, 9]), [7, 8, 9]);
        assert_eq!(unpacked(&[0xfe, 7, 0x80, 0, 5]), [7, 7, 7, 5]);
        assert_eq!(unpacked(&[5, 1, 2]), [1, 2]);
        assert!(unpacked(&[0xff]).is_empty());
    }

    #[test]
    fn a_frame_says_what_it_lacks() {
        let frame = |runs: &[u8]| {
            let mut bytes = vec![0; 64];
            bytes[0] = 1;
            bytes[4] = 64;
            bytes.extend(runs);
            bytes
        };
        assert_eq!(unpack(&frame(&[0xfd, 1]), 1, 1, 4), Ok(vec![1; 4]));
        let error = unpack(&frame(&[0xfd, 1]), 1, 1, 5).unwrap_err();
        assert!(error.contains("holds 4 bytes, expected 5"), "{error}");
        assert!(unpack(&frame(&[0xfd, 1]), 2, 1, 4).is_err());
        let error = unpack(&frame(&[0xfd, 1]), 1, 1, 1 << 40).unwrap_err();
        assert!(error.contains("too few"), "{error}");
        assert!(unpack(&frame(&[0x81, 1].repeat(20)), 1, 1, 4).is_err());
        assert!(unpack(&[], 1, 1, 4).is_err());
        assert!(unpack(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 1, 1, 4).is_err());
    }
}
