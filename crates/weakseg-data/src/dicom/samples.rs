//! Bytes of a frame to stored values.

use super::frame::Frame;
use super::header::Header;

/// The stored values, plane by plane: the bits from High Bit down, with their sign. What lies above or below (overlays
/// of old files, dirt) is dropped.
pub(crate) fn stored(header: &Header, frame: &Frame) -> Vec<i32> {
    let down = header.high + 1 - header.stored;
    let unused = 32 - header.stored;
    let value = |word: u32| {
        let high = (word >> down) << unused;
        if header.signed {
            high.cast_signed() >> unused
        } else {
            // At most 16 bits: it fits.
            (high >> unused).cast_signed()
        }
    };
    let words: Vec<i32> = match header.bytes() {
        1 => frame.bytes.iter().map(|&byte| value(byte.into())).collect(),
        _ => frame
            .bytes
            .chunks_exact(2)
            .map(|pair| value(u16::from_le_bytes([pair[0], pair[1]]).into()))
            .collect(),
    };
    if header.samples == 1 || frame.planar {
        return words;
    }
    let mut planes = Vec::with_capacity(words.len());
    for channel in 0..header.samples {
        planes.extend(words.iter().skip(channel).step_by(header.samples));
    }
    planes
}
