//! What class maps are sure of: the labels IRNet learns from (reference §3.2).

use densecrf::{CrfError, Unary};
use weakseg_data::{Plane, Stack, VOID};

use crate::cam::binarise::with_background;
use crate::config::IrLabelStep;

/// Why no label could be made.
#[derive(Debug, thiserror::Error)]
pub enum IrLabelError {
    /// The dense CRF.
    #[error("dense CRF: {0}")]
    Crf(#[from] CrfError),
    /// Image and maps of different size.
    #[error(
        "the image has {image:?} pixels (height, width), its class maps {maps:?}; bring both to one size first"
    )]
    Size {
        /// Height and width of the image.
        image: [usize; 2],
        /// Height and width of the maps.
        maps: [usize; 2],
    },
    /// Keys and maps of different number.
    #[error("{keys} classes but {maps} class maps; expected one map a class")]
    Keys {
        /// Number of keys.
        keys: usize,
        /// Number of maps.
        maps: usize,
    },
}

/// The label map of an image, H × W: `k + 1` where it is surely class k, 0 where it is surely background, 255 where
/// neither is sure.
///
/// `image` is 1 or 3 × H × W, 0..=255; `maps` is one plane for each of `keys` (class indices), at the image's size,
/// scaled to 0..=1. Two label maps are made, one against the high background value `step.foreground`, one against the
/// low `step.background`, each refined by a dense CRF (unless `step.crf` is off). A pixel is class k where the first
/// says so, background where both say background, and unsure where only the second names a class.
///
/// With a single finding this is the paper's "thresholding, then dense CRF" for X-rays, whose own parameters are not
/// published (reference §3.3, §13). Findings that overlap compete here: a pixel gets the stronger one.
///
/// Departs from the reference in two ways that do not change the result: both CRFs share one lattice, because they see
/// the same image, and an image without a class (on which the reference divides by zero) is background throughout.
///
/// # Errors
/// If sizes or numbers do not agree, or the CRF refuses its parameters.
pub fn ir_label(
    image: &Stack<u8>,
    keys: &[usize],
    maps: &Stack<f32>,
    step: &IrLabelStep,
) -> Result<Plane<u8>, IrLabelError> {
    let (height, width) = (image.height(), image.width());
    if keys.len() != maps.channels() {
        return Err(IrLabelError::Keys {
            keys: keys.len(),
            maps: maps.channels(),
        });
    }
    if [height, width] != [maps.height(), maps.width()] {
        return Err(IrLabelError::Size {
            image: [height, width],
            maps: [maps.height(), maps.width()],
        });
    }
    if keys.is_empty() {
        return Ok(Plane::filled(height, width, 0));
    }
    let foreground = with_background(maps, step.foreground).into_vec();
    let background = with_background(maps, step.background).into_vec();
    let [foreground, background] = if step.crf {
        refine_both(image, keys.len() + 1, [&foreground, &background], step)?
    } else {
        [foreground, background]
    };
    let labels = foreground
        .iter()
        .zip(&background)
        .map(|(&f, &b)| combine(f, b, keys))
        .collect();
    Ok(Plane::new(height, width, labels).expect("one label a pixel"))
}

/// The label of a pixel from its places in the two maps: 0 for background, i + 1 for `keys[i]`.
fn combine(foreground: u8, background: u8, keys: &[usize]) -> u8 {
    match (foreground, background) {
        (0, 0) => 0,
        (0, _) => VOID,
        (place, _) => keys[usize::from(place) - 1] as u8 + 1,
    }
}

/// Both maps of labels after the dense CRF.
fn refine_both(
    image: &Stack<u8>,
    labels: usize,
    maps: [&[u8]; 2],
    step: &IrLabelStep,
) -> Result<[Vec<u8>; 2], CrfError> {
    let size = [image.height(), image.width()];
    let crf = step.dense_crf().field(size, labels, image, 1.0)?;
    let unary = |map| Unary::from_labels(map, labels, f64::from(step.gt_prob), false);
    let [foreground, background] = [unary(maps[0])?, unary(maps[1])?];
    let refined = crf.infer_all(&[&foreground, &background], step.iterations)?;
    Ok([refined[0].map(), refined[1].map()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(crf: bool) -> IrLabelStep {
        IrLabelStep {
            crf,
            ..IrLabelStep::default()
        }
    }

    #[test]
    fn truth_table() {
        let keys = [6, 2];
        assert_eq!(combine(0, 0, &keys), 0);
        assert_eq!(combine(0, 1, &keys), 255);
        assert_eq!(combine(1, 1, &keys), 7);
        assert_eq!(combine(2, 0, &keys), 3);
    }

    #[test]
    fn thresholds_without_crf() {
        let image = Stack::filled(3, 1, 4, 0u8);
        let maps = Stack::new(2, 1, 4, vec![0.9, 0.2, 0.01, 0.05, 0.1, 0.25, 0.02, 0.31]).unwrap();
        let labels = ir_label(&image, &[0, 4], &maps, &settings(false)).unwrap();
        // .9 -> class 0; .25 -> unsure; .02 -> background; .31 -> class 4
        assert_eq!(labels.as_slice(), [1, 255, 0, 5]);
    }

    /// A bright square on black; the map is sure of its middle and knows nothing of its border.
    #[test]
    fn the_crf_brings_one_finding_to_its_edge() {
        let inside = |y: usize, x: usize| (8..20).contains(&y) && (8..20).contains(&x);
        for channels in [1, 3] {
            let grey = Plane::from_fn(28, 28, |y, x| if inside(y, x) { 220u8 } else { 20 });
            let image = Stack::from_planes(&vec![grey; channels]).unwrap();
            let map = Plane::from_fn(28, 28, |y, x| {
                let d = ((y as f32 - 13.5).powi(2) + (x as f32 - 13.5).powi(2)).sqrt();
                (1.0 - d / 10.0).max(0.0)
            });
            let labels =
                ir_label(&image, &[0], &map.clone().into_stack(), &settings(true)).unwrap();
            assert!(labels.as_slice().iter().all(|v| [0, 1, 255].contains(v)));
            assert_eq!(
                (labels.get(13, 13), labels.get(8, 8), labels.get(0, 0)),
                (1, 1, 0),
                "{channels} channels"
            );
            let outside: usize = (0..28 * 28)
                .filter(|i| !inside(i / 28, i % 28) && labels.as_slice()[*i] == 1)
                .count();
            assert_eq!(outside, 0);
            assert_eq!(
                ir_label(&image, &[0], &map.into_stack(), &settings(true)).unwrap(),
                labels
            );
        }
    }

    /// One lattice for both runs gives what a lattice each gives.
    #[test]
    fn a_shared_lattice_changes_nothing() {
        let image = Stack::new(
            3,
            9,
            11,
            (0..297u32).map(|i| (i * 53 % 251) as u8).collect(),
        )
        .unwrap();
        let of = |threshold: f32| -> Vec<u8> {
            (0..99)
                .map(|i| u8::from((i as f32 * 0.37).sin().abs() > threshold))
                .collect()
        };
        let (a, b) = (of(0.7), of(0.2));
        let both = refine_both(&image, 2, [&a, &b], &settings(true)).unwrap();
        assert_eq!(
            refine_both(&image, 2, [&a, &a], &settings(true)).unwrap()[0],
            both[0]
        );
        assert_eq!(
            refine_both(&image, 2, [&b, &b], &settings(true)).unwrap()[1],
            both[1]
        );
    }

    #[test]
    fn no_class_is_background_and_mismatches_are_named() {
        let image = Stack::filled(3, 2, 2, 9u8);
        let none = ir_label(&image, &[], &Stack::filled(0, 2, 2, 0.0), &settings(true)).unwrap();
        assert_eq!(none.as_slice(), [0; 4]);
        let wide = Stack::filled(1, 2, 3, 0.5);
        assert!(matches!(
            ir_label(&image, &[0], &wide, &settings(true)),
            Err(IrLabelError::Size { .. })
        ));
        assert!(matches!(
            ir_label(&image, &[], &wide, &settings(true)),
            Err(IrLabelError::Keys { .. })
        ));
    }
}
