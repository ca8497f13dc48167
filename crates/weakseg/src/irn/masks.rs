//! From walked maps to masks (reference §5).

use weakseg_data::resize::resize_f32;
use weakseg_data::{Classes, LabelSpace, Mask, Plane, Stack};

use super::filter::remove_weak_regions;
use crate::cam::{Threshold, binarise};

/// How maps become masks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapRule {
    /// After division by the maximum: the value of the background (exclusive classes) or the threshold of a finding.
    pub threshold: Threshold,
    /// Regions smaller than this share of the image are removed.
    pub min_area: f32,
    /// Regions whose mean score is below this are removed.
    pub min_confidence: f32,
}

/// The mask of class maps.
///
/// `maps` holds one plane for each of `keys` (class indices, each once), on any grid; they are brought to `size` =
/// `[height, width]` bilinearly (from IRNet's grid of an image whose sides are multiples of 4, this is the reference's
/// enlargement by 4). `keys` is the image-level gate: a class that is not among them stays empty, and an image
/// without any gets an empty mask.
///
/// * Exclusive classes: divided by the maximum over *all* maps, then the greatest of them and a constant background.
/// * Findings: each map divided by its own maximum and cut at the threshold, independently, so findings may overlap.
///
/// A map without a positive value stays empty. Regions that the rule calls weak become background.
///
/// Departs from the paper's X-ray script, which divides every image by its maximum, healthy ones too, and so makes each
/// of them positive somewhere: the gate decides which images have a finding at all.
///
/// # Panics
/// If there are not as many planes as keys, or a key is no class.
pub fn mask(
    classes: &Classes,
    keys: &[usize],
    maps: &Stack<f32>,
    size: [usize; 2],
    rule: &MapRule,
) -> Mask {
    assert_eq!(keys.len(), maps.channels(), "one map a class");
    if keys.is_empty() {
        return empty(classes, size);
    }
    let maps = scaled(classes.space, resize_f32(maps, size[0], size[1]));
    cut(classes, keys, &maps, rule)
}

/// Divides maps by their maximum: by that of all of them for exclusive classes, each by its own for findings. Maps
/// without a positive value stay as they are.
pub fn scaled(space: LabelSpace, mut maps: Stack<f32>) -> Stack<f32> {
    let plane = maps.height() * maps.width();
    let together = match space {
        LabelSpace::Exclusive => maps.as_slice().len(),
        LabelSpace::Findings => plane,
    };
    for values in maps.as_mut_slice().chunks_mut(together.max(1)) {
        let top = values.iter().copied().fold(0.0, f32::max);
        if top > 0.0 {
            values.iter_mut().for_each(|v| *v /= top);
        }
    }
    maps
}

/// [`mask`] of maps that are at the mask's size and in 0..=1 already.
///
/// # Panics
/// If there are not as many planes as keys, or a key is no class.
pub fn cut(classes: &Classes, keys: &[usize], maps: &Stack<f32>, rule: &MapRule) -> Mask {
    assert_eq!(keys.len(), maps.channels(), "one map a class");
    assert!(keys.iter().all(|&k| k < classes.len()), "keys are classes");
    let mut mask = empty(classes, [maps.height(), maps.width()]);
    match classes.space {
        LabelSpace::Exclusive => {
            let places = exclusive(keys, maps, rule);
            mask.planes.plane_mut(0).copy_from_slice(places.as_slice());
        }
        LabelSpace::Findings => {
            for (place, &key) in keys.iter().enumerate() {
                let map = maps.to_plane(place);
                let above = binarise::above(&map, rule.threshold.of(map.as_slice()));
                let kept = remove_weak_regions(&above, &map, rule.min_area, rule.min_confidence);
                mask.planes.plane_mut(key).copy_from_slice(kept.as_slice());
            }
        }
    }
    mask
}

fn empty(classes: &Classes, [height, width]: [usize; 2]) -> Mask {
    Mask {
        planes: Stack::filled(classes.mask_planes(), height, width, 0),
    }
}

fn exclusive(keys: &[usize], maps: &Stack<f32>, rule: &MapRule) -> Plane<u8> {
    let mut places = binarise::with_background(maps, rule.threshold.of_greatest(maps));
    if rule.min_area > 0.0 || rule.min_confidence > 0.0 {
        for place in 0..keys.len() {
            let label = place as u8 + 1;
            let own = places.map(|&v| u8::from(v == label));
            let kept = remove_weak_regions(
                &own,
                &maps.to_plane(place),
                rule.min_area,
                rule.min_confidence,
            );
            for (value, &kept) in places.as_mut_slice().iter_mut().zip(kept.as_slice()) {
                if *value == label && kept == 0 {
                    *value = 0;
                }
            }
        }
    }
    places.map(|&v| {
        if v == 0 {
            0
        } else {
            keys[usize::from(v) - 1] as u8 + 1
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: MapRule = MapRule {
        threshold: Threshold::Fixed(0.25),
        min_area: 0.0,
        min_confidence: 0.0,
    };

    fn classes(space: LabelSpace) -> Classes {
        Classes {
            names: ["a", "b", "c"].map(String::from).to_vec(),
            space,
        }
    }

    fn maps() -> Stack<f32> {
        // of classes 0 and 2, on a grid of 1 × 4
        Stack::new(2, 1, 4, vec![4.0, 0.9, 0.0, 1.1, 0.0, 0.8, 0.2, 1.2]).unwrap()
    }

    #[test]
    fn exclusive_divides_by_the_global_maximum() {
        // divided by 4: 1, .225, 0, .275 and 0, .2, .05, .3 against .25
        let mask = mask(
            &classes(LabelSpace::Exclusive),
            &[0, 2],
            &maps(),
            [1, 4],
            &RULE,
        );
        assert_eq!(mask.planes.as_slice(), [1, 0, 0, 3]);
    }

    #[test]
    fn findings_are_cut_one_by_one_and_may_overlap() {
        // the second divided by its own 1.2: 0, .67, .17, 1
        let mask = mask(
            &classes(LabelSpace::Findings),
            &[0, 2],
            &maps(),
            [1, 4],
            &RULE,
        );
        assert_eq!(mask.planes.as_slice(), [1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn otsu_cuts_every_map_by_itself() {
        let rule = MapRule {
            threshold: Threshold::OTSU,
            ..RULE
        };
        // Divided by 10 and 4: 0, .04, .9, 1 and .5, .5, .52, 1. Each is cut between its heaps, where .25 takes all of
        // the second.
        let maps = Stack::new(2, 1, 4, vec![0.0, 0.4, 9.0, 10.0, 2.0, 2.0, 2.08, 4.0]).unwrap();
        let findings = mask(
            &classes(LabelSpace::Findings),
            &[0, 2],
            &maps,
            [1, 4],
            &rule,
        );
        assert_eq!(
            findings.planes.as_slice(),
            [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
        );
        // Divided by 10, the greatest at each pixel: .2, .2, .9, 1.
        let exclusive = mask(
            &classes(LabelSpace::Exclusive),
            &[0, 2],
            &maps,
            [1, 4],
            &rule,
        );
        assert_eq!(exclusive.planes.as_slice(), [0, 0, 1, 1]);
    }

    #[test]
    fn healthy_is_empty() {
        let none = Stack::filled(0, 2, 2, 0.0);
        let mask_of = |space, keys: &[usize], maps: &Stack<f32>| {
            mask(&classes(space), keys, maps, [8, 8], &RULE).planes
        };
        assert_eq!(
            mask_of(LabelSpace::Findings, &[], &none),
            Stack::filled(3, 8, 8, 0)
        );
        assert_eq!(
            mask_of(LabelSpace::Exclusive, &[], &none),
            Stack::filled(1, 8, 8, 0)
        );
        // a map of zeros too
        let zeros = Stack::filled(1, 2, 2, 0.0);
        assert_eq!(
            mask_of(LabelSpace::Findings, &[1], &zeros),
            Stack::filled(3, 8, 8, 0)
        );
        assert_eq!(
            mask_of(LabelSpace::Exclusive, &[1], &zeros),
            Stack::filled(1, 8, 8, 0)
        );
    }

    #[test]
    fn maps_are_enlarged_to_the_image() {
        let maps = Stack::new(1, 2, 2, vec![1.0, 0.0, 0.0, 0.0]).unwrap();
        let mask = mask(&classes(LabelSpace::Exclusive), &[1], &maps, [8, 8], &RULE);
        assert_eq!((mask.planes.height(), mask.planes.width()), (8, 8));
        assert_eq!((mask.planes.plane(0)[0], mask.planes.plane(0)[63]), (2, 0));
    }

    #[test]
    fn weak_regions_become_background() {
        let rule = MapRule {
            min_area: 0.3,
            ..RULE
        };
        let maps = Stack::new(
            2,
            1,
            6,
            vec![4.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0],
        )
        .unwrap();
        let exclusive = mask(
            &classes(LabelSpace::Exclusive),
            &[1, 2],
            &maps,
            [1, 6],
            &rule,
        )
        .planes;
        assert_eq!(exclusive.as_slice(), [2, 2, 0, 0, 0, 0]);
        let findings = mask(
            &classes(LabelSpace::Findings),
            &[1, 2],
            &maps,
            [1, 6],
            &rule,
        )
        .planes;
        assert_eq!(
            (findings.plane(1)[0], findings.plane(2)),
            (1, &[0u8; 6][..])
        );
    }
}
