//! Run lengths: masks as text, in the forms of the SIIM-ACR challenge, of other Kaggle challenges and of COCO.
//!
//! All of them count pixels *column by column*, from the upper left down. They differ in what they write:
//!
//! | form | tokens |
//! |---|---|
//! | [`Form::Relative`] (SIIM-ACR) | pairs of a gap since the end of the run before and a length, from 0; `-1` if empty |
//! | [`Form::Absolute`] (Kaggle) | pairs of a first pixel, counted from 1, and a length; nothing if empty |
//! | [`coco`] | lengths of absent and present pixels in turn, as numbers or packed into a string |
//!
//! Runs come out maximal, in order, and without empty ones, so encoding what was decoded gives the very text back that
//! a tidy writer wrote.

pub mod coco;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Limits, Plane};

/// How runs are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `gap length gap length …`, each gap counted from the end of the run before; `-1` for an empty mask.
    Relative,
    /// `start length start length …`, starts counted from 1; an empty text for an empty mask.
    Absolute,
}

/// Why a text is no mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RleError {
    /// A token that is no whole number of at least 0 (or at least 1, for a length or a start counted from 1).
    #[error("token {token} is `{found}`, expected a whole number of at least {least}")]
    NotANumber {
        /// Its place, from 1.
        token: usize,
        /// What stands there, cut after 40 characters.
        found: String,
        /// The least number allowed.
        least: u64,
    },
    /// A start without a length.
    #[error("{count} numbers, expected pairs of a start and a length")]
    OddCount {
        /// Numbers found.
        count: usize,
    },
    /// Nothing at all where an empty mask is written `-1`.
    #[error("no runs at all, expected `-1` for an empty mask")]
    Nothing,
    /// `-1` beside other tokens.
    #[error("`-1` for an empty mask beside {count} other tokens")]
    EmptyAndRuns {
        /// Other tokens found.
        count: usize,
    },
    /// A run that ends outside of the image.
    #[error(
        "token {token}: the run of pixels {start} to {end} leaves the image of {height}x{width} (height x width), \
         whose last pixel is {}", height * width - 1
    )]
    Outside {
        /// Place of its length, from 1.
        token: usize,
        /// Its first pixel, from 0.
        start: u64,
        /// Its last pixel, from 0.
        end: u64,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A run over pixels that an earlier one holds.
    #[error("token {token}: the run from pixel {start} on overlaps an earlier one")]
    Overlap {
        /// Place of its length, from 1.
        token: usize,
        /// Its first pixel, from 0.
        start: u64,
    },
    /// Counts that do not add up to the image.
    #[error("the counts add up to {total} pixels, the image of {height}x{width} (height x width) has {}", height * width)]
    Total {
        /// Their sum.
        total: u64,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A string of packed counts with a character that packs nothing, or that ends inside a count.
    #[error("the packed counts {problem} (character {at})")]
    Packed {
        /// What is wrong.
        problem: &'static str,
        /// Place of the character, from 1.
        at: usize,
    },
    /// A size with no pixels, or more than the limits allow.
    #[error("an image of {height}x{width} (height x width) has no pixels or more than {limit}")]
    Size {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Most pixels allowed.
        limit: u64,
    },
}

impl Form {
    /// Decodes a text to 1 = present, 0 = absent, of `height` rows and `width` columns.
    ///
    /// Blanks around and between tokens are no matter. Runs of [`Form::Absolute`] may come in any order.
    ///
    /// Departs from readers that lay overlapping runs over each other: nobody's mask has them, and relative run lengths
    /// that are read as absolute ones nearly always do, so they are an error and not a mask of another shape.
    ///
    /// # Errors
    /// [`RleError`]: tokens that are no numbers, lengths of 0, runs that leave the image or overlap, an odd count.
    /// Never a partly filled mask.
    pub fn decode(self, text: &str, height: usize, width: usize) -> Result<Plane<u8>, RleError> {
        let pixels = check_size(height, width)?;
        let mut columns = vec![0_u8; pixels];
        let mut end = 0_u64;
        for (pair, [first, length]) in self.pairs(text)?.into_iter().enumerate() {
            let start = match self {
                Self::Relative => end.saturating_add(first),
                Self::Absolute => first - 1,
            };
            end = start.saturating_add(length);
            let token = 2 * pair + 2;
            if end > pixels as u64 {
                return Err(RleError::Outside {
                    token,
                    start,
                    end: end - 1,
                    height,
                    width,
                });
            }
            let run = &mut columns[start as usize..end as usize];
            if run.contains(&1) {
                return Err(RleError::Overlap { token, start });
            }
            run.fill(1);
        }
        Ok(transposed(&columns, height, width))
    }

    /// Whether a text stands for an empty mask, after a look at every token of it. No image is needed for that, so runs
    /// that would leave it or overlap are not noticed.
    ///
    /// # Errors
    /// [`RleError`]: tokens that are no numbers, lengths of 0, an odd count.
    pub fn is_empty(self, text: &str) -> Result<bool, RleError> {
        Ok(self.pairs(text)?.is_empty())
    }

    /// The numbers of a text, a first one and a length at a time; none for an empty mask.
    fn pairs(self, text: &str) -> Result<Vec<[u64; 2]>, RleError> {
        let tokens: Vec<&str> = text.split_whitespace().collect();
        let empty = match self {
            Self::Relative if tokens.is_empty() => return Err(RleError::Nothing),
            Self::Relative => tokens.contains(&"-1"),
            Self::Absolute => tokens.is_empty(),
        };
        if empty {
            return match tokens.len() {
                0 | 1 => Ok(Vec::new()),
                count => Err(RleError::EmptyAndRuns { count: count - 1 }),
            };
        }
        let least = u64::from(self == Self::Absolute);
        if tokens.len() % 2 == 1 {
            // What is no number is the likelier mistake, and the better told.
            for (index, token) in tokens.iter().enumerate() {
                number(index, token, if index % 2 == 0 { least } else { 1 })?;
            }
            return Err(RleError::OddCount {
                count: tokens.len(),
            });
        }
        let pair = |(at, pair): (usize, &[&str])| {
            Ok([
                number(2 * at, pair[0], least)?,
                number(2 * at + 1, pair[1], 1)?,
            ])
        };
        tokens.chunks_exact(2).enumerate().map(pair).collect()
    }

    /// Encodes a mask; every value but 0 is present.
    #[must_use]
    pub fn encode(self, mask: &Plane<u8>) -> String {
        let mut tokens: Vec<String> = Vec::new();
        let mut end = 0;
        for (start, length) in runs(mask) {
            let first = match self {
                Self::Relative => start - end,
                Self::Absolute => start + 1,
            };
            end = start + length;
            tokens.push(first.to_string());
            tokens.push(length.to_string());
        }
        if tokens.is_empty() && self == Self::Relative {
            return "-1".into();
        }
        tokens.join(" ")
    }
}

/// First pixels (from 0, column by column) and lengths of the maximal runs of a mask.
fn runs(mask: &Plane<u8>) -> Vec<(usize, usize)> {
    let (height, width) = (mask.height(), mask.width());
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let present = |x: usize, y: usize| mask.get(y, x) != 0;
    let columns = (0..width).flat_map(|x| (0..height).map(move |y| (x, y)));
    for (at, (x, y)) in columns.enumerate() {
        if !present(x, y) {
            continue;
        }
        match runs.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

/// Values column by column to a plane.
fn transposed(columns: &[u8], height: usize, width: usize) -> Plane<u8> {
    Plane::from_fn(height, width, |y, x| columns[x * height + y])
}

fn check_size(height: usize, width: usize) -> Result<usize, RleError> {
    let limit = Limits::default().max_pixels;
    match height.checked_mul(width) {
        Some(pixels) if pixels > 0 && pixels as u64 <= limit => Ok(pixels),
        _ => Err(RleError::Size {
            height,
            width,
            limit,
        }),
    }
}

fn number(index: usize, token: &str, least: u64) -> Result<u64, RleError> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    match token.parse() {
        Ok(value) if digits && value >= least => Ok(value),
        _ => Err(RleError::NotANumber {
            token: index + 1,
            found: token.chars().take(40).collect(),
            least,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, below, stream};

    /// ```text
    /// . X .
    /// X X .
    /// ```
    fn small() -> Plane<u8> {
        Plane::new(2, 3, vec![0, 1, 0, 1, 1, 0]).unwrap()
    }

    #[test]
    fn columns_come_first() {
        assert_eq!(Form::Relative.encode(&small()), "1 3");
        assert_eq!(Form::Absolute.encode(&small()), "2 3");
        assert_eq!(Form::Relative.decode(" 1  3 ", 2, 3).unwrap(), small());
        assert_eq!(Form::Absolute.decode("2 3", 2, 3).unwrap(), small());
        // The transposed mask is another one.
        let turned = Plane::new(3, 2, vec![0, 1, 1, 1, 0, 0]).unwrap();
        assert_ne!(Form::Relative.encode(&turned), "1 3");
        // Gaps are counted from the end of the run before.
        let two = Form::Relative.decode("1 2 1 2", 2, 3).unwrap();
        assert_eq!(two.as_slice(), [0, 1, 1, 1, 0, 1]);
        assert_eq!(Form::Absolute.encode(&two), "2 2 5 2");
        assert_eq!(Form::Absolute.decode("5 2 2 2", 2, 3).unwrap(), two);
    }

    #[test]
    fn empty_masks_are_written_as_each_form_has_it() {
        let empty = Plane::filled(2, 3, 0);
        assert_eq!(Form::Relative.encode(&empty), "-1");
        assert_eq!(Form::Relative.decode(" -1", 2, 3).unwrap(), empty);
        assert_eq!(Form::Absolute.encode(&empty), "");
        assert_eq!(Form::Absolute.decode(" ", 2, 3).unwrap(), empty);
        let full = Plane::filled(2, 3, 1);
        assert_eq!(Form::Relative.encode(&full), "0 6");
        assert_eq!(Form::Relative.decode("0 6", 2, 3).unwrap(), full);
    }

    #[test]
    fn random_masks_come_back() {
        let mut rng = stream(Purpose::Order, 5, 0, 0);
        for _ in 0..200 {
            let (height, width) = (1 + below(&mut rng, 9), 1 + below(&mut rng, 9));
            let dense = 1 + below(&mut rng, 6);
            let mask = Plane::from_fn(height, width, |_, _| u8::from(below(&mut rng, dense) == 0));
            for form in [Form::Relative, Form::Absolute] {
                let text = form.encode(&mask);
                assert_eq!(form.decode(&text, height, width).unwrap(), mask, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_mask_is_named() {
        let relative = |text: &str| Form::Relative.decode(text, 2, 3).unwrap_err().to_string();
        let absolute = |text: &str| Form::Absolute.decode(text, 2, 3).unwrap_err().to_string();
        assert!(relative("").contains("expected `-1`"));
        assert!(relative("1").contains("1 numbers, expected pairs"));
        assert!(relative("1 3 x").contains("token 3 is `x`"));
        assert!(relative("1 -3").contains("token 2 is `-3`"));
        assert!(relative("+1 3").contains("token 1 is `+1`"));
        assert!(relative("1 0").contains("token 2 is `0`, expected a whole number of at least 1"));
        assert!(relative("1.0 3").contains("`1.0`"));
        assert!(relative("-1 1 2").contains("beside 2 other tokens"));
        let text = relative("1 2 1 3");
        assert!(
            text.contains("token 4") && text.contains("4 to 6") && text.contains("last pixel is 5")
        );
        assert!(relative("1 99999999999999999999999").contains("token 2"));
        assert!(relative("18446744073709551615 18446744073709551615").contains("leaves the image"));
        assert!(absolute("0 1").contains("at least 1"));
        assert!(absolute("7 1").contains("leaves the image"));
        assert!(absolute("-1").contains("`-1`, expected a whole number of at least 1"));
        assert!(
            absolute("3 0 5").contains("token 2 is `0`, expected a whole number of at least 1")
        );
        assert!(absolute("1 3 3 1").contains("overlaps"));
        assert!(Form::Relative.decode("0 1", 0, 3).is_err());
        for text in ["nan", "None", "-1.0", "-1 -1", "1 0", "0", "\"-1\"", ""] {
            assert!(Form::Relative.is_empty(text).is_err(), "{text}");
        }
        assert_eq!(Form::Relative.is_empty(" -1 "), Ok(true));
        assert_eq!(Form::Relative.is_empty("99 9"), Ok(false));
        assert_eq!(Form::Absolute.is_empty(" "), Ok(true));
        assert!(
            Form::Relative
                .decode("0 1", usize::MAX, usize::MAX)
                .is_err()
        );
    }
}
