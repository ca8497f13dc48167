//! [`TrueInstance`]: one object of an image, and how a set tells the objects of one class apart.

use std::path::{Path, PathBuf};

use crate::coco::CocoObjects;
use crate::{Classes, DataError, Limits, Mask, Plane, VOID};

/// A true object: its class and its mask of the whole image, 1 inside, 0 outside, [`VOID`] where nothing counts. H×W.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueInstance {
    /// Index of its class.
    pub class: usize,
    /// Its mask.
    pub mask: Plane<u8>,
}

/// How a set tells the objects of one class apart.
#[derive(Debug)]
pub(crate) enum Objects {
    /// By index PNGs in a folder, `ID.png`: 0 background, 1 to 254 objects, 255 void (PASCAL VOC's
    /// `SegmentationObject`).
    Folder(PathBuf),
    /// By a COCO document.
    Document(CocoObjects),
    /// It need not: an image shows at most one object of a class, its mask.
    One,
}

/// The objects of an object map, in the order of their numbers. Each has the class that the class map has on its
/// pixels: on more than half of them, for the two maps come from one outline. Void pixels of the object map count in no
/// object.
///
/// # Errors
/// [`DataError::ObjectClass`] for an object of no class or of several, [`DataError::TooLarge`] if all masks together
/// are.
pub(crate) fn of_map(
    path: &Path,
    objects: &Plane<u8>,
    classes: &Classes,
    class_map: &Plane<u8>,
    limits: &Limits,
) -> Result<Vec<TrueInstance>, DataError> {
    let mut pixels = vec![[0_usize; 256]; usize::from(VOID)];
    for (&object, &value) in objects.as_slice().iter().zip(class_map.as_slice()) {
        if object != VOID {
            pixels[usize::from(object)][usize::from(value)] += 1;
        }
    }
    let there = |of_value: &&[usize; 256]| of_value.iter().any(|&pixels| pixels > 0);
    let number = pixels[1..].iter().filter(there).count();
    limits.check_masks(path, number, objects.height(), objects.width())?;
    let mut found = Vec::new();
    for (object, of_value) in (0..VOID).zip(&pixels).skip(1) {
        let all: usize = of_value.iter().sum();
        if all == 0 {
            continue;
        }
        let class = (0..classes.len()).find(|class| 2 * of_value[class + 1] > all);
        let class = class.ok_or_else(|| DataError::ObjectClass {
            path: path.to_owned(),
            object,
            found: in_words(of_value, classes),
        })?;
        found.push(TrueInstance {
            class,
            mask: objects.map(|&value| match value {
                VOID => VOID,
                value => u8::from(value == object),
            }),
        });
    }
    Ok(found)
}

/// The classes of the mask of image `path`, each of which is one object.
///
/// # Errors
/// [`DataError::TooLarge`] if all masks together are.
pub(crate) fn of_classes(
    path: &Path,
    classes: &Classes,
    mask: &Mask,
    limits: &Limits,
) -> Result<Vec<TrueInstance>, DataError> {
    let present = mask.present(classes.space, classes.len());
    let number = present.iter().filter(|&&there| there).count();
    limits.check_masks(path, number, mask.planes.height(), mask.planes.width())?;
    Ok((0..classes.len())
        .filter(|&class| present[class])
        .map(|class| TrueInstance {
            class,
            mask: mask.of_class(classes.space, class),
        })
        .collect())
}

/// How many pixels have which value: ``12 pixels of `cat`, 3 of the background``.
fn in_words(of_value: &[usize; 256], classes: &Classes) -> String {
    let mut parts = Vec::new();
    for (value, &pixels) in of_value.iter().enumerate().filter(|(_, n)| **n > 0) {
        let unit = if parts.is_empty() { " pixels" } else { "" };
        let name = match value.checked_sub(1) {
            None => "the background".to_owned(),
            Some(class) => match classes.names.get(class) {
                Some(name) => format!("`{name}`"),
                None => "void".to_owned(),
            },
        };
        parts.push(format!("{pixels}{unit} of {name}"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelSpace;

    fn classes() -> Classes {
        Classes {
            names: vec!["cat".into(), "dog".into()],
            space: LabelSpace::Exclusive,
        }
    }

    fn row(values: &[u8]) -> Plane<u8> {
        Plane::new(1, values.len(), values.to_vec()).unwrap()
    }

    fn of(objects: &[u8], class_map: &[u8]) -> Result<Vec<TrueInstance>, String> {
        let path = Path::new("o.png");
        let limits = Limits {
            max_bytes: 24,
            ..Limits::default()
        };
        let found = of_map(path, &row(objects), &classes(), &row(class_map), &limits);
        found.map_err(|e| e.to_string())
    }

    #[test]
    fn objects_have_the_class_of_most_of_their_pixels() {
        // Numbers need not be without gaps; a pixel of another class does not turn an object's.
        let found = of(&[1, 1, 255, 7, 7, 7, 0, 2], &[2, 2, 255, 1, 1, 2, 0, 2]);
        let expected = [
            (1, [1, 1, VOID, 0, 0, 0, 0, 0]),
            (1, [0, 0, VOID, 0, 0, 0, 0, 1]),
            (0, [0, 0, VOID, 1, 1, 1, 0, 0]),
        ];
        let expected = expected.map(|(class, values)| TrueInstance {
            class,
            mask: row(&values),
        });
        assert_eq!(found.unwrap(), expected);
        assert_eq!(of(&[0, 255], &[1, 1]).unwrap(), []);
        assert_eq!(of(&[254], &[1]).unwrap().len(), 1);
    }

    #[test]
    fn objects_whose_masks_would_take_too_much_are_refused_before_there_are_any() {
        // Three masks of eight pixels are allowed, and four of seven are more.
        let three = of(&[1, 2, 3, 0, 0, 0, 0, 255], &[1; 8]);
        assert_eq!(three.unwrap().len(), 3);
        let text = of(&[1, 2, 3, 4, 0, 0, 0], &[1; 7]).unwrap_err();
        assert!(
            text.contains("o.png: 28 bytes, but the limit is 24"),
            "{text}"
        );
        let limits = Limits {
            max_bytes: 3,
            ..Limits::default()
        };
        let mask = Mask {
            planes: row(&[1, 2]).into_stack(),
        };
        let found = of_classes(Path::new("a.png"), &classes(), &mask, &limits);
        assert!(matches!(found, Err(DataError::TooLarge { found: 4, .. })));
    }

    #[test]
    fn objects_of_no_class_or_of_several_are_named() {
        let text = of(&[3, 3, 3, 3], &[1, 1, 2, 2]).unwrap_err();
        assert!(
            text.contains(
                "o.png: object 3 lies over 2 pixels of `cat`, 2 of `dog` in the class map"
            ),
            "{text}"
        );
        let text = of(&[9, 9, 9], &[0, 0, 255]).unwrap_err();
        assert!(
            text.contains("object 9 lies over 2 pixels of the background, 1 of void"),
            "{text}"
        );
    }

    #[test]
    fn each_class_of_a_mask_is_an_object() {
        let exclusive = Mask {
            planes: row(&[0, 2, 2, 255]).into_stack(),
        };
        let of = |classes: &Classes, mask: &Mask| {
            of_classes(Path::new("a.png"), classes, mask, &Limits::default()).unwrap()
        };
        let found = of(&classes(), &exclusive);
        let expected = TrueInstance {
            class: 1,
            mask: row(&[0, 1, 1, VOID]),
        };
        assert_eq!(found, [expected]);
        let findings = Mask {
            planes: row(&[0, 0, 1]).into_stack(),
        };
        let expected = TrueInstance {
            class: 0,
            mask: row(&[0, 0, 1]),
        };
        let mass = Classes {
            names: vec!["mass".into()],
            space: LabelSpace::Findings,
        };
        assert_eq!(of(&mass, &findings), [expected]);
    }
}
