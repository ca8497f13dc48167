//! The VOI LUT: which values of a quantity are shown, from black to white (PS3.3 C.11.2).

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::data_set::DataSet;
use super::header::Header;
use super::lut::Lut;
use super::modality::Modality;

/// What the data set says of it.
pub(crate) enum Voi {
    /// Nothing.
    None,
    /// Something that cannot be used, which a note tells.
    Unusable,
    Table(Lut),
    Window(Window),
}

/// A window: centre, width, and the curve between.
pub(crate) struct Window {
    pub(crate) centre: f64,
    pub(crate) width: f64,
    pub(crate) curve: Curve,
}

/// VOI LUT Function (0028,1056).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Curve {
    Linear,
    LinearExact,
    Sigmoid,
}

impl Voi {
    /// The first table, else the first window. What is there and cannot be used is passed over with a note.
    pub(crate) fn read(
        object: &DataSet,
        header: &Header,
        modality: &Modality,
        notes: &mut Vec<String>,
    ) -> Self {
        let mut nothing = Self::None;
        let sequence = object.get(tags::VOILUT_SEQUENCE);
        if let Some(item) = sequence
            .and_then(|element| element.items())
            .and_then(<[_]>::first)
        {
            let signed = |kind, first| is_signed(kind, first, header, modality);
            match Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, signed) {
                Ok(lut) => return Self::Table(lut),
                Err(problem) => {
                    notes.push(format!("the VOI LUT cannot be used and is not: {problem}"));
                    nothing = Self::Unusable;
                }
            }
        }
        match window(object) {
            Ok(None) => nothing,
            Ok(Some(window)) => Self::Window(window),
            Err(problem) => {
                notes.push(format!(
                    "{problem}; the window is not used, the image is scaled by its percentiles"
                ));
                Self::Unusable
            }
        }
    }
}

/// Whether the first input value of a VOI LUT has a sign (PS3.3 C.11.2.1.1).
///
/// SS says so itself; but dicom-rs calls it SS in every image of signed pixels, whatever the file has. Behind a
/// Modality LUT values have no sign. Else it has the one with which it lies among the values that come in.
fn is_signed(kind: VR, first: u16, header: &Header, modality: &Modality) -> bool {
    if kind == VR::SS && !header.signed {
        return true;
    }
    if matches!(modality, Modality::Table(_)) {
        return false;
    }
    let [low, high] = modality.range(header);
    let inside = |value: f64| value >= low && value <= high;
    inside(first.cast_signed().into()) || (!inside(first.into()) && low < 0.0)
}

fn window(object: &DataSet) -> Result<Option<Window>, String> {
    let numbers = |tag: Tag, name: &str| -> Result<Option<f64>, String> {
        let Some(element) = object.get(tag) else {
            return Ok(None);
        };
        let numbers = element
            .to_multi_float64()
            .map_err(|_| format!("{name} holds no numbers"))?;
        Ok(numbers.first().copied())
    };
    let centre = numbers(tags::WINDOW_CENTER, "Window Center")?;
    let width = numbers(tags::WINDOW_WIDTH, "Window Width")?;
    let (centre, width) = match (centre, width) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err("Window Center without Window Width".into()),
        (None, Some(_)) => return Err("Window Width without Window Center".into()),
        (Some(centre), Some(width)) => (centre, width),
    };
    let function = object
        .get(tags::VOILUT_FUNCTION)
        .and_then(|element| element.to_str().ok());
    let curve = match function.as_deref().map(str::trim) {
        None | Some("" | "LINEAR") => Curve::Linear,
        Some("LINEAR_EXACT") => Curve::LinearExact,
        Some("SIGMOID") => Curve::Sigmoid,
        Some(other) => {
            return Err(format!(
                "VOI LUT Function is `{}`, expected LINEAR, LINEAR_EXACT or SIGMOID",
                other.escape_debug()
            ));
        }
    };
    let least = if curve == Curve::Linear {
        1.0
    } else {
        f64::MIN_POSITIVE
    };
    if !(centre.is_finite() && width.is_finite() && width >= least) {
        return Err(format!("Window Center {centre}, Window Width {width}"));
    }
    Ok(Some(Window {
        centre,
        width,
        curve,
    }))
}

impl Window {
    /// Where a value lies between black (0) and white (1).
    pub(crate) fn at(&self, value: f64) -> f64 {
        let Self { centre, width, .. } = *self;
        match self.curve {
            Curve::Linear => {
                let (centre, width) = (centre - 0.5, width - 1.0);
                if value <= centre - width / 2.0 {
                    0.0
                } else if value > centre + width / 2.0 {
                    1.0
                } else {
                    (value - centre) / width + 0.5
                }
            }
            Curve::LinearExact => ((value - centre) / width + 0.5).clamp(0.0, 1.0),
            Curve::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(curve: Curve, centre: f64, width: f64, value: f64) -> f64 {
        let window = Window {
            centre,
            width,
            curve,
        };
        window.at(value)
    }

    #[test]
    fn windows_are_those_of_the_standard() {
        // PS3.3 C.11.2.1.2.1: centre 2048, width 4096 shows 0 to 4095; width 1 is a step.
        assert_eq!(at(Curve::Linear, 2048.0, 4096.0, 0.0), 0.0);
        assert_eq!(at(Curve::Linear, 2048.0, 4096.0, 4095.0), 1.0);
        assert_eq!(at(Curve::Linear, 2048.0, 4096.0, 2047.5), 0.5);
        assert_eq!(at(Curve::Linear, 0.0, 1.0, -1.0), 0.0);
        assert_eq!(at(Curve::Linear, 0.0, 1.0, 0.0), 1.0);
        assert_eq!(at(Curve::LinearExact, 2048.0, 4096.0, 2048.0), 0.5);
        assert_eq!(at(Curve::LinearExact, 2048.0, 4096.0, 4096.0), 1.0);
        assert_eq!(at(Curve::Sigmoid, 10.0, 4.0, 10.0), 0.5);
        assert!((at(Curve::Sigmoid, 10.0, 4.0, 11.0) - 0.731_058_578_630).abs() < 1e-12);
    }
}
