//! COCO's run lengths: counts of absent and present pixels in turn, column by column, the first of absent ones.
//!
//! Uncompressed they are numbers; compressed they are packed into a string: from the third on each count is written as
//! its difference from the one two before, in groups of five bits from the lowest, each group a character from `0` on,
//! with the sixth bit set where more follow.
//!
//! Checked against pycocotools 2.0.11 (`tests/oracle/coco_rle.py`).

use crate::Plane;

use super::{RleError, check_size, runs, transposed};

/// The counts of a mask; every value but 0 is present. The first is 0 if the first pixel is.
#[must_use]
pub fn counts(mask: &Plane<u8>) -> Vec<u64> {
    let mut counts = Vec::new();
    let mut end = 0;
    for (start, length) in runs(mask) {
        counts.push((start - end) as u64);
        counts.push(length as u64);
        end = start + length;
    }
    if end < mask.len() {
        counts.push((mask.len() - end) as u64);
    }
    counts
}

/// The mask of counts: 1 = present, 0 = absent, of `height` rows and `width` columns.
///
/// # Errors
/// [`RleError::Total`] if the counts do not add up to `height * width`; [`RleError::Size`].
pub fn from_counts(counts: &[u64], height: usize, width: usize) -> Result<Plane<u8>, RleError> {
    let pixels = check_counts(counts, height, width)?;
    let mut columns = Vec::with_capacity(pixels);
    for (index, &count) in counts.iter().enumerate() {
        columns.resize(columns.len() + count as usize, (index % 2) as u8);
    }
    Ok(transposed(&columns, height, width))
}

/// The number of pixels, if counts are of so many.
pub(crate) fn check_counts(counts: &[u64], height: usize, width: usize) -> Result<usize, RleError> {
    let pixels = check_size(height, width)?;
    let total = counts
        .iter()
        .fold(0_u64, |sum, &count| sum.saturating_add(count));
    if total != pixels as u64 {
        return Err(RleError::Total {
            total,
            height,
            width,
        });
    }
    Ok(pixels)
}

/// Packs counts into COCO's string.
#[must_use]
pub fn pack(counts: &[u64]) -> String {
    let mut text = String::new();
    for (index, &count) in counts.iter().enumerate() {
        let mut rest = count.cast_signed();
        if index > 2 {
            rest = rest.wrapping_sub(counts[index - 2].cast_signed());
        }
        loop {
            let group = (rest & 0x1f) as u8;
            rest >>= 5;
            // The fifth bit is the sign of what is left unsaid.
            let done = if group & 0x10 == 0 {
                rest == 0
            } else {
                rest == -1
            };
            text.push(char::from(48 + group + if done { 0 } else { 0x20 }));
            if done {
                break;
            }
        }
    }
    text
}

/// The counts that COCO's string packs.
///
/// # Errors
/// [`RleError::Packed`] for a character that packs nothing, a count that is cut off, too large or below 0.
pub fn unpack(text: &str) -> Result<Vec<u64>, RleError> {
    let wrong = |problem, at: usize| {
        Err(RleError::Packed {
            problem,
            at: at + 1,
        })
    };
    let mut counts: Vec<i64> = Vec::new();
    let (mut value, mut shift) = (0_i64, 0);
    for (at, character) in text.bytes().enumerate() {
        let Some(group @ 0..0x40) = character.checked_sub(48) else {
            return wrong("hold a character that is none of theirs", at);
        };
        if shift >= 60 {
            return wrong("hold a count that is too large", at);
        }
        value |= i64::from(group & 0x1f) << shift;
        shift += 5;
        if group & 0x20 != 0 {
            continue;
        }
        if group & 0x10 != 0 {
            value |= -1 << shift;
        }
        if counts.len() > 2 {
            value = value.saturating_add(counts[counts.len() - 2]);
        }
        if value < 0 {
            return wrong("hold a count below 0", at);
        }
        counts.push(value);
        (value, shift) = (0, 0);
    }
    if shift > 0 {
        return wrong("end inside a count", text.len());
    }
    Ok(counts.iter().map(|count| count.cast_unsigned()).collect())
}

/// The compressed string of a mask.
#[must_use]
pub fn encode(mask: &Plane<u8>) -> String {
    pack(&counts(mask))
}

/// The mask of a compressed string, of `height` rows and `width` columns.
///
/// # Errors
/// Those of [`unpack`] and [`from_counts`].
pub fn decode(text: &str, height: usize, width: usize) -> Result<Plane<u8>, RleError> {
    from_counts(&unpack(text)?, height, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, below, stream};

    #[test]
    fn counts_are_of_absent_and_present_in_turn() {
        let mask = Plane::new(2, 3, vec![0, 1, 0, 1, 1, 0]).unwrap();
        assert_eq!(counts(&mask), [1, 3, 2]);
        assert_eq!(from_counts(&[1, 3, 2], 2, 3).unwrap(), mask);
        assert_eq!(counts(&Plane::filled(2, 3, 1)), [0, 6]);
        assert_eq!(counts(&Plane::filled(2, 3, 0)), [6]);
        assert!(
            from_counts(&[1, 3], 2, 3)
                .unwrap_err()
                .to_string()
                .contains("add up to 4")
        );
        let error = from_counts(&[u64::MAX, 7], 2, 3).unwrap_err();
        assert!(matches!(
            error,
            RleError::Total {
                total: u64::MAX,
                ..
            }
        ));
    }

    #[test]
    fn strings_are_those_of_the_format() {
        // Worked by hand: 6 = 0b00110 -> `6`; 20 = 0b10100 needs a second group, or it would be read as -12.
        assert_eq!(pack(&[6]), "6");
        assert_eq!(pack(&[20]), "d0");
        assert_eq!(pack(&[0, 1, 2, 1, 1]), "0120O");
        assert_eq!(unpack("d0").unwrap(), [20]);
        assert_eq!(unpack("0120O").unwrap(), [0, 1, 2, 1, 1]);
        assert_eq!(unpack("").unwrap(), [0_u64; 0]);
    }

    #[test]
    fn random_masks_come_back() {
        let mut rng = stream(Purpose::Order, 6, 0, 0);
        for _ in 0..200 {
            let (height, width) = (1 + below(&mut rng, 60), 1 + below(&mut rng, 60));
            let dense = 1 + below(&mut rng, 50);
            let mask = Plane::from_fn(height, width, |_, _| u8::from(below(&mut rng, dense) == 0));
            let text = encode(&mask);
            assert_eq!(decode(&text, height, width).unwrap(), mask, "{text}");
        }
        for count in [0, 15, 16, 31, 32, 1023, 1 << 40] {
            assert_eq!(
                unpack(&pack(&[count, 3, count, 5])).unwrap(),
                [count, 3, count, 5]
            );
        }
    }

    #[test]
    fn broken_strings_are_named() {
        let error = |text: &str| unpack(text).unwrap_err().to_string();
        assert!(error("6 6").contains("none of theirs (character 2)"));
        assert!(error("6µ").contains("none of theirs"));
        assert!(error("6d").contains("end inside a count"));
        assert!(error("O").contains("below 0"));
        assert!(error(&"o".repeat(20)).contains("too large"));
        assert!(
            decode("66", 2, 3)
                .unwrap_err()
                .to_string()
                .contains("add up to 12")
        );
    }
}
