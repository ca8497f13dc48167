use weakseg_data::Split;

use super::super::document::{Draw, FORMAT, LeftOut, Set};
use super::super::material::Measured;
use super::super::refusal::Refusal;
use super::super::sample::{case, cuts};
use super::super::scores::Scores;
use super::super::search::Freedom;
use super::super::{Material, Plan, Rule, Trial, experiment};
use super::*;
use crate::cam::Threshold;
use crate::metrics::Bootstrap;
use crate::progress::{Silent, Stop};

const OWN: Rule = Rule {
    threshold: Threshold::Fixed(0.5),
    gate: 0.25,
    triplet: None,
};

fn tuning(stage: StageTuning, unfinished: &[&str]) -> Tuning {
    Tuning {
        format: FORMAT,
        seed: 0,
        draws: 20,
        inputs: Default::default(),
        rules: Default::default(),
        stages: vec![stage],
        unfinished: unfinished.iter().map(|&step| step.to_owned()).collect(),
    }
}

fn text(tuning: &Tuning) -> String {
    let tables = tables(tuning);
    assert_eq!(tables.len(), 1);
    tables[0].text()
}

fn tried(material: &Material, masks: &[usize]) -> StageTuning {
    let trial = Trial {
        stage: Stage::Cam,
        own: OWN,
        lowest_gate: 0.25,
        material,
        plan: &Plan {
            masks: masks.to_vec(),
            draws: 20,
            seed: 0,
        },
        bootstrap: Bootstrap::default(),
        progress: &Silent,
        stop: &Stop::default(),
    };
    experiment(&trial).expect("nobody stops it")
}

/// Two cases to draw from, four to score on. Above 0.5, and above Otsu's 0.11, five pixels are found for three, Dice
/// 2·3 / (5 + 3), and five in a healthy image. All images of a kind being alike, no interval over images has a width.
fn material() -> Material {
    let values = [0.11, 0.61, 0.61, 0.75, 0.75, 0.91];
    let sick = |id| case(id, true, &values, &[0, 0, 0, 1, 1, 1], 0.85);
    let values = values.map(|value: f32| value.min(0.61));
    let healthy = |id| case(id, false, &values, &[0; 6], 0.85);
    Material {
        cuts: cuts(),
        tuning: Measured {
            curves: vec![sick("a"), healthy("b")],
            without: 3,
            void: 2,
        },
        labelled: 0.5,
        scoring: Some(Measured {
            curves: vec![sick("c"), sick("d"), healthy("e"), healthy("f")],
            ..Measured::default()
        }),
    }
}

#[test]
fn golden_text() {
    let stage = tried(&material(), &[2, 9]);
    let expected = "\
Maps, predicted labels: tuned on val, scored on test (4 cases)
                        Dice                   gain over 0 masks
Masks (with a finding)  pos    neg    all      pos     neg    all
0, empty mask           0.000  1.000  0.500    -0.750  1.000  0.125
0, as it is set         0.750  0.000  0.375 ▼  –       –      –
0, Otsu's threshold     0.750  0.000  0.375 ▼  0.000   0.000  0.000
2 (1), threshold        1.000  1.000  1.000    0.250   1.000  0.625
2 (1), threshold, gate  1.000  1.000  1.000    0.250   1.000  0.625
bound, threshold, gate  1.000  1.000  1.000    0.250   1.000  0.625

Masks are drawn from 2 cases of val, 1 with a finding; 2 of the 4 that are scored have one.
as it is set: threshold 0.5, gate 0.25
Otsu's threshold: gate 0.25
2 masks, threshold: threshold 0.62, gate 0.25
2 masks, threshold, gate: threshold 0.62, gate 0.25
bound: threshold 0.62, gate 0.25
left out of the val split: 3 cases without a mask
left out of the val split: 2 true masks void everywhere
9 masks not drawn: the val split has 2 cases with masks; ask for no more
train-segmenter is not finished: the maps alone were tuned
Beside the figures of a single rule or draw stands a 95 % interval over the images that are scored (bootstrap).
▼ below empty masks for all images, = no better than they are
The bound is the rule chosen on the cases that are scored on: nobody can have it.
2 masks (1 with a finding; threshold) bought 0.625 in Dice of all images; go on with
  --set cams.threshold=0.62
With RUN/config.toml and --only eval-cams this run's maps are scored so: cams.threshold changes that alone, not the \
pseudo-labels and not the network.
";
    assert_eq!(text(&tuning(stage, &["train-segmenter"])), expected);
}

#[test]
fn what_all_tables_have_in_common_is_told_once() {
    let stage = tried(&material(), &[0]);
    let tuning = Tuning {
        stages: vec![
            stage.clone(),
            StageTuning {
                stage: Stage::Segmentation,
                verdict: "Another verdict.".to_owned(),
                ..stage
            },
        ],
        ..tuning(tried(&material(), &[0]), &[])
    };
    let [first, last] = &tables(&tuning)[..] else {
        panic!("two tables");
    };
    // Nothing was tuned.
    assert_eq!(last.title, "Segmentation network: scored on test (4 cases)");
    let left_out = "left out of the val split: 3 cases without a mask";
    let told = |table: &Table, note: &str| table.notes.iter().any(|other| other == note);
    assert!(!told(first, left_out) && told(last, left_out));
    assert!(told(first, &tuning.stages[0].verdict) && told(last, "Another verdict."));
}

#[test]
fn patients_that_are_in_both_splits_are_told() {
    let mut material = material();
    let note = "Some patients of drawn masks are in the test split too";
    assert!(!text(&tuning(tried(&material, &[2]), &[])).contains(note));
    let of_test = material.scoring.as_mut().expect("test cases");
    for case in [&mut material.tuning.curves[0], &mut of_test.curves[0]] {
        case.patient = Some("p".to_owned());
    }
    let stage = tried(&material, &[2]);
    let drawn = stage.lines.iter().find(|line| line.masks == 2);
    assert_eq!(drawn.expect("drawn").draws[0].scored, 3);
    assert!(text(&tuning(stage, &[])).contains(note));
}

fn spread(mean: f64, low: f64, high: f64) -> Option<Spread> {
    Some(Spread {
        mean,
        range: Some([low, high]),
    })
}

fn line(masks: usize, tuned: Tuned, draws: usize, dice: Dice, gain: Dice) -> Line {
    let draw = |number: usize| Draw {
        rule: (tuned != Tuned::Empty).then_some(Rule {
            gate: [0.25, 0.5][number % 2],
            ..OWN
        }),
        scored: 6,
        dice: Scores::default(),
        gain: Scores::default(),
        beyond_empty: None,
    };
    Line {
        masks,
        positive: 0,
        tuned,
        bound: false,
        dice,
        gain,
        beyond_empty: spread(0.02, -0.01, 0.04),
        draws: (0..draws).map(draw).collect(),
    }
}

/// Ranges that reach below 0, marks of what is not clear, and the notes of a split without findings to draw.
#[test]
fn golden_text_of_several_draws() {
    let level = Dice {
        all: spread(0.0, 0.0, 0.0),
        pos: spread(0.0, 0.0, 0.0),
        neg: spread(0.0, 0.0, 0.0),
    };
    let own = Dice {
        all: spread(0.70, 0.65, 0.75),
        pos: spread(0.4, 0.35, 0.45),
        neg: spread(1.0, 1.0, 1.0),
    };
    let drawn = Dice {
        all: spread(0.71, 0.66, 0.76),
        pos: spread(0.42, 0.37, 0.47),
        neg: spread(0.9996, 0.9990, 1.0),
    };
    let gain = Dice {
        all: spread(0.01, -0.0042, 0.03),
        pos: spread(0.02, -1.0, -0.0004),
        neg: spread(-0.0004, -0.123, 0.0),
    };
    let set = Set {
        split: Split::Val,
        cases: 12,
        positive: 0,
        without: 0,
        void: 0,
        share: 0.0,
    };
    let stage = StageTuning {
        stage: Stage::Segmentation,
        own: OWN,
        tuned_on: set,
        scored_on: set,
        lines: vec![
            line(0, Tuned::Nothing, 1, own, level),
            line(10, Tuned::By(Freedom::Gate), 20, drawn, gain),
        ],
        left_out: vec![LeftOut {
            masks: 12,
            reason: Refusal::NoNegative,
        }],
        verdict: "The verdict.".to_owned(),
        settings: Vec::new(),
        remarks: Vec::new(),
    };
    let expected = "\
Segmentation network: tuned on val, scored on val (12 cases)
                         Dice
Masks (with a finding)   pos                neg                all
0, as it is set          0.400 [.350 .450]  1.000              0.700 [.650 .750] ~
10 (0), threshold, gate  0.420 [.370 .470]  1.000 [.999 1.00]  0.710 [.660 .760] ~

                         gain over 0 masks
Masks (with a finding)   pos                 neg                 all
0, as it is set          –                   –                   –
10 (0), threshold, gate  0.020 [-1.00 .000]  0.000 [-.123 .000]  0.010 [-.004 .030] ~

The test split has no mask with a finding: each draw is scored on those of the 12 cases (0 with a finding) that it left, \
but for other images of its patients.
as it is set: threshold 0.5, gate 0.25
10 masks, threshold, gate: threshold 0.5, gate 0.25 to 0.5
12 masks not drawn: no image without a finding would be left to score on; ask for fewer, or give the test split masks of other patients
10 masks without a finding: what is to be left empty is known, not where a finding is
Each number of masks was drawn 20 times; beside a mean stands the middle 95 % of the draws.
Beside the figures of a single rule stands a 95 % interval over the images that are scored (bootstrap).
~ beside a Dice: above empty masks, but not by all of the range; beside a gain: the range reaches 0
The verdict.
";
    assert_eq!(text(&tuning(stage, &["train-segmenter"])), expected);
}
