//! Figures worked out by hand, and those of pycocotools.

use super::*;
use crate::metrics::{Bootstrap, Interval};
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
    let scores = |object| ap(&[(vec![found(0, 1.0, [0, 0, 4, 10])], vec![object])]).per_class[0];
    assert_eq!(scores(truth(0, A)), Some(0.0), "16 of 40");
    assert_eq!(scores(object), Some(1.0));
}

/// Of two images, one with its object found and one with it missed, a draw has AP 1, 1/2 (a hit and a miss) or 0.
#[test]
fn images_are_drawn_again_as_wholes() {
    let mut scores = InstanceScores::new(2, 0.5).unwrap();
    scores.add(&[found(0, 1.0, A)], &[truth(0, A)]).unwrap();
    scores.add(&[found(1, 1.0, A)], &[truth(0, B)]).unwrap();
    let of = |places: &[usize]| {
        let mean = scores.mean_of_images(places);
        assert_eq!(scores.of_images(places).mean, mean);
        mean
    };
    assert_eq!(
        [of(&[0, 0]), of(&[1, 0]), of(&[1, 1])],
        [Some(1.0), Some(0.5), Some(0.0)]
    );
    assert_eq!(of(&[]), None);
    assert_eq!(
        (scores.images(), scores.objects(), scores.found()),
        (2, vec![2, 0], vec![1, 1])
    );
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
    let wider = InstanceScores::new(8, 0.5).unwrap();
    let image = wider.of_image(&[], &[truth(7, A)]).unwrap();
    assert!(
        scores
            .push(image)
            .unwrap_err()
            .to_string()
            .contains("class 7")
    );
    assert_eq!(scores, before);
    for iou in [0.0, -1.0, 1.5, f64::NAN] {
        InstanceScores::new(1, iou).unwrap_err();
    }
}

/// A thousand images of a hundred thousand classes would be 800 MB of zeros, walked in every draw.
#[test]
fn classes_that_an_image_does_not_show_take_no_room() {
    let mut scores = InstanceScores::new(100_000, 0.5).unwrap();
    let image = scores
        .of_image(&[], &[truth(99_999, A), truth(5, B), truth(99_999, B)])
        .unwrap();
    assert_eq!(image.truths, [(5, 1), (99_999, 2)]);
    scores.push(image).unwrap();
    let objects = scores.objects();
    assert_eq!((objects[5], objects[99_999]), (1, 2));
    assert_eq!(objects.iter().sum::<u64>(), 3);
    let precision = scores.average_precision();
    assert_eq!(
        (precision.per_class[4], precision.per_class[5]),
        (None, Some(0.0))
    );
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
    let text = include_str!("../../../tests/oracle/instances.json");
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
