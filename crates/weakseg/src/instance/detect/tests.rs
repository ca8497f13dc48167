//! What is found in made evidence, and what evidence is refused.

use super::*;
use crate::cam::Threshold;
use crate::irn::masks::{self, MapRule};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weakseg_data::Classes;
use weakseg_kernels::walk::{WalkError, random_walk};

const SIDE: usize = 16;

/// Few steps of a short walk: what is seen here is what competes, not how far it walks.
const RULE: InstanceRule = InstanceRule {
    steps: 300,
    weak: 1.5,
    walk: WalkOptions {
        radius: 2,
        beta: 10.0,
        steps: 2,
    },
    threshold: 0.25,
    min_area: 0.01,
};

/// The left half points to (8, 3), the right half to (8, 12).
fn two_centres() -> Stack<f32> {
    let planes = [0, 1].map(|axis| {
        Plane::from_fn(SIDE, SIDE, |y, x| {
            let centre = [8.0, if x < SIDE / 2 { 3.0 } else { 12.0 }];
            centre[axis] - [y, x][axis] as f32
        })
    });
    Stack::from_planes(&planes).unwrap()
}

/// A map that is `value` in a square of 6 × 6 around each place.
fn squares(places: &[([usize; 2], f32)]) -> Stack<f32> {
    let map = Plane::from_fn(SIDE, SIDE, |y, x| {
        let here = |([row, column], _): &&([usize; 2], f32)| {
            (row - 3..row + 3).contains(&y) && (column - 3..column + 3).contains(&x)
        };
        places.iter().find(here).map_or(0.0, |place| place.1)
    });
    map.into_stack()
}

fn found(
    space: LabelSpace,
    keys: &[usize],
    maps: &Stack<f32>,
    field: &Stack<f32>,
    rule: &InstanceRule,
) -> Vec<Instance> {
    let edges = Plane::filled(SIDE, SIDE, 0.0);
    let evidence = Evidence {
        keys,
        maps,
        edges: &edges,
        field,
    };
    let found = detect(space, &evidence, [SIDE, SIDE], rule, &|| false).unwrap();
    assert_eq!(found.left_out, 0);
    found.instances
}

#[test]
fn two_objects_of_one_class_are_two_instances() {
    let maps = squares(&[([8, 3], 1.0), ([8, 12], 0.8)]);
    for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
        let found = found(space, &[4], &maps, &two_centres(), &RULE);
        assert_eq!(found.len(), 2, "{space:?}");
        assert!(found.iter().all(|i| i.class == 4));
        let at = |n: usize| found[n].region.whole();
        assert_eq!((at(0).get(8, 3), at(0).get(8, 12)), (1, 0));
        assert_eq!((at(1).get(8, 3), at(1).get(8, 12)), (0, 1));
        // The best of an image has 1, the others their share of it.
        assert_eq!(found[0].score, 1.0);
        assert!((found[1].score - 0.8).abs() < 0.02, "{}", found[1].score);
    }
}

#[test]
fn a_stop_ends_the_walks() {
    let evidence = Evidence {
        keys: &[0],
        maps: &squares(&[([8, 3], 1.0), ([8, 12], 0.8)]),
        edges: &Plane::filled(SIDE, SIDE, 0.0),
        field: &two_centres(),
    };
    let asked = std::cell::Cell::new(0);
    let stopped = || asked.replace(asked.get() + 1) == 1;
    let size = [SIDE, SIDE];
    let result = detect(LabelSpace::Exclusive, &evidence, size, &RULE, &stopped);
    assert_eq!(result, Err(InstanceError::Walk(WalkError::Stopped)));
    assert_eq!(asked.get(), 2, "before the second of two steps");
}

#[test]
fn a_map_far_from_every_centre_is_no_instance() {
    // The right half points out of its own centre's reach: a strip that leaves the grid.
    let planes = [0, 1].map(|axis| {
        Plane::from_fn(SIDE, SIDE, |y, x| match x < SIDE / 2 {
            true => [8.0, 3.0][axis] - [y, x][axis] as f32,
            false => [0.0, 9.0][axis],
        })
    });
    let field = Stack::from_planes(&planes).unwrap();
    let maps = squares(&[([8, 3], 0.5), ([8, 12], 1.0)]);
    let found = found(LabelSpace::Exclusive, &[0], &maps, &field, &RULE);
    assert_eq!(found.len(), 1);
    assert!(found[0].region.pixels().all(|(_, x)| x < SIDE / 2 + 2));
}

#[test]
fn fragments_are_left_out() {
    let maps = squares(&[([8, 3], 1.0), ([8, 12], 0.8)]);
    let areas = |min_area| -> Vec<usize> {
        let rule = InstanceRule { min_area, ..RULE };
        let found = found(LabelSpace::Exclusive, &[0], &maps, &two_centres(), &rule);
        found.iter().map(|i| i.region.area()).collect()
    };
    let all = areas(0.0);
    assert!(all[0] > all[1], "{all:?}");
    // As large as the limit is large enough; both numbers are exact in f32.
    assert_eq!(areas(all[0] as f32 / 256.0), all[..1]);
    assert!(areas((all[0] + 1) as f32 / 256.0).is_empty());
}

#[test]
fn findings_overlap_and_exclusive_classes_do_not() {
    let one = squares(&[([8, 3], 1.0)]);
    let two = squares(&[([8, 4], 0.5)]);
    let maps = Stack::from_planes(&[one.to_plane(0), two.to_plane(0)]).unwrap();
    let share = |space| {
        let found = found(space, &[1, 3], &maps, &two_centres(), &RULE);
        let mut times = Plane::filled(SIDE, SIDE, 0);
        for (y, x) in found.iter().flat_map(|i| i.region.pixels()) {
            times.set(y, x, times.get(y, x) + 1);
        }
        times.as_slice().iter().copied().max()
    };
    assert_eq!(share(LabelSpace::Exclusive), Some(1));
    assert_eq!(share(LabelSpace::Findings), Some(2));
}

#[test]
fn nothing_is_an_empty_list() {
    let centres = two_centres();
    let nowhere = Stack::filled(2, SIDE, SIDE, 9.0);
    let seen = squares(&[([8, 3], 1.0)]);
    let none = Stack::filled(0, SIDE, SIDE, 0.0);
    let zeros = Stack::filled(1, SIDE, SIDE, 0.0);
    let below = Stack::filled(1, SIDE, SIDE, -1.0);
    for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
        assert!(found(space, &[], &none, &centres, &RULE).is_empty());
        assert!(found(space, &[0], &zeros, &centres, &RULE).is_empty());
        assert!(found(space, &[0], &below, &centres, &RULE).is_empty());
        assert!(found(space, &[0], &seen, &nowhere, &RULE).is_empty());
        let nothing = Evidence {
            keys: &[0],
            maps: &Stack::filled(1, 0, 0, 0.0),
            edges: &Plane::filled(0, 0, 0.0),
            field: &Stack::filled(2, 0, 0, 0.0),
        };
        for size in [[0, 0], [4, 4]] {
            let found = detect(space, &nothing, size, &RULE, &|| false).unwrap();
            assert_eq!((found.instances.len(), found.left_out), (0, 0));
        }
    }
}

/// With a single centre there is nothing to tell apart: the instances are the segments of the pseudo-label.
#[test]
fn one_cluster_gives_the_pseudo_label() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    let values = (0..2 * SIDE * SIDE)
        .map(|_| random.random::<f32>())
        .collect();
    let maps = Stack::new(2, SIDE, SIDE, values).unwrap();
    let edges: Vec<f32> = (0..SIDE * SIDE).map(|_| random.random::<f32>()).collect();
    let walked = random_walk(maps.as_slice(), &edges, 2, SIDE, SIDE, &RULE.walk).unwrap();
    let walked = Stack::new(2, SIDE, SIDE, walked).unwrap();
    let edges = Plane::new(SIDE, SIDE, edges).unwrap();
    for (space, planes) in [(LabelSpace::Exclusive, 1), (LabelSpace::Findings, 2)] {
        let classes = Classes {
            names: ["a", "b"].map(String::from).to_vec(),
            space,
        };
        let threshold = 0.6f32;
        let rule = MapRule {
            threshold: Threshold::Fixed(f64::from(threshold)),
            min_area: 0.0,
            min_confidence: 0.0,
        };
        let size = [40, 61];
        let mask = masks::mask(&classes, &[0, 1], &walked, size, &rule).planes;
        let evidence = Evidence {
            keys: &[0, 1],
            maps: &maps,
            edges: &edges,
            field: &Stack::filled(2, SIDE, SIDE, 0.0),
        };
        let rule = InstanceRule {
            threshold,
            min_area: 0.0,
            ..RULE
        };
        let mut painted = Stack::filled(planes, size[0], size[1], 0u8);
        for instance in detect(space, &evidence, size, &rule, &|| false)
            .unwrap()
            .instances
        {
            let (plane, value) = match space {
                LabelSpace::Exclusive => (0, instance.class as u8 + 1),
                LabelSpace::Findings => (instance.class, 1),
            };
            for (y, x) in instance.region.pixels() {
                painted.plane_mut(plane)[y * size[1] + x] = value;
            }
        }
        assert_eq!(painted, mask, "{space:?}");
        assert!(mask.as_slice().contains(&1));
    }
}

/// Whatever the numbers: no panic, no NaN, no pixel twice, nothing below the threshold or the smallest area.
#[test]
fn any_numbers_give_sound_instances() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for round in 0..60 {
        let (h, w) = (random.random_range(1..10), random.random_range(1..10));
        let classes: usize = random.random_range(0..4);
        let keys: Vec<usize> = (0..classes).map(|k| 2 * k).collect();
        let mut noise = |n: usize, low: f32, high: f32| -> Vec<f32> {
            (0..n).map(|_| random.random_range(low..high)).collect()
        };
        let reach = [0.5, 4.0, 1e30][round % 3];
        let (maps, edges, field) = (
            Stack::new(classes, h, w, noise(classes * h * w, -0.5, 2.0)).unwrap(),
            Plane::new(h, w, noise(h * w, 0.0, 1.0)).unwrap(),
            Stack::new(2, h, w, noise(2 * h * w, -reach, reach)).unwrap(),
        );
        let evidence = Evidence {
            keys: &keys,
            maps: &maps,
            edges: &edges,
            field: &field,
        };
        let size = [random.random_range(1..30), random.random_range(1..30)];
        for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
            let found = detect(space, &evidence, size, &RULE, &|| false)
                .unwrap()
                .instances;
            let mut seen = std::collections::HashSet::new();
            for instance in &found {
                assert!(keys.contains(&instance.class));
                assert!(instance.score > RULE.threshold && instance.score <= 1.0);
                assert!(instance.region.area() as f64 >= 0.01 * (size[0] * size[1]) as f64);
                assert_eq!(instance.region.size(), size);
                for pixel in instance.region.pixels() {
                    let plane = match space {
                        LabelSpace::Exclusive => 0,
                        LabelSpace::Findings => instance.class,
                    };
                    assert!(seen.insert((plane, pixel)), "{pixel:?} twice");
                }
            }
        }
    }
}

/// Class maps, edges, displacements.
type Made = (Stack<f32>, Plane<f32>, Stack<f32>);
type Change<'a> = &'a dyn Fn(&mut Made);

#[test]
fn wrong_evidence_is_named() {
    let (maps, edges, field) = (
        Stack::filled(1, 2, 3, 1.0),
        Plane::filled(2, 3, 0.0),
        Stack::filled(2, 2, 3, 0.0),
    );
    let text = |change: Change, keys: &[usize], rule: &InstanceRule| {
        let mut all = (maps.clone(), edges.clone(), field.clone());
        change(&mut all);
        let (maps, edges, field) = &all;
        let evidence = Evidence {
            keys,
            maps,
            edges,
            field,
        };
        let result = detect(LabelSpace::Exclusive, &evidence, [4, 6], rule, &|| false);
        result.map_or_else(
            |e| e.to_string(),
            |found| format!("{} found", found.instances.len()),
        )
    };
    let same = |_: &mut Made| ();
    assert_eq!(text(&same, &[0], &RULE), "1 found");
    assert!(text(&same, &[0, 1], &RULE).contains("2 classes but 1 class maps"));
    let cases: [(Change, &str); 7] = [
        (&|all| all.1 = Plane::filled(3, 2, 0.0), "edges: 3x2 cells"),
        (
            &|all| all.2 = Stack::filled(2, 2, 4, 0.0),
            "displacements: 2x4 cells",
        ),
        (
            &|all| all.2 = Stack::filled(1, 2, 3, 0.0),
            "displacements: 1 planes",
        ),
        (
            &|all| all.0.as_mut_slice()[5] = f32::NAN,
            "class maps: NaN at row 1, column 2",
        ),
        (
            &|all| all.1.as_mut_slice()[4] = 1.5,
            "edges: 1.5 at row 1, column 1",
        ),
        (&|all| all.1.as_mut_slice()[4] = f32::NAN, "edges: NaN"),
        (
            &|all| all.2.as_mut_slice()[6] = f32::INFINITY,
            "displacements: inf at row 0, column 0",
        ),
    ];
    for (change, words) in cases {
        let text = text(change, &[0], &RULE);
        assert!(text.contains(words), "{text}");
    }
    for (rule, words) in [
        (
            InstanceRule {
                threshold: f32::NAN,
                ..RULE
            },
            "the threshold is NaN",
        ),
        (
            InstanceRule {
                min_area: 1.5,
                ..RULE
            },
            "the smallest area is 1.5",
        ),
        (
            InstanceRule { weak: 0.0, ..RULE },
            "the weakest displacement is 0",
        ),
        (
            InstanceRule {
                walk: WalkOptions {
                    radius: 0,
                    ..RULE.walk
                },
                ..RULE
            },
            "radius is 0",
        ),
    ] {
        let text = text(&same, &[0], &rule);
        assert!(text.contains(words), "{text}");
    }
}

/// A field of noise on the grid of an image of 512 pixels has more clusters than instances could come of. Its cost is
/// bounded, and it is told. By hand: displacements below 2.5 cells are 29 % of a Gaussian of 3 cells (1 − exp(−2.5² /
/// 18)), too few to hang together, so centres are hundreds at least.
#[test]
fn noise_does_not_walk_for_hours() {
    let cells = 128;
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut noise = || -> f32 {
        // Twelve uniform numbers make a Gaussian of variance 1.
        let sum: f32 = (0..12).map(|_| random.random::<f32>()).sum();
        3.0 * (sum - 6.0)
    };
    let field = Stack::new(
        2,
        cells,
        cells,
        (0..2 * cells * cells).map(|_| noise()).collect(),
    );
    let evidence = Evidence {
        keys: &[0, 1],
        maps: &Stack::filled(2, cells, cells, 1.0),
        edges: &Plane::filled(cells, cells, 0.5),
        field: &field.unwrap(),
    };
    let rule = InstanceRule {
        steps: 20,
        weak: 2.5,
        walk: WalkOptions {
            steps: 1,
            ..RULE.walk
        },
        ..RULE
    };
    let all = 2 * clusters(evidence.field, rule.steps, rule.weak)
        .unwrap()
        .count;
    assert!(all > 600, "{all}");
    let size = [cells, cells];
    for (space, most) in [
        (LabelSpace::Exclusive, MOST),
        (LabelSpace::Findings, 2 * MOST),
    ] {
        let found = detect(space, &evidence, size, &rule, &|| false).unwrap();
        assert_eq!(found.left_out, all - most, "{space:?}");
    }
}
