//! [`Mask`]: class per pixel, and what the values of a mask file mean.

use std::path::Path;

use crate::{DataError, LabelSpace, Plane, Stack};

/// The value of a pixel that counts for nothing: unknown, unlabelled, or a border nobody agrees on.
pub const VOID: u8 = 255;

/// Class per pixel.
///
/// [`LabelSpace::Exclusive`]: one plane of 0 = background, `k + 1` = class `k`, [`VOID`].
/// [`LabelSpace::Findings`]: one plane per finding of 0 = absent, 1 = present, [`VOID`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The planes, P×H×W.
    pub planes: Stack<u8>,
}

impl Mask {
    /// Where class `class` is: 1 = there, 0 = not there, [`VOID`]. H×W.
    ///
    /// # Panics
    /// If there is no such finding, as indexing a slice does.
    #[must_use]
    pub fn of_class(&self, space: LabelSpace, class: usize) -> Plane<u8> {
        match space {
            LabelSpace::Findings => self.planes.to_plane(class),
            LabelSpace::Exclusive => self.planes.to_plane(0).map(|&value| match value {
                VOID => VOID,
                value => u8::from(usize::from(value) == class + 1),
            }),
        }
    }

    /// Whether no pixel of a plane counts.
    ///
    /// # Panics
    /// If there is no such plane, as indexing a slice does.
    #[must_use]
    pub fn is_void(&self, plane: usize) -> bool {
        self.planes.plane(plane).iter().all(|&value| value == VOID)
    }

    /// Number of planes of which no pixel counts.
    #[must_use]
    pub fn void_planes(&self) -> usize {
        let planes = 0..self.planes.channels();
        planes.filter(|&plane| self.is_void(plane)).count()
    }

    /// Which of `classes` classes have at least one pixel.
    #[must_use]
    pub fn present(&self, space: LabelSpace, classes: usize) -> Vec<bool> {
        match space {
            LabelSpace::Findings => (0..classes)
                .map(|class| self.planes.plane(class).contains(&1))
                .collect(),
            LabelSpace::Exclusive => {
                let mut seen = [false; 256];
                for &value in self.planes.plane(0) {
                    seen[usize::from(value)] = true;
                }
                (0..classes)
                    .map(|class| class + 1 < usize::from(VOID) && seen[class + 1])
                    .collect()
            }
        }
    }
}

/// Refuses values other than `0..=classes` and [`VOID`].
pub(crate) fn check_indices(
    path: &Path,
    plane: &Plane<u8>,
    classes: usize,
) -> Result<(), DataError> {
    let values = strangers(plane, |value| {
        value == VOID || usize::from(value) <= classes
    });
    if values.is_empty() {
        return Ok(());
    }
    let allowed = if classes == 1 {
        "0 (absent), 1 (present) and 255 (void)".to_owned()
    } else {
        format!("0 (background), 1 to {classes} (classes) and 255 (void)")
    };
    Err(DataError::MaskValues {
        path: path.to_owned(),
        values,
        allowed,
    })
}

/// Reads a mask of somebody's, 0/1 or 0/255, as 0 = absent, 1 = present.
pub(crate) fn binary(path: &Path, plane: &Plane<u8>) -> Result<Plane<u8>, DataError> {
    let values = strangers(plane, |value| matches!(value, 0 | 1 | 255));
    let both = plane.as_slice().contains(&1) && plane.as_slice().contains(&255);
    if both || !values.is_empty() {
        let values = strangers(plane, |_| false);
        return Err(DataError::MaskValues {
            path: path.to_owned(),
            values,
            allowed: "either 0 and 1, or 0 and 255 (absent and present)".into(),
        });
    }
    Ok(plane.map(|&value| u8::from(value != 0)))
}

/// Values of a plane that are not expected, ascending.
fn strangers(plane: &Plane<u8>, expected: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut seen = [false; 256];
    for &value in plane.as_slice() {
        seen[usize::from(value)] = true;
    }
    (0..=255)
        .filter(|&value| seen[usize::from(value)] && !expected(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(values: &[u8]) -> Plane<u8> {
        Plane::new(1, values.len(), values.to_vec()).unwrap()
    }

    #[test]
    fn binary_masks_come_in_two_forms_and_no_third() {
        let path = Path::new("m.png");
        assert_eq!(binary(path, &plane(&[0, 1, 1])).unwrap(), plane(&[0, 1, 1]));
        assert_eq!(binary(path, &plane(&[0, 255])).unwrap(), plane(&[0, 1]));
        assert_eq!(binary(path, &plane(&[255])).unwrap(), plane(&[1]));
        assert_eq!(binary(path, &plane(&[0])).unwrap(), plane(&[0]));
        for values in [&[0, 1, 255][..], &[0, 128, 255], &[2]] {
            let error = binary(path, &plane(values)).unwrap_err().to_string();
            for value in values {
                assert!(error.contains(&value.to_string()), "{error}");
            }
        }
    }

    #[test]
    fn index_maps_hold_classes_and_void_only() {
        let path = Path::new("m.png");
        assert!(check_indices(path, &plane(&[0, 1, 20, 255]), 20).is_ok());
        let error = check_indices(path, &plane(&[0, 21, 254]), 20).unwrap_err();
        assert_eq!(
            error.to_string(),
            "m.png: mask values 21, 254 found, allowed are 0 (background), 1 to 20 (classes) and 255 (void)"
        );
    }

    #[test]
    fn classes_are_told_apart_in_both_spaces() {
        let indices = Mask {
            planes: plane(&[0, 1, 2, 255]).into_stack(),
        };
        assert_eq!(
            indices.of_class(LabelSpace::Exclusive, 1),
            plane(&[0, 0, 1, 255])
        );
        assert_eq!(
            indices.present(LabelSpace::Exclusive, 3),
            [true, true, false]
        );
        let findings = Mask {
            planes: Stack::from_planes(&[plane(&[0, 1]), plane(&[255, 0])]).unwrap(),
        };
        assert_eq!(findings.of_class(LabelSpace::Findings, 0), plane(&[0, 1]));
        assert_eq!(findings.present(LabelSpace::Findings, 2), [true, false]);
        assert_eq!(findings.void_planes(), 0);
        let unknown = Mask {
            planes: Stack::from_planes(&[plane(&[0, 1]), plane(&[255, 255])]).unwrap(),
        };
        assert_eq!([unknown.is_void(0), unknown.is_void(1)], [false, true]);
        assert_eq!(unknown.void_planes(), 1);
    }
}
