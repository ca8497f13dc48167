//! [`CocoRle`]: masks as run lengths, in the form that COCO's tools write and read.
//!
//! Source: the format of the COCO data set (Lin et al. 2014) and its public tools, checked against pycocotools 2.0.11
//! (`tests/oracle/coco_rle.py`).

use crate::Plane;

/// Longest number that can be meant: 12 characters of 5 bits.
const LONGEST: usize = 12;

/// Run lengths of a mask, column by column from the left, each from top to bottom: pixels outside, then inside, then
/// outside, and so on. The first run may be 0 long, the sum is the number of pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CocoRle {
    height: usize,
    width: usize,
    counts: Vec<usize>,
}

/// Why a text is no run lengths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CocoRleError {
    /// A character that no number is written with.
    #[error(
        "run lengths: the character {character:?} at byte {at}; expected `0` to `o`, as COCO's compressed counts have"
    )]
    Character {
        /// The character.
        character: char,
        /// Where it stands.
        at: usize,
    },
    /// The text ends inside a number, or a number is longer than any image.
    #[error(
        "run lengths: the number at byte {at} has no end; the text was cut short or is something else"
    )]
    Number {
        /// Where the number begins.
        at: usize,
    },
    /// A run below 0.
    #[error("run lengths: run {run} is {length} pixels long; expected 0 or more")]
    Negative {
        /// The run, from 0.
        run: usize,
        /// Its length.
        length: i64,
    },
    /// Runs that do not fill the image.
    #[error(
        "run lengths: {found} pixels in all, but the image is {height}x{width} (height x width); give the mask's own size"
    )]
    Pixels {
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
        /// Sum of the runs.
        found: u64,
    },
}

impl CocoRle {
    /// The run lengths of a mask; every value but 0 is inside.
    #[must_use]
    pub fn encode(mask: &Plane<u8>) -> Self {
        let (height, width) = (mask.height(), mask.width());
        let mut counts = Vec::new();
        let (mut inside, mut run) = (false, 0);
        for x in 0..width {
            for y in 0..height {
                if (mask.get(y, x) != 0) != inside {
                    counts.push(run);
                    (inside, run) = (!inside, 0);
                }
                run += 1;
            }
        }
        counts.push(run);
        Self {
            height,
            width,
            counts,
        }
    }

    /// The mask, 0 outside and 1 inside, H×W.
    #[must_use]
    pub fn decode(&self) -> Plane<u8> {
        let mut mask = Plane::filled(self.height, self.width, 0);
        let mut at = 0;
        for (run, &count) in self.counts.iter().enumerate() {
            if run % 2 == 1 {
                for place in at..at + count {
                    mask.set(place % self.height, place / self.height, 1);
                }
            }
            at += count;
        }
        mask
    }

    /// Height and width of the mask.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The run lengths.
    #[must_use]
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// Pixels inside.
    #[must_use]
    pub fn area(&self) -> usize {
        self.counts.iter().skip(1).step_by(2).sum()
    }

    /// The compressed counts: each run, from the fourth on its difference from the run two before, in groups of five bits
    /// from the lowest, with the sign in the last one; bit 5 says that another group follows, and 48 makes it a character.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (run, &count) in self.counts.iter().enumerate() {
            let mut rest = count as i64;
            if run > 2 {
                rest -= self.counts[run - 2] as i64;
            }
            loop {
                let group = (rest & 0x1f) as u8;
                rest >>= 5;
                let negative = group & 0x10 != 0;
                let more = rest != if negative { -1 } else { 0 };
                text.push(char::from(48 + group + if more { 0x20 } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// Reads compressed counts of a mask of `height` × `width`.
    ///
    /// # Errors
    /// See [`CocoRleError`]: the text is not such counts, or they are not of that size.
    pub fn parse(text: &str, height: usize, width: usize) -> Result<Self, CocoRleError> {
        let mut counts: Vec<usize> = Vec::new();
        let (mut value, mut groups, mut began) = (0i64, 0usize, 0usize);
        let mut sum = 0u64;
        for (at, character) in text.char_indices() {
            if !('0'..='o').contains(&character) {
                return Err(CocoRleError::Character { character, at });
            }
            let group = i64::from(character as u32) - 48;
            if groups == 0 {
                began = at;
            }
            if groups == LONGEST {
                return Err(CocoRleError::Number { at: began });
            }
            value |= (group & 0x1f) << (5 * groups);
            groups += 1;
            if group & 0x20 != 0 {
                continue;
            }
            if group & 0x10 != 0 {
                value |= -1 << (5 * groups);
            }
            let run = counts.len();
            let length = match run > 2 {
                true => value.saturating_add(counts[run - 2] as i64),
                false => value,
            };
            let Ok(count) = usize::try_from(length) else {
                return Err(CocoRleError::Negative { run, length });
            };
            sum = sum.saturating_add(count as u64);
            counts.push(count);
            (value, groups) = (0, 0);
        }
        if groups > 0 {
            return Err(CocoRleError::Number { at: began });
        }
        if sum != (height as u64).saturating_mul(width as u64) {
            return Err(CocoRleError::Pixels {
                height,
                width,
                found: sum,
            });
        }
        Ok(Self {
            height,
            width,
            counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_first() {
        let mask = Plane::new(2, 3, vec![0, 1, 1, 0, 0, 1]).unwrap();
        let rle = CocoRle::encode(&mask);
        assert_eq!(rle.counts(), [2, 1, 1, 2]);
        assert_eq!((rle.area(), rle.size()), (3, [2, 3]));
        assert_eq!(rle.decode(), mask);
    }

    #[test]
    fn a_mask_that_begins_inside_begins_with_an_empty_run() {
        let rle = CocoRle::encode(&Plane::filled(2, 2, 7));
        assert_eq!((rle.counts(), rle.text().as_str()), (&[0, 4][..], "04"));
        assert_eq!(rle.decode(), Plane::filled(2, 2, 1));
    }

    #[test]
    fn no_pixels_are_one_empty_run() {
        for (height, width) in [(0, 0), (0, 3), (3, 0)] {
            let rle = CocoRle::encode(&Plane::filled(height, width, 1));
            assert_eq!((rle.text().as_str(), rle.area()), ("0", 0));
            assert_eq!(CocoRle::parse("0", height, width), Ok(rle.clone()));
            assert!(rle.decode().is_empty());
        }
    }

    #[test]
    fn what_is_no_run_lengths_is_named() {
        let of = |text: &str| CocoRle::parse(text, 2, 2).unwrap_err().to_string();
        assert!(of("0 4").contains("' ' at byte 1"), "{}", of("0 4"));
        assert!(of("0é").contains("'é'"));
        assert!(of("0p").contains("'p'"));
        assert!(of("0X").contains("at byte 1 has no end"));
        assert!(of(&"o".repeat(30)).contains("at byte 0 has no end"));
        // -1: group 31, the last one.
        assert!(of("O").contains("run 0 is -1 pixels long"));
        assert!(of("05").contains("5 pixels in all, but the image is 2x2"));
        assert!(of("").contains("0 pixels in all"));
        // The greatest numbers that can be written do not overflow.
        let greatest = format!("{}?", "o".repeat(11));
        for text in [greatest.repeat(2), greatest.repeat(5)] {
            CocoRle::parse(&text, 2, 2).unwrap_err();
        }
    }
}
