//! Compressed elements to the one element that each holds.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use super::MatError;
use super::element::{ByteOrder, Element};

/// The unpacked element, with its tag and without the bytes that fill it up: at most `most` bytes. It says itself how
/// long it is; no room is made for more, and what comes out must be so long (up to the filling) and end there, with the
/// right checksum.
pub(super) fn unpack(
    packed: &Element<'_>,
    order: ByteOrder,
    most: u64,
) -> Result<Vec<u8>, MatError> {
    let place = packed.place;
    let failed = |source| MatError::Unpack { place, source };
    let short = |found: usize, declared: u64| {
        failed(io::Error::other(format!(
            "it ends after {found} of {declared} bytes"
        )))
    };
    let mut stream = ZlibDecoder::new(packed.data);
    let mut bytes = Vec::new();
    let head = (&mut stream).take(8).read_to_end(&mut bytes);
    head.map_err(failed)?;
    let Some(&[_, _, _, _, a, b, c, d]) = bytes.first_chunk::<8>() else {
        return Err(short(bytes.len(), 8));
    };
    let declared = 8 + u64::from(order.word([a, b, c, d]));
    if declared > most {
        return Err(MatError::Bomb {
            place,
            declared,
            most,
        });
    }
    // The room grows with what comes: a packed element that only claims to be long gets little. One byte more than the
    // filling shows that it goes on.
    stream
        .take(declared)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let found = bytes.len() as u64;
    if found < declared {
        return Err(short(bytes.len(), declared));
    }
    if found >= declared + 8 {
        return Err(failed(io::Error::other(format!(
            "it goes on after the {declared} bytes that its tag declares"
        ))));
    }
    bytes.truncate(declared as usize);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::super::element::{Elements, kind};
    use super::*;

    /// A compressed element that holds an array of `declared` bytes by its tag and `there` zeros.
    fn packed(declared: u32, there: usize) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&kind::MATRIX.to_le_bytes()).unwrap();
        encoder.write_all(&declared.to_le_bytes()).unwrap();
        encoder.write_all(&vec![0; there]).unwrap();
        let data = encoder.finish().unwrap();
        let mut element = kind::COMPRESSED.to_le_bytes().to_vec();
        element.extend((data.len() as u32).to_le_bytes());
        element.extend(data);
        element
    }

    fn outcome(bytes: &[u8], most: u64) -> Result<Vec<u8>, String> {
        let element = Elements::new(bytes, ByteOrder::Little, 128).advance();
        let element = element.unwrap().unwrap();
        unpack(&element, ByteOrder::Little, most).map_err(|error| error.to_string())
    }

    #[test]
    fn what_comes_out_is_what_the_tag_says() {
        for filling in 0..8 {
            let unpacked = outcome(&packed(16, 16 + filling), 24).unwrap();
            assert_eq!(unpacked.len(), 24, "{filling} bytes of filling");
        }
        assert!(
            outcome(&packed(16, 15), 24)
                .unwrap_err()
                .contains("ends after 23 of 24")
        );
        assert!(
            outcome(&packed(16, 40), 24)
                .unwrap_err()
                .contains("goes on")
        );
        let mut flipped = packed(16, 16);
        *flipped.last_mut().unwrap() ^= 1;
        assert!(outcome(&flipped, 24).is_err(), "the checksum must count");
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_declares_and_by_what_comes() {
        let honest = packed(1 << 24, 1 << 24);
        assert!(honest.len() < 1 << 16);
        let error = outcome(&honest, 1 << 20).unwrap_err();
        assert_eq!(
            error,
            "byte 128: the compressed element holds 16777224 bytes by its tag, 1048576 are allowed"
        );
        let lying = packed(16, 1 << 24);
        assert!(outcome(&lying, 1 << 20).unwrap_err().contains("goes on"));
        let empty = packed(u32::MAX, 0);
        assert!(
            outcome(&empty, u64::MAX)
                .unwrap_err()
                .contains("ends after 8 of")
        );
    }
}
