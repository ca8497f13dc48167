//! Average precision of instances.

pub use weakseg_data::TrueInstance;

use weakseg_data::Plane;

use super::{MetricError, VOID, mean};
use crate::instance::{Instance, Region};

/// Average precision of each class and their mean.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePrecision {
    /// By class; `None` of a class without a true object.
    pub per_class: Vec<Option<f64>>,
    /// Over the classes with a true object; `None` if there is no such class.
    pub mean: Option<f64>,
}

/// What was found of the objects of a set, image by image.
///
/// An instance finds the true object of its class that it overlaps best, if their intersection over union reaches `iou`.
/// Each object is found once, by the instance with the highest score; every further instance on it is a mistake
/// (PASCAL VOC's rule, Everingham et al. 2010, §4.4, with masks for boxes).
///
/// Precision is taken over all images in the order of the scores; those of [`Instance`] that a run finds are relative to their
/// image, which is as IRNet's code has it and is no confidence. Void pixels count in neither instance nor object, as everywhere
/// in [`metrics`](super); the border of VOC's objects is void.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceScores {
    iou: f64,
    classes: usize,
    images: Vec<ImageScores>,
}

/// What was found of the objects of an image.
#[derive(Debug, Clone, PartialEq)]
struct ImageScores {
    /// True objects of each class.
    truths: Vec<u64>,
    /// Instances: class, score, and whether an object was found.
    found: Vec<(usize, f32, bool)>,
}

impl InstanceScores {
    /// Of no image yet; `iou` above 0 and at most 1, in IRNet's and VOC's AP 0.5.
    ///
    /// # Errors
    /// [`MetricError::Share`] for another `iou`.
    pub fn new(classes: usize, iou: f64) -> Result<Self, MetricError> {
        if !(iou > 0.0 && iou <= 1.0) {
            return Err(MetricError::Share {
                what: "intersection over union",
                value: iou,
            });
        }
        Ok(Self {
            iou,
            classes,
            images: Vec::new(),
        })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// Number of true objects of a class.
    pub fn objects(&self, class: usize) -> u64 {
        self.images.iter().map(|image| image.truths[class]).sum()
    }

    /// Number of instances of a class.
    pub fn found(&self, class: usize) -> u64 {
        let found = self.images.iter().flat_map(|image| &image.found);
        found.filter(|(of, ..)| *of == class).count() as u64
    }

    /// Adds an image; either list may be empty. A true object without a pixel that counts is none.
    ///
    /// # Errors
    /// For masks of different sizes, a class that is none, or a score that is no finite number; the scores are then as
    /// before.
    pub fn add(&mut self, found: &[Instance], truth: &[TrueInstance]) -> Result<(), MetricError> {
        self.check(found, truth)?;
        let mut order: Vec<&Instance> = found.iter().collect();
        order.sort_by(|a, b| b.score.total_cmp(&a.score));
        let area =
            |object: &TrueInstance| object.mask.as_slice().iter().filter(|&&v| v == 1).count();
        let truth: Vec<(&TrueInstance, u64)> = truth
            .iter()
            .map(|object| (object, area(object) as u64))
            .filter(|(_, area)| *area > 0)
            .collect();
        let mut taken = vec![false; truth.len()];
        let mut image = ImageScores {
            truths: vec![0; self.classes],
            found: Vec::with_capacity(order.len()),
        };
        for (object, _) in &truth {
            image.truths[object.class] += 1;
        }
        for instance in order {
            let best = truth
                .iter()
                .enumerate()
                .filter(|(_, (object, _))| object.class == instance.class)
                .map(|(place, (object, area))| (iou(&instance.region, &object.mask, *area), place))
                // Of equal ones the first.
                .fold(None, |best: Option<(f64, usize)>, new| match best {
                    Some(best) if best.0 >= new.0 => Some(best),
                    _ => Some(new),
                });
            let hit = match best {
                Some((overlap, place)) if overlap >= self.iou => {
                    !std::mem::replace(&mut taken[place], true)
                }
                _ => false,
            };
            image.found.push((instance.class, instance.score, hit));
        }
        self.images.push(image);
        Ok(())
    }

    fn check(&self, found: &[Instance], truth: &[TrueInstance]) -> Result<(), MetricError> {
        let classes = self.classes;
        let of_found = found
            .iter()
            .map(|i| ("an instance found", i.class, i.region.size()));
        let of_truth = truth.iter().map(|t| {
            (
                "a true instance",
                t.class,
                [t.mask.height(), t.mask.width()],
            )
        });
        let mut expected = None;
        for (what, class, size) in of_truth.chain(of_found) {
            if class >= classes {
                return Err(MetricError::NoClass {
                    what,
                    class,
                    classes,
                });
            }
            let expected = *expected.get_or_insert(size);
            if size != expected {
                return Err(MetricError::Size {
                    what,
                    expected,
                    found: size,
                });
            }
        }
        match found.iter().position(|i| !i.score.is_finite()) {
            None => Ok(()),
            Some(at) => Err(MetricError::NotFinite {
                what: "the scores of instances",
                value: found[at].score,
                at,
            }),
        }
    }

    /// The area below each class's curve of precision over recall, precision at a recall being the greatest at that
    /// recall or beyond (PASCAL VOC since 2010). 1 is perfect; a class of which nothing was found has 0.
    ///
    /// Departs from the published evaluators, which rank equal scores in the order they come in: because no threshold tells
    /// them apart, and every image's best instance has the score 1, equal scores are one point of the curve here.
    pub fn average_precision(&self) -> AveragePrecision {
        let all: Vec<usize> = (0..self.images.len()).collect();
        self.of_images(&all)
    }

    /// That of some of the images, by their places, each as often as it is named: what a bootstrap draws.
    ///
    /// # Panics
    /// If there is no such image, as indexing a slice does.
    pub fn of_images(&self, places: &[usize]) -> AveragePrecision {
        let mut truths = vec![0; self.classes];
        let mut found: Vec<Vec<(f32, bool)>> = vec![Vec::new(); self.classes];
        for image in places.iter().map(|&place| &self.images[place]) {
            truths
                .iter_mut()
                .zip(&image.truths)
                .for_each(|(all, here)| *all += here);
            for &(class, score, hit) in &image.found {
                found[class].push((score, hit));
            }
        }
        let per_class: Vec<Option<f64>> = truths
            .into_iter()
            .zip(found)
            .map(|(truths, found)| (truths > 0).then(|| area(found, truths)))
            .collect();
        AveragePrecision {
            mean: mean(per_class.iter().flatten().copied()),
            per_class,
        }
    }
}

/// Intersection over union, in `0.0..=1.0`, with an object of `area` pixels; void pixels count in neither.
fn iou(region: &Region, truth: &Plane<u8>, area: u64) -> f64 {
    let (mut both, mut found) = (0u64, 0u64);
    for (y, x) in region.pixels() {
        let value = truth.get(y, x);
        both += u64::from(value == 1);
        found += u64::from(value != VOID);
    }
    super::ratio(both, area + found - both).unwrap_or(0.0)
}

/// The area below the curve of precision over recall.
fn area(found: Vec<(f32, bool)>, truths: u64) -> f64 {
    let mut order = found;
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Objects found and precision from each score upwards.
    let mut points = vec![(0u64, 0.0)];
    let (mut hits, mut all) = (0u64, 0u64);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        hits += equal.iter().filter(|(_, hit)| *hit).count() as u64;
        all += equal.len() as u64;
        points.push((hits, hits as f64 / all as f64));
    }
    let (mut area, mut greatest) = (0.0, 0f64);
    for pair in points.windows(2).rev() {
        let [(before, _), (hits, precision)] = [pair[0], pair[1]];
        greatest = greatest.max(precision);
        area += (hits - before) as f64 * greatest;
    }
    area / truths as f64
}

#[cfg(test)]
mod tests {
    use super::super::{Bootstrap, Interval};
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use serde::Deserialize;
    use weakseg_data::rle::coco;

    /// A box `[top, left, bottom, right]` of an image of 10 × 10.
    fn mask([top, left, bottom, right]: [usize; 4]) -> Plane<u8> {
        Plane::from_fn(10, 10, |y, x| {
            u8::from((top..bottom).contains(&y) && (left..right).contains(&x))
        })
    }

    fn truth(class: usize, bounds: [usize; 4]) -> TrueInstance {
        TrueInstance {
            class,
            mask: mask(bounds),
        }
    }

    fn found(class: usize, score: f32, bounds: [usize; 4]) -> Instance {
        Instance {
            class,
            score,
            region: Region::of(&mask(bounds)).unwrap(),
        }
    }

    const A: [usize; 4] = [0, 0, 4, 4];
    const B: [usize; 4] = [5, 5, 10, 10];

    fn ap(images: &[(Vec<Instance>, Vec<TrueInstance>)]) -> AveragePrecision {
        let mut scores = InstanceScores::new(2, 0.5).unwrap();
        for (found, truth) in images {
            scores.add(found, truth).unwrap();
        }
        scores.average_precision()
    }

    #[test]
    fn perfect_is_one() {
        let perfect = ap(&[
            (
                vec![found(0, 0.9, A), found(1, 0.2, B)],
                vec![truth(1, B), truth(0, A)],
            ),
            (vec![found(0, 0.1, B)], vec![truth(0, B)]),
            (vec![], vec![]),
        ]);
        assert_eq!(perfect.per_class, [Some(1.0), Some(1.0)]);
        assert_eq!(perfect.mean, Some(1.0));
    }

    #[test]
    fn duplicates_are_mistakes() {
        let twice = |second: f32| {
            ap(&[(
                vec![found(0, 0.9, A), found(0, second, A), found(0, 0.5, B)],
                vec![truth(0, A), truth(0, B)],
            )])
            .per_class[0]
        };
        // Hit, mistake, hit: precision 1 up to recall 1/2, then 2/3.
        assert_eq!(twice(0.7), Some((1.0 + 2.0 / 3.0) / 2.0));
        // Behind all hits it costs nothing, equal to the first hit most.
        assert_eq!(twice(0.1), Some(1.0));
        assert_eq!(twice(0.9), Some(2.0 / 3.0));
    }

    #[test]
    fn empty_lists_have_defined_figures() {
        let none = AveragePrecision {
            per_class: vec![None, None],
            mean: None,
        };
        assert_eq!(ap(&[]), none);
        assert_eq!(ap(&[(vec![], vec![])]), none);
        // Of a class without a true object there is nothing to find, right or wrong.
        assert_eq!(ap(&[(vec![found(1, 0.5, A)], vec![])]), none);
        let missed = ap(&[(vec![], vec![truth(0, A)])]);
        assert_eq!((missed.per_class[0], missed.mean), (Some(0.0), Some(0.0)));
        let unseen = TrueInstance {
            class: 0,
            mask: Plane::filled(10, 10, VOID),
        };
        assert_eq!(ap(&[(vec![], vec![unseen])]), none);
    }

    #[test]
    fn the_overlap_decides() {
        let of = |bounds| ap(&[(vec![found(0, 1.0, bounds)], vec![truth(0, A)])]).per_class[0];
        assert_eq!(of([0, 0, 2, 4]), Some(1.0), "8 of 16 is half");
        assert_eq!(of([0, 0, 2, 3]), Some(0.0));
        assert_eq!(
            ap(&[(vec![found(1, 1.0, A)], vec![truth(0, A)])]).per_class[0],
            Some(0.0)
        );
    }

    #[test]
    fn void_counts_nowhere() {
        let mut object = truth(0, A);
        for x in 4..10 {
            for y in 0..10 {
                object.mask.set(y, x, VOID);
            }
        }
        let scores =
            |object| ap(&[(vec![found(0, 1.0, [0, 0, 4, 10])], vec![object])]).per_class[0];
        assert_eq!(scores(truth(0, A)), Some(0.0), "16 of 40");
        assert_eq!(scores(object), Some(1.0));
    }

    /// Of two images, one with its object found and one with it missed, a draw has AP 1, 1/2 (a hit and a miss) or 0.
    #[test]
    fn images_are_drawn_again_as_wholes() {
        let mut scores = InstanceScores::new(2, 0.5).unwrap();
        scores.add(&[found(0, 1.0, A)], &[truth(0, A)]).unwrap();
        scores.add(&[found(1, 1.0, A)], &[truth(0, B)]).unwrap();
        let of = |places: &[usize]| scores.of_images(places).mean;
        assert_eq!(
            [of(&[0, 0]), of(&[1, 0]), of(&[1, 1])],
            [Some(1.0), Some(0.5), Some(0.0)]
        );
        assert_eq!(of(&[]), None);
        assert_eq!(
            (scores.images(), scores.objects(0), scores.objects(1)),
            (2, 2, 0)
        );
        assert_eq!((scores.found(0), scores.found(1)), (1, 1));
        let interval = Bootstrap::default().of_average_precision(&scores);
        assert_eq!(
            interval,
            Some(Interval {
                low: 0.0,
                high: 1.0
            })
        );
    }

    #[test]
    fn wrong_input_is_named_and_changes_nothing() {
        let mut scores = InstanceScores::new(2, 0.5).unwrap();
        let before = scores.clone();
        let mut text = |found: Instance, truth: TrueInstance| {
            scores.add(&[found], &[truth]).unwrap_err().to_string()
        };
        assert!(text(found(2, 1.0, A), truth(0, A)).contains("class 2"));
        assert!(text(found(0, 1.0, A), truth(7, A)).contains("class 7"));
        assert!(text(found(0, f32::NAN, A), truth(0, A)).contains("NaN"));
        let small = TrueInstance {
            class: 0,
            mask: Plane::filled(5, 20, 1),
        };
        assert!(text(found(0, 1.0, A), small).contains("10x10"));
        assert_eq!(scores, before);
        for iou in [0.0, -1.0, 1.5, f64::NAN] {
            InstanceScores::new(1, iou).unwrap_err();
        }
    }

    /// The order of images and of instances decides nothing, equal scores or not; more mistakes never help.
    #[test]
    fn order_changes_nothing_and_mistakes_never_help() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..60 {
            let mut bounds = || {
                let [y, x]: [usize; 2] = std::array::from_fn(|_| random.random_range(0..6));
                let [h, w]: [usize; 2] = std::array::from_fn(|_| random.random_range(2..5));
                (
                    [y, x, y + h, x + w],
                    random.random_range(0..2),
                    random.random_range(1..4),
                )
            };
            let mut images: Vec<_> = (0..3)
                .map(|_| {
                    let truth: Vec<_> = (0..2)
                        .map(|_| bounds())
                        .map(|(b, c, _)| truth(c, b))
                        .collect();
                    let found: Vec<_> = (0..5)
                        .map(|_| bounds())
                        .map(|(b, c, s)| found(c, s as f32 / 4.0, b))
                        .collect();
                    (found, truth)
                })
                .collect();
            let there = ap(&images);
            images.reverse();
            images.iter_mut().for_each(|image| image.0.reverse());
            let back = ap(&images);
            assert_eq!(there.per_class, back.per_class);
            for ap in there.per_class.iter().flatten() {
                assert!((0.0..=1.0).contains(ap));
            }
            images.push((vec![found(0, 0.6, A)], vec![]));
            let worse = ap(&images);
            assert!(worse.per_class[0] <= there.per_class[0]);
        }
    }

    #[derive(Deserialize)]
    struct Oracle {
        classes: usize,
        height: usize,
        width: usize,
        images: Vec<Annotated>,
        average_precision: Vec<Option<f64>>,
    }

    /// Classes, scores and compressed run lengths.
    #[derive(Deserialize)]
    struct Annotated {
        truth: Vec<(usize, String)>,
        found: Vec<(usize, f32, String)>,
    }

    /// pycocotools' own matching and precisions, by `tests/oracle/instances.py`. Its quotients are those of these very
    /// whole numbers in f64, but for its 2^-52 beside a denominator; only the order of a sum of some twenty differs.
    #[test]
    fn figures_are_those_of_pycocotools() {
        let text = include_str!("../../tests/oracle/instances.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        let oracle: Oracle = serde_json::from_value(all["scores"].clone()).unwrap();
        let mask = |text: &str| coco::decode(text, oracle.height, oracle.width).unwrap();
        let mut scores = InstanceScores::new(oracle.classes, 0.5).unwrap();
        for image in &oracle.images {
            let truth = image.truth.iter().map(|(class, text)| TrueInstance {
                class: *class,
                mask: mask(text),
            });
            let found = image.found.iter().map(|(class, score, text)| Instance {
                class: *class,
                score: *score,
                region: Region::of(&mask(text)).unwrap(),
            });
            let (found, truth): (Vec<_>, Vec<_>) = (found.collect(), truth.collect());
            scores.add(&found, &truth).unwrap();
        }
        let ours = scores.average_precision();
        assert_eq!(ours.per_class.len(), oracle.average_precision.len());
        for (ours, theirs) in ours.per_class.iter().zip(&oracle.average_precision) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    assert!((ours - theirs).abs() < 1e-12, "{ours} {theirs}")
                }
                _ => assert_eq!(ours, theirs),
            }
        }
    }
}
