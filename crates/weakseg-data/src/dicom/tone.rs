//! [`Tone`]: stored values of a radiograph to 8 bits of grey.

use std::path::Path;
use std::str::FromStr;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data_set::DataSet;
use super::header::{Header, Photometric};
use super::modality::Modality;
use super::voi::Voi;
use crate::{DataError, Stack};

/// How the stored values of a grey DICOM image become 8 bits. Of PNGs with 16 bits of grey, `percentile` does what it
/// does of DICOM; else they are divided by 257.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// As its data set says: Modality LUT, then VOI LUT or window. Without either, 8-bit values are taken as they are
    /// and wider ones by percentiles, and so are all where either is there and cannot be used. MONOCHROME1 is inverted.
    #[default]
    Window,
    /// After the Modality LUT, the 0.5th percentile becomes black and the 99.5th white, whatever window the data set
    /// has; padding is not counted. MONOCHROME1 is inverted.
    Percentile,
    /// Stored values as they are, as the published code reads them: no LUT, no window, no inversion. Only where they
    /// fit into 8 bits.
    Raw,
}

impl FromStr for Tone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "window" => Ok(Self::Window),
            "percentile" => Ok(Self::Percentile),
            "raw" => Ok(Self::Raw),
            _ => Err("expected window, percentile or raw".to_owned()),
        }
    }
}

/// Shares of the pixels below black and white.
const SHARES: [f64; 2] = [0.005, 0.995];

/// A grey image of 8 bits, 1×H×W.
pub(crate) fn grey(
    path: &Path,
    object: &DataSet,
    header: &Header,
    stored: &Stack<i32>,
    tone: Tone,
    notes: &mut Vec<String>,
) -> Result<Stack<u8>, DataError> {
    if tone == Tone::Raw {
        return raw(path, stored);
    }
    let modality = Modality::read(path, object, header)?;
    let voi = match tone {
        Tone::Window => Voi::read(object, header, &modality, notes),
        _ => Voi::None,
    };
    let inverted = header.photometric == Photometric::Monochrome1;
    let byte = |share: f64| {
        let grey = (share.clamp(0.0, 1.0) * 255.0).round() as u8;
        if inverted { 255 - grey } else { grey }
    };
    Ok(match voi {
        Voi::Window(window) => stored.map(|&value| byte(window.at(modality.of(value)))),
        Voi::Table(lut) => {
            let white = lut.white(notes);
            stored.map(|&value| {
                let input = modality.of(value).round() as i64;
                byte(f64::from(lut.at(input)) / white)
            })
        }
        Voi::None if tone == Tone::Window && plain(header, &modality) => {
            stored.map(|&value| byte(f64::from(value) / 255.0))
        }
        Voi::None | Voi::Unusable => {
            let [low, high] = percentiles(object, header, &modality, stored);
            stored.map(|&value| {
                // A constant image has no tones: all of it is black.
                let above = modality.of(value) - low;
                byte(if high > low {
                    above / (high - low)
                } else {
                    0.0
                })
            })
        }
    })
}

/// Whether stored values are 8 bits of grey already, as a PNG of the image would hold.
fn plain(header: &Header, modality: &Modality) -> bool {
    header.stored == 8 && !header.signed && modality.is_none()
}

fn raw(path: &Path, stored: &Stack<i32>) -> Result<Stack<u8>, DataError> {
    let outside = stored
        .as_slice()
        .iter()
        .find(|&&value| !(0..=255).contains(&value));
    if let Some(value) = outside {
        return Err(DataError::unreadable(
            path,
            format!("raw values are taken as 8 bits, but the image holds {value}"),
            "read it with the tone `window` or `percentile`",
        ));
    }
    Ok(stored.map(|&value| value as u8))
}

/// The quantities between which the image is shown: values at these ranks of all pixels that are no padding.
fn percentiles(
    object: &DataSet,
    header: &Header,
    modality: &Modality,
    stored: &Stack<i32>,
) -> [f64; 2] {
    // Stored values have at most 16 bits: counting them is exact and needs no sorting.
    let lowest = if header.signed { -32768 } else { 0 };
    let mut counts = vec![0_u64; 65536];
    for &value in stored.as_slice() {
        counts[(value - lowest) as usize] += 1;
    }
    if let Some(padding) = padding(object, header) {
        let mut rest = counts.clone();
        for value in padding {
            if let Some(count) = rest.get_mut((value - lowest) as usize) {
                *count = 0;
            }
        }
        if rest.iter().any(|&count| count > 0) {
            counts = rest;
        }
    }
    // A Modality LUT may bring stored values into any order: what they measure is ranked.
    let mut quantities: Vec<(f64, u64)> = (lowest..)
        .zip(counts)
        .filter(|&(_, count)| count > 0)
        .map(|(value, count)| (modality.of(value), count))
        .collect();
    quantities.sort_by(|a, b| a.0.total_cmp(&b.0));
    black_and_white(&quantities)
}

/// The quantities that become black and white, of some in ascending order with the number of pixels of each.
pub(crate) fn black_and_white(quantities: &[(f64, u64)]) -> [f64; 2] {
    let total: u64 = quantities.iter().map(|(_, count)| count).sum();
    SHARES.map(|share| {
        let rank = (share * total.saturating_sub(1) as f64).round() as u64;
        let mut below = 0;
        let at = quantities.iter().find(|(_, count)| {
            below += count;
            below > rank
        });
        at.map_or(0.0, |(quantity, _)| *quantity)
    })
}

/// Stored values that stand for no measurement: Pixel Padding Value, up to Pixel Padding Range Limit.
fn padding(object: &DataSet, header: &Header) -> Option<std::ops::RangeInclusive<i32>> {
    let value = |tag: Tag| {
        let word = (object.get(tag)?.to_int::<i64>().ok()? & 0xffff) as u16;
        Some(if header.signed {
            i32::from(word.cast_signed())
        } else {
            i32::from(word)
        })
    };
    let first = value(tags::PIXEL_PADDING_VALUE)?;
    let last = value(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(first);
    Some(first.min(last)..=first.max(last))
}
