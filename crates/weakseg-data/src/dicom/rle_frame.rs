//! RLE Lossless inside DICOM (PS3.5 annex G), unpacked by dicom-rs.
//!
//! Its decoder makes whatever a segment unpacks to and falls over one that unpacks to too little. So the runs are
//! counted first.

use std::path::Path;

use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::data_set::{DataSet, chain};
use super::frame::fragments;
use super::header::Header;
use crate::DataError;

/// Decodes to interleaved samples, little endian.
pub(crate) fn read(path: &Path, object: &DataSet, header: &Header) -> Result<Vec<u8>, DataError> {
    let damaged = |problem: String| {
        DataError::unreadable(
            path,
            format!("the RLE frame is damaged: {problem}"),
            "copy or export the file again",
        )
    };
    let fragments = fragments(path, object)?;
    let [frame] = fragments.as_slice() else {
        return Err(damaged(format!(
            "it lies in {} fragments, expected one",
            fragments.len()
        )));
    };
    check(frame, header.samples * header.bytes(), header.pixels()).map_err(damaged)?;
    let syntax = TransferSyntaxRegistry.get(object.meta().transfer_syntax());
    let Some(Codec::EncapsulatedPixelData(Some(decoder), _)) = syntax.map(|syntax| syntax.codec())
    else {
        return Err(damaged("this build has no decoder for it".into()));
    };
    let mut bytes = Vec::new();
    decoder
        .decode_frame(object, 0, &mut bytes)
        .map_err(|error| damaged(chain(&error)))?;
    if bytes.len() != header.frame_bytes() {
        return Err(damaged(format!(
            "it gave {} bytes, expected {}",
            bytes.len(),
            header.frame_bytes()
        )));
    }
    Ok(bytes)
}

/// Whether there are `count` segments of runs that unpack to `length` bytes each, or a few more as padding.
fn check(frame: &[u8], count: usize, length: usize) -> Result<(), String> {
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
        let found = unpacked(runs);
        if found < length {
            return Err(format!(
                "segment {segment} holds {found} bytes, expected {length}"
            ));
        }
        if found > length + 1024 {
            return Err(format!(
                "segment {segment} holds {found} bytes, expected {length}"
            ));
        }
    }
    Ok(())
}

/// Bytes that PackBits runs stand for.
fn unpacked(runs: &[u8]) -> usize {
    let (mut at, mut total) = (0, 0);
    while let Some(&head) = runs.get(at) {
        let head = i8::from_le_bytes([head]);
        if head >= 0 {
            let literal = usize::from(head.unsigned_abs()) + 1;
            let there = runs.len().saturating_sub(at + 1).min(literal);
            total += there;
            at += 1 + literal;
        } else if head > i8::MIN {
            if at + 1 < runs.len() {
                total += usize::from(head.unsigned_abs()) + 1;
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
    fn runs_are_counted_as_they_unpack() {
        assert_eq!(unpacked(&[2, 7, 8, 9]), 3);
        assert_eq!(unpacked(&[0xfe, 7, 0x80, 0, 5]), 4);
        assert_eq!(unpacked(&[5, 1, 2]), 2);
        assert_eq!(unpacked(&[0xff]), 0);
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
        assert_eq!(check(&frame(&[0xfd, 1]), 1, 4), Ok(()));
        let error = check(&frame(&[0xfd, 1]), 1, 5).unwrap_err();
        assert!(error.contains("holds 4 bytes, expected 5"), "{error}");
        assert!(check(&frame(&[0xfd, 1]), 2, 4).is_err());
        assert!(check(&frame(&[0x81, 1].repeat(20)), 1, 4).is_err());
        assert!(check(&[], 1, 4).is_err());
        assert!(check(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 1, 4).is_err());
    }
}
