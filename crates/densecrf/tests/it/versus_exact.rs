//! The lattice against the sum over all pairs.
//!
//! The lattice filter is an approximation: its kernel is a product of blurs on a simplicial grid,
//! close to but not a Gaussian, and on a small image the blur loses what leaves through vertices
//! that no pixel touches. The tolerances are what was measured on these images, with some air.

use densecrf::{Compatibility, DenseCrf, Features, Filtering, Guide, Normalization, Unary};

use crate::{distance, hashed};

const HEIGHT: usize = 20;
const WIDTH: usize = 24;
const KINDS: [Normalization; 4] = [
    Normalization::No,
    Normalization::Before,
    Normalization::After,
    Normalization::Symmetric,
];

/// A smooth image with an edge.
fn image(channels: usize) -> Vec<u8> {
    let pixel = |i: usize| (i % WIDTH, i / WIDTH);
    (0..HEIGHT * WIDTH)
        .flat_map(|i| {
            let (x, y) = pixel(i);
            let value = 40 + 3 * x + 2 * y + if x + y > 20 { 90 } else { 0 };
            (0..channels).map(move |c| (value + 9 * c) as u8)
        })
        .collect()
}

fn unary(labels: usize) -> Unary {
    let energies = (0..labels * HEIGHT * WIDTH).map(|i| {
        let (label, pixel) = (i / (HEIGHT * WIDTH), i % (HEIGHT * WIDTH));
        let inside = (pixel % WIDTH + pixel / WIDTH > 17) == (label > 0);
        1.5 * hashed(i) + if inside { 0.0 } else { 0.8 }
    });
    Unary::from_energies(energies.collect(), labels).unwrap()
}

/// Marginals on the lattice and exactly.
fn both(
    labels: usize,
    iterations: usize,
    add: impl Fn(DenseCrf) -> DenseCrf,
) -> (Vec<f32>, Vec<f32>) {
    let run = |filtering| {
        let crf = DenseCrf::new(HEIGHT, WIDTH, labels)
            .unwrap()
            .filtering(filtering);
        add(crf).infer(&unary(labels), iterations).unwrap().into_q()
    };
    (run(Filtering::Lattice), run(Filtering::Exact))
}

fn mean_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
}

/// One filtering with a weight that leaves the softmax far from saturation compares the filters
/// themselves, in every dimension and normalisation.
#[test]
fn one_message_of_every_kind() {
    let grey = image(1);
    let colour = image(3);
    let grey = Guide::interleaved(HEIGHT, WIDTH, 1, &grey).unwrap();
    let colour = Guide::interleaved(HEIGHT, WIDTH, 3, &colour).unwrap();
    let line = Features::new((0..HEIGHT * WIDTH).map(|i| i as f32 / 40.0).collect(), 1).unwrap();
    let terms: [(&str, Features, f32); 4] = [
        ("d 1", line, 0.02),
        ("d 2", Features::gaussian(HEIGHT, WIDTH, 3.0).unwrap(), 0.02),
        ("d 3", Features::bilateral(8.0, 30.0, &grey).unwrap(), 0.02),
        (
            "d 5",
            Features::bilateral(8.0, 60.0, &colour).unwrap(),
            0.02,
        ),
    ];
    for (name, features, tolerance) in &terms {
        for kind in KINDS {
            // Without normalisation a message is a sum over many pixels: weigh it down.
            let weight = if kind == Normalization::No { 0.02 } else { 3.0 };
            let (lattice, exact) = both(3, 1, |crf| {
                crf.normalization(kind).pairwise(features, weight).unwrap()
            });
            let (silent, _) = both(3, 1, |crf| crf);
            let worst = distance(&lattice, &exact);
            let effect = distance(&silent, &exact);
            println!("{name} {kind:?}: worst {worst:.5}, effect {effect:.3}");
            assert!(effect > 0.05, "{name} {kind:?}: the term does nothing");
            // Its gain on a lattice this small is off by up to a half in five dimensions; the
            // other kinds divide by it.
            let tolerance = if kind == Normalization::No {
                4.0 * tolerance
            } else {
                *tolerance
            };
            assert!(worst < tolerance, "{name} {kind:?}: {worst}");
        }
    }
}

/// The asymmetric cases: what a pixel sends and what it receives must not be mixed up.
#[test]
fn every_compatibility() {
    let forms = [
        Compatibility::Potts(2.0),
        Compatibility::Diagonal(vec![-1.0, -2.0, -3.0]),
        Compatibility::Matrix(vec![-1.0, 2.0, 0.0, 1.0, -2.0, 0.5, 0.0, 0.5, -1.5]),
    ];
    for form in forms {
        let (lattice, exact) = both(3, 3, |crf| crf.gaussian(3.0, form.clone()).unwrap());
        let mean = mean_distance(&lattice, &exact);
        println!(
            "{form:?}: mean {mean:.5}, worst {:.5}",
            distance(&lattice, &exact)
        );
        assert!(mean < 0.01, "{form:?}: {mean}");
    }
}

/// The whole of inference: the same labels but for a few pixels on the border.
#[test]
fn refined_labels() {
    let colour = image(3);
    let guide = Guide::interleaved(HEIGHT, WIDTH, 3, &colour).unwrap();
    let (lattice, exact) = both(2, 10, |crf| {
        crf.gaussian(3.0, 1.0)
            .and_then(|crf| crf.bilateral(20.0, 20.0, &guide, 2.0))
            .unwrap()
    });
    let mean = mean_distance(&lattice, &exact);
    let n = HEIGHT * WIDTH;
    let differing = (0..n)
        .filter(|i| (lattice[n + i] > 0.5) != (exact[n + i] > 0.5))
        .count();
    println!("refined: mean {mean:.5}, {differing} of {n} labels differ");
    assert!(mean < 0.04, "{mean}");
    assert!(differing <= n / 50, "{differing} of {n} labels differ");
}
