//! Agreement with pydensecrf on recorded cases (`tests/oracle/pydensecrf_cases.py`).

use densecrf::{Compatibility, DenseCrf, Deviation, Guide, Normalization, SoftmaxOptions, Unary};
use serde::Deserialize;

use crate::distance;

/// The lattice is the same down to the order of additions, but values here are rounded to six
/// places and label 0 is derived from the other labels.
const TOLERANCE: f32 = 2e-5;

#[derive(Deserialize)]
struct Record {
    height: usize,
    width: usize,
    image: Vec<u8>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    k: usize,
    terms: Vec<Term>,
    iterations: usize,
    unary: String,
    labels: Vec<u8>,
    q: Vec<f32>,
    divergences: Vec<f64>,
}

#[derive(Deserialize)]
struct Term {
    kind: String,
    sxy: OneOrMore,
    srgb: Option<OneOrMore>,
    compat: Compat,
    normalization: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMore {
    One(f32),
    More(Vec<f32>),
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Compat {
    Potts(f32),
    Diagonal(Vec<f32>),
    Matrix(Vec<Vec<f32>>),
}

impl From<OneOrMore> for Deviation {
    fn from(value: OneOrMore) -> Self {
        match value {
            OneOrMore::One(value) => Self::Same(value),
            OneOrMore::More(values) => Self::Each(values),
        }
    }
}

impl From<Compat> for Compatibility {
    fn from(value: Compat) -> Self {
        match value {
            Compat::Potts(weight) => Self::Potts(weight),
            Compat::Diagonal(costs) => Self::Diagonal(costs),
            Compat::Matrix(rows) => Self::Matrix(rows.concat()),
        }
    }
}

fn unary(case: &Case) -> Unary {
    match case.unary.as_str() {
        "labels" => Unary::from_labels(&case.labels, case.k, 0.7, false),
        "unsure" => Unary::from_labels(&case.labels, case.k, 0.7, true),
        "softmax" => {
            let n = case.labels.len();
            let p = |at: usize| {
                let (label, pixel) = (at / n, at % n);
                if label == case.k - 1 && pixel % 7 == 0 {
                    0.0
                } else if usize::from(case.labels[pixel]) == label {
                    0.8
                } else {
                    0.2 / (case.k - 1) as f32
                }
            };
            let probabilities: Vec<f32> = (0..case.k * n).map(p).collect();
            let options = SoftmaxOptions {
                scale: Some(0.9),
                ..SoftmaxOptions::default()
            };
            Unary::from_softmax(&probabilities, case.k, options)
        }
        other => panic!("unary {other}"),
    }
    .expect("recorded unaries are valid")
}

fn crf(record: &Record, case: &Case) -> DenseCrf {
    let (height, width) = (record.height, record.width);
    let red: Vec<u8> = record.image.chunks(3).map(|rgb| rgb[0]).collect();
    let colour = Guide::interleaved(height, width, 3, &record.image).unwrap();
    let grey = Guide::interleaved(height, width, 1, &red).unwrap();
    let start = DenseCrf::new(height, width, case.k).unwrap();
    case.terms.iter().fold(start, |crf, term| {
        let crf = crf.normalization(match term.normalization.as_deref() {
            Some("no") => Normalization::No,
            Some("before") => Normalization::Before,
            Some("after") => Normalization::After,
            _ => Normalization::Symmetric,
        });
        let (sxy, compat) = (term.sxy.clone(), term.compat.clone());
        match (term.kind.as_str(), term.srgb.clone()) {
            ("bilateral", Some(srgb)) => crf.bilateral(sxy, srgb, &colour, compat),
            ("grey", Some(srgb)) => crf.bilateral(sxy, srgb, &grey, compat),
            _ => crf.gaussian(sxy, compat),
        }
        .expect("recorded terms are valid")
    })
}

#[test]
fn every_recorded_case() {
    let record: Record =
        serde_json::from_str(include_str!("../oracle/pydensecrf_cases.json")).unwrap();
    assert!(record.cases.len() >= 15);
    for case in &record.cases {
        let found = crf(&record, case)
            .infer(&unary(case), case.iterations)
            .unwrap();
        let worst = distance(found.q(), &case.q);
        println!("{}: {worst:e}", case.name);
        assert!(
            worst <= TOLERANCE,
            "{}: marginals differ by {worst}",
            case.name
        );
    }
}

/// Marginals step by step, and their divergence at each.
#[test]
fn every_recorded_divergence() {
    let record: Record =
        serde_json::from_str(include_str!("../oracle/pydensecrf_cases.json")).unwrap();
    for case in &record.cases {
        let (crf, unary) = (crf(&record, case), unary(case));
        let mut marginals = crf.infer(&unary, 0).unwrap();
        for (step, expected) in case.divergences.iter().enumerate() {
            if step > 0 {
                marginals = crf.step(&unary, &marginals).unwrap();
            }
            let found = crf.kl_divergence(&unary, &marginals).unwrap();
            // The reference adds all pixels in single precision.
            let error = (found - expected).abs() / expected.abs().max(1.0);
            println!("{} {step}: {found} against {expected}", case.name);
            assert!(
                error < 2e-4,
                "{} {step}: {found} against {expected}",
                case.name
            );
        }
        assert_eq!(case.divergences.len(), case.iterations + 1);
        assert!(
            distance(marginals.q(), &case.q) <= TOLERANCE,
            "{}",
            case.name
        );
    }
}

/// The recorded cases would not notice a CRF that does nothing if they left the labels alone.
#[test]
fn recorded_cases_change_labels() {
    let record: Record =
        serde_json::from_str(include_str!("../oracle/pydensecrf_cases.json")).unwrap();
    let case = &record.cases[1];
    let map = crf(&record, case)
        .infer(&unary(case), case.iterations)
        .unwrap()
        .map();
    let changed = map.iter().zip(&case.labels).filter(|(a, b)| a != b).count();
    assert!(changed > map.len() / 20, "{changed} of {}", map.len());
}
