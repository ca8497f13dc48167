//! Colour in DICOM to RGB of 8 bits.

use std::path::Path;

use dicom_dictionary_std::tags;

use super::data_set::DataSet;
use super::frame;
use super::header::{Header, Photometric};
use super::lut::Lut;
use crate::{DataError, Stack};

/// An RGB image of 8 bits, 3×H×W.
pub(crate) fn rgb(
    path: &Path,
    object: &DataSet,
    header: &Header,
    stored: &Stack<i32>,
) -> Result<Stack<u8>, DataError> {
    if header.photometric == Photometric::Palette {
        return palette(path, object, header, stored);
    }
    let widest = (1 << header.stored) - 1;
    let bytes = stored.map(|&value| (value.clamp(0, widest) * 255 / widest) as u8);
    // JPEG with loss and JPEG 2000 were brought to RGB by their decoders.
    let is_ybr = matches!(
        header.photometric,
        Photometric::YbrFull | Photometric::YbrFull422
    ) && !frame::comes_as_rgb(object.meta().transfer_syntax());
    if !is_ybr {
        return Ok(bytes);
    }
    let (y, cb, cr) = (bytes.plane(0), bytes.plane(1), bytes.plane(2));
    let mut values = vec![0; 3 * y.len()];
    for at in 0..y.len() {
        let pixel = from_ybr([y[at], cb[at], cr[at]]);
        for (channel, value) in pixel.into_iter().enumerate() {
            values[channel * y.len() + at] = value;
        }
    }
    Stack::new(3, header.rows, header.columns, values)
}

/// YBR_FULL to RGB (PS3.3 C.7.6.3.1.2, solved for the colours).
fn from_ybr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [
        y + 1.402 * cr,
        y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587,
        y + 1.772 * cb,
    ]
    .map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn palette(
    path: &Path,
    object: &DataSet,
    header: &Header,
    stored: &Stack<i32>,
) -> Result<Stack<u8>, DataError> {
    let tables = [
        (
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
        (
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
        (
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
    ];
    let mut values = Vec::with_capacity(3 * stored.as_slice().len());
    for (descriptor, data) in tables {
        let lut = Lut::read(object, descriptor, data, |_, _| header.signed).map_err(|problem| {
            DataError::unreadable(
                path,
                format!("the palette cannot be used: {problem}"),
                "convert the image to RGB",
            )
        })?;
        let down = lut.bits.saturating_sub(8);
        values.extend(
            stored
                .as_slice()
                .iter()
                .map(|&index| (lut.at(index.into()) >> down) as u8),
        );
    }
    Stack::new(3, header.rows, header.columns, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ybr_is_turned_round() {
        // The primaries by the forward formula of the standard, rounded.
        for (ybr, rgb) in [
            ([255, 128, 128], [255, 255, 255]),
            ([0, 128, 128], [0, 0, 0]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(from_ybr(ybr), rgb, "{ybr:?}");
        }
    }
}
