//! The Modality LUT: stored values to the quantity they measure (PS3.3 C.11.1).

use std::path::Path;

use dicom_core::value::Value;
use dicom_core::{PrimitiveValue, Tag};
use dicom_dictionary_std::tags;

use super::data_set::DataSet;
use super::header::Header;
use super::lut::Lut;
use crate::DataError;

/// What the data set says of it.
pub(crate) enum Modality {
    /// Stored values are the quantity.
    None,
    Rescale {
        slope: f64,
        intercept: f64,
    },
    Table(Lut),
}

impl Modality {
    pub(crate) fn read(path: &Path, object: &DataSet, header: &Header) -> Result<Self, DataError> {
        let wrong = |problem: String| DataError::unreadable(path, problem, "export it again");
        let sequence = object.get(tags::MODALITY_LUT_SEQUENCE);
        if let Some(item) = sequence
            .and_then(|element| element.items())
            .and_then(<[_]>::first)
        {
            // What goes in are stored values.
            let signed = |_, _| header.signed;
            let lut = Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, signed);
            return lut
                .map(Self::Table)
                .map_err(|problem| wrong(format!("the Modality LUT cannot be used: {problem}")));
        }
        let slope = decimal(object, tags::RESCALE_SLOPE);
        let intercept = decimal(object, tags::RESCALE_INTERCEPT);
        let (slope, intercept) = match (slope, intercept) {
            (None, None) => return Ok(Self::None),
            (Some(Ok(slope)), Some(Ok(intercept))) => (slope, intercept),
            (slope, intercept) => {
                let state = |value: Option<Result<f64, String>>| match value {
                    None => "is missing".to_owned(),
                    Some(Ok(value)) => format!("is {value}"),
                    Some(Err(found)) => format!("is `{found}`, expected one number"),
                };
                return Err(wrong(format!(
                    "Rescale Slope {} and Rescale Intercept {}",
                    state(slope),
                    state(intercept)
                )));
            }
        };
        if slope == 0.0 {
            return Err(wrong(
                "Rescale Slope is 0, which would make every pixel the same".into(),
            ));
        }
        if slope == 1.0 && intercept == 0.0 {
            return Ok(Self::None);
        }
        let rescale = Self::Rescale { slope, intercept };
        let [low, high] = rescale.range(header);
        if !(high - low).is_finite() {
            return Err(wrong(format!(
                "Rescale Slope {slope:?} and Rescale Intercept {intercept:?} give numbers that are not finite"
            )));
        }
        Ok(rescale)
    }

    /// The least and the greatest quantity that an image can hold.
    pub(crate) fn range(&self, header: &Header) -> [f64; 2] {
        let ends = match self {
            Self::Table(lut) => lut.range().map(f64::from),
            _ => header.range().map(|stored| self.of(stored)),
        };
        [ends[0].min(ends[1]), ends[0].max(ends[1])]
    }

    /// Whether stored values are the quantity.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The quantity of a stored value.
    pub(crate) fn of(&self, stored: i32) -> f64 {
        match self {
            Self::None => stored.into(),
            Self::Rescale { slope, intercept } => f64::from(stored) * slope + intercept,
            Self::Table(lut) => lut.at(stored.into()).into(),
        }
    }
}

/// The one finite number of a decimal string, what else is there, or `None` if there is nothing.
pub(crate) fn decimal(object: &DataSet, tag: Tag) -> Option<Result<f64, String>> {
    let element = object.get(tag)?;
    if matches!(element.value(), Value::Primitive(PrimitiveValue::Empty)) {
        return None;
    }
    let shown = || element.to_str().unwrap_or_default().trim().to_owned();
    Some(match element.to_multi_float64() {
        Ok(numbers) => match numbers.as_slice() {
            [number] if number.is_finite() => Ok(*number),
            _ => Err(shown()),
        },
        Err(_) => Err(shown()),
    })
}
