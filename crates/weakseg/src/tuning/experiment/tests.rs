use super::*;
use crate::progress::Silent;
use crate::tuning::Freedom;
use crate::tuning::refusal::Refusal;
use crate::tuning::sample::{case, cuts};

const OWN: Rule = Rule {
    threshold: Threshold::Fixed(0.5),
    gate: 0.0,
    triplet: None,
};

/// Sick images whose truth lies above 0.7 and healthy ones that are bright to 0.61: any threshold between is right for
/// all, and the run's own scores 2/3 and 0.
fn some(sick: usize, healthy: usize) -> Vec<CaseCurves> {
    let sick = (0..sick).map(|i| {
        let id = format!("sick-{i}");
        case(
            &id,
            true,
            &[0.11, 0.55, 0.61, 0.75, 0.91],
            &[0, 0, 0, 1, 1],
            0.85,
        )
    });
    let healthy = (0..healthy).map(|i| {
        let id = format!("healthy-{i}");
        case(&id, false, &[0.11, 0.55, 0.61, 0.61, 0.61], &[0; 5], 0.85)
    });
    sick.chain(healthy).collect()
}

fn measured(curves: Vec<CaseCurves>) -> Measured {
    Measured {
        curves,
        ..Measured::default()
    }
}

fn material(tuning: Vec<CaseCurves>, scoring: Option<Vec<CaseCurves>>) -> Material {
    // Cases of two splits have other names.
    let named = |mut cases: Vec<CaseCurves>| {
        cases.iter_mut().for_each(|case| case.id.push_str("-test"));
        measured(cases)
    };
    let sick = tuning.iter().filter(|case| case.positive).count();
    Material {
        cuts: cuts(),
        labelled: sick as f64 / tuning.len() as f64,
        tuning: measured(tuning),
        scoring: scoring.map(named),
    }
}

fn plan(masks: &[usize]) -> Plan {
    Plan {
        masks: masks.to_vec(),
        draws: 3,
        seed: 7,
    }
}

fn tried(stage: Stage, own: Rule, material: &Material, plan: &Plan) -> StageTuning {
    let trial = Trial {
        stage,
        own,
        lowest_gate: own.gate,
        material,
        plan,
        bootstrap: Bootstrap {
            draws: 50,
            ..Bootstrap::default()
        },
        progress: &Silent,
        stop: &Stop::default(),
    };
    experiment(&trial).expect("nobody stops it")
}

fn of(material: &Material, masks: &[usize]) -> StageTuning {
    tried(Stage::Segmentation, OWN, material, &plan(masks))
}

fn mean(spread: Option<Spread>) -> f64 {
    spread.expect("scored").mean
}

#[test]
fn what_masks_buy_by_hand() {
    let material = material(some(4, 4), Some(some(2, 4)));
    let tuned = of(&material, &[4, 0, 8, 9, 4]);
    let lines: Vec<(usize, usize, Tuned, usize)> = tuned
        .lines
        .iter()
        .map(|line| (line.masks, line.positive, line.tuned, line.draws.len()))
        .collect();
    let by = Tuned::By;
    let expected = [
        (0, 0, Tuned::Empty, 1),
        (0, 0, Tuned::Nothing, 1),
        (4, 2, by(Freedom::Threshold), 3),
        (4, 2, by(Freedom::Gate), 3),
        (4, 2, by(Freedom::Triplet), 3),
        // All can be drawn in one way.
        (8, 4, by(Freedom::Threshold), 1),
        (8, 4, by(Freedom::Gate), 1),
        (8, 4, by(Freedom::Triplet), 1),
        (6, 2, by(Freedom::Triplet), 1),
    ];
    assert_eq!(lines, expected);
    // Dice of a sick image 2·2 / (4 + 2), of a healthy one 0.
    let [empty, own] = [&tuned.lines[0], &tuned.lines[1]];
    assert!((mean(own.dice.pos) - 2.0 / 3.0).abs() < 1e-12);
    assert!((mean(own.dice.all) - 2.0 / 9.0).abs() < 1e-12);
    assert_eq!((mean(own.dice.neg), mean(own.gain.all)), (0.0, 0.0));
    assert!((mean(empty.dice.all) - 2.0 / 3.0).abs() < 1e-12);
    assert!((mean(empty.gain.all) - 4.0 / 9.0).abs() < 1e-12);
    assert!((mean(own.beyond_empty) + 4.0 / 9.0).abs() < 1e-12);
    assert!(empty.is_no_better_than_empty() && own.is_no_better_than_empty());
    assert_eq!((empty.rules().count(), own.rules().count()), (0, 1));
    for line in &tuned.lines[2..] {
        assert!(!line.is_no_better_than_empty());
        assert_eq!(mean(line.dice.all), 1.0);
        assert!((mean(line.gain.all) - 7.0 / 9.0).abs() < 1e-12);
        assert!((mean(line.gain.pos) - 1.0 / 3.0).abs() < 1e-12);
        for draw in &line.draws {
            let rule = draw.rule.expect("chosen");
            assert_eq!(rule.threshold, Threshold::Fixed(0.62), "the nearest");
            assert_eq!((rule.gate, rule.triplet), (0.0, None));
            assert_eq!((draw.dice.all, draw.dice.neg), (Some(1.0), Some(1.0)));
            assert!((draw.gain.all.expect("scored") - 7.0 / 9.0).abs() < 1e-12);
            assert!((draw.beyond_empty.expect("scored") - 1.0 / 3.0).abs() < 1e-12);
        }
    }
    assert!(tuned.lines[8].bound && tuned.lines[..8].iter().all(|line| !line.bound));
    let fewer = LeftOut {
        masks: 9,
        reason: Refusal::Fewer { cases: 8 },
    };
    assert_eq!(tuned.left_out, [fewer]);
    assert_eq!(tuned.settings, ["segmenter.threshold=0.62"]);
    assert_eq!(
        (tuned.scored_on.split, tuned.scored_on.positive),
        (Split::Test, 2)
    );
    assert_eq!(tuned.tuned_on.share, 0.5);
    assert!((tuned.scored_on.share - 1.0 / 3.0).abs() < 1e-12);
}

/// What is left of a split holds fewer findings than the split; the mean over all images is the split's all the same.
#[test]
fn without_a_test_split_what_was_drawn_is_not_scored() {
    // One case is unlike all others: the rule that it alone would choose shows where it was drawn and where it was
    // scored.
    let mut tuning = some(1, 6);
    tuning.push(case("odd", true, &[0.11, 0.31, 0.91], &[0, 1, 1], 0.85));
    let material = material(tuning, None);
    let tuned = of(&material, &[1, 3, 8]);
    assert_eq!((tuned.scored_on.cases, tuned.scored_on.share), (8, 0.25));
    // The run's own rule is scored on all: 2·1 / (1 + 2) for the odd one, as for the other.
    let own = &tuned.lines[1];
    assert!((mean(own.dice.pos) - 2.0 / 3.0).abs() < 1e-12);
    assert!((mean(own.dice.all) - 0.25 * 2.0 / 3.0).abs() < 1e-12);
    // One mask is that of either positive; the other is scored, and all 6 healthy ones.
    let line = &tuned.lines[2];
    assert_eq!((line.masks, line.positive), (1, 1));
    for draw in &line.draws {
        let Threshold::Fixed(cut) = draw.rule.expect("chosen").threshold else {
            panic!("a number");
        };
        // By the odd one, whose rule leaves four pixels of the other; or by that, whose rule leaves one of the odd
        // one's two.
        let neg = match cut < 0.5 {
            true => 0.0,
            false => 1.0,
        };
        assert_eq!(cut, [0.3, 0.62][neg as usize]);
        assert!((draw.dice.pos.expect("scored") - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(draw.dice.neg, Some(neg));
        let all = 0.25 * 2.0 / 3.0 + 0.75 * neg;
        assert!((draw.dice.all.expect("scored") - all).abs() < 1e-12);
        let empty = draw.dice.all.expect("scored") - draw.beyond_empty.expect("scored");
        assert!((empty - 0.75).abs() < 1e-12, "the same in every draw");
    }
    // Three masks are two with a finding, of which none is left.
    let reasons: Vec<_> = tuned.left_out.iter().map(|l| (l.masks, l.reason)).collect();
    assert_eq!(
        reasons,
        [(3, Refusal::NoPositive), (8, Refusal::NoPositive)]
    );
}

#[test]
fn maps_are_tried_with_otsu_and_without_a_triplet() {
    let material = material(some(3, 3), Some(some(2, 2)));
    let own = Rule { gate: 0.8, ..OWN };
    let tuned = tried(Stage::Cam, own, &material, &plan(&[2]));
    let words: Vec<&str> = tuned.lines.iter().map(|line| line.tuned.words()).collect();
    let gate = Freedom::Gate.words();
    let threshold = Freedom::Threshold.words();
    assert_eq!(
        words,
        [
            "empty mask",
            "as it is set",
            "Otsu's threshold",
            threshold,
            gate,
            gate
        ]
    );
    let mut rules = tuned.lines.iter().flat_map(Line::rules);
    assert!(rules.all(|rule| rule.triplet.is_none() && rule.gate >= 0.8));
    let own = Rule {
        threshold: Threshold::OTSU,
        ..own
    };
    let tuned = tried(Stage::Cam, own, &material, &plan(&[0]));
    assert!(tuned.lines[1].rules().eq([&own]), "it is Otsu's already");
    assert_eq!(tuned.lines.len(), 3);
    assert!(tuned.verdict.contains("No masks were drawn"));
}

/// Two images whose values part elsewhere: no number is right for both, and Otsu's is.
#[test]
fn the_bound_of_maps_may_have_otsus_threshold() {
    let low = || case("low", true, &[0.01, 0.01, 0.2, 0.2], &[0, 0, 1, 1], 0.85);
    let high = || case("high", true, &[0.5, 0.5, 0.9, 0.9], &[0, 0, 1, 1], 0.85);
    let material = material(vec![low(), high()], Some(vec![low(), high()]));
    let tuned = tried(Stage::Cam, OWN, &material, &plan(&[0]));
    let bound = tuned.lines.last().expect("the bound");
    assert!(bound.bound && mean(bound.dice.all) == 1.0);
    assert!(bound.rules().all(|rule| rule.threshold == Threshold::OTSU));
    assert_eq!(tuned.settings, ["cams.threshold=otsu"]);
    let network = tried(Stage::Segmentation, OWN, &material, &plan(&[0]));
    let bound = network.lines.last().expect("the bound");
    assert!(mean(bound.dice.all) < 1.0, "it has a number");
}

#[test]
fn the_seed_decides() {
    // Every case is right at a threshold of its own, so that what is drawn shows in what is chosen.
    let tuning: Vec<CaseCurves> = (0..12u8)
        .map(|i| {
            let edge = 0.15 + 0.06 * f32::from(i);
            case(
                &i.to_string(),
                true,
                &[0.11, edge, edge + 0.1],
                &[0, 0, 1],
                0.85,
            )
        })
        .collect();
    let material = material(tuning, None);
    let of = |seed| {
        let plan = Plan { seed, ..plan(&[2]) };
        tried(Stage::Segmentation, OWN, &material, &plan)
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).lines[2].draws, of(2).lines[2].draws);
    let bound = of(1).lines.pop().expect("the bound");
    assert!(mean(bound.gain.all) > 0.0);
}

/// Asks to stop at the third draw.
#[derive(Default)]
struct Impatient(Stop);

impl Progress for Impatient {
    fn begin(&self, what: &str, total: u64) {
        assert_eq!((what, total), ("tune: rules of the network", 9));
    }

    fn at(&self, done: u64, note: &str) {
        assert_eq!(note, "4 masks, threshold");
        if done == 3 {
            self.0.ask();
        }
    }

    fn end(&self) {}

    fn note(&self, _: &str) {}
}

#[test]
fn it_can_be_watched_and_stopped() {
    let watch = Impatient::default();
    let material = material(some(4, 4), Some(some(1, 2)));
    let trial = Trial {
        stage: Stage::Segmentation,
        own: OWN,
        lowest_gate: 0.0,
        material: &material,
        plan: &plan(&[4]),
        bootstrap: Bootstrap::default(),
        progress: &watch,
        stop: &watch.0,
    };
    let error = experiment(&trial).expect_err("asked to");
    assert_eq!(error.to_string(), "stopped after 3 of 9 draws");
}
