//! What must hold for any image.

use densecrf::{DenseCrf, Guide, Unary};
use proptest::prelude::*;

use crate::{distance, hashed};

/// An arbitrary image of 1–12 × 1–12 pixels with K labels, few or many, and unary energies within ±4.
fn toy() -> impl Strategy<Value = (usize, usize, usize, Vec<u8>, Vec<f32>)> {
    let labels = prop_oneof![1usize..=6, Just(21)];
    (1usize..=12, 1usize..=12, labels).prop_flat_map(|(height, width, labels)| {
        (
            Just(height),
            Just(width),
            Just(labels),
            prop::collection::vec(any::<u8>(), 3 * height * width),
            prop::collection::vec(-4.0f32..4.0, labels * height * width),
        )
    })
}

fn crf(height: usize, width: usize, labels: usize, image: &[u8]) -> DenseCrf {
    let guide = Guide::planar(height, width, 3, image).unwrap();
    DenseCrf::new(height, width, labels)
        .and_then(|crf| crf.gaussian(2.0, 3.0))
        .and_then(|crf| crf.bilateral(10.0, 30.0, &guide, 5.0))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn marginals_are_probabilities((h, w, k, image, energies) in toy(), iterations in 0usize..6) {
        let unary = Unary::from_energies(energies, k).unwrap();
        let found = crf(h, w, k, &image).infer(&unary, iterations).unwrap();
        for pixel in 0..h * w {
            let row: Vec<f32> = (0..k).map(|label| found.q()[label * h * w + pixel]).collect();
            prop_assert!(row.iter().all(|q| (0.0..=1.0).contains(q)));
            prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn zero_pairwise_is_the_argmin_of_the_unary((h, w, k, image, energies) in toy()) {
        let unary = Unary::from_energies(energies.clone(), k).unwrap();
        let guide = Guide::planar(h, w, 3, &image).unwrap();
        let silent = DenseCrf::new(h, w, k)
            .and_then(|crf| crf.gaussian(2.0, 0.0))
            .and_then(|crf| crf.bilateral(10.0, 30.0, &guide, 0.0))
            .unwrap();
        let alone = DenseCrf::new(h, w, k).unwrap();
        for crf in [silent, alone] {
            let map = crf.infer(&unary, 5).unwrap().map();
            for (pixel, &label) in map.iter().enumerate() {
                let energy = |label: usize| energies[label * h * w + pixel];
                let least = (0..k).map(energy).fold(f32::INFINITY, f32::min);
                // Energies closer than a rounding step share a probability.
                prop_assert!(energy(label.into()) - least < 1e-5);
            }
        }
    }

    #[test]
    fn a_shift_of_a_pixels_energies_changes_nothing((h, w, k, image, energies) in toy()) {
        let shifted = energies.iter().enumerate().map(|(at, e)| e + 8.0 * hashed(at % (h * w)));
        let shifted = Unary::from_energies(shifted.collect(), k).unwrap();
        let plain = Unary::from_energies(energies, k).unwrap();
        let crf = crf(h, w, k, &image);
        let (a, b) = (crf.infer(&plain, 4).unwrap(), crf.infer(&shifted, 4).unwrap());
        prop_assert!(distance(a.q(), b.q()) < 1e-3);
    }

    #[test]
    fn together_as_alone((h, w, k, image, energies) in toy()) {
        let other: Vec<f32> = energies.iter().map(|e| 0.5 - e).collect();
        let a = Unary::from_energies(energies, k).unwrap();
        let b = Unary::from_energies(other, k).unwrap();
        let crf = crf(h, w, k, &image);
        let both = crf.infer_all(&[&a, &b], 4).unwrap();
        prop_assert_eq!(&both[0], &crf.infer(&a, 4).unwrap());
        prop_assert_eq!(&both[1], &crf.infer(&b, 4).unwrap());
    }
}

#[test]
fn no_unaries_no_marginals() {
    let crf = DenseCrf::new(2, 2, 2).unwrap().gaussian(1.0, 1.0).unwrap();
    assert!(crf.infer_all(&[], 3).unwrap().is_empty());
}

/// More pixels and vertices than one parallel task takes, on pools of several sizes.
#[test]
fn the_number_of_threads_does_not_matter() {
    let (h, w) = (90, 110);
    let image: Vec<u8> = (0..3 * h * w).map(|i| (hashed(i) * 255.0) as u8).collect();
    for k in [3, 21] {
        let energies: Vec<f32> = (0..k * h * w).map(|i| 3.0 * hashed(i + 7)).collect();
        let unary = Unary::from_energies(energies, k).unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| crf(h, w, k, &image).infer(&unary, 3).unwrap())
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(5));
    }
}

/// Few labels lie otherwise than many, and many in groups of 16 and 8: three labels among others that no
/// pixel would carry fare as they do alone, wherever they stand.
#[test]
fn labels_that_nobody_carries_change_nothing() {
    let (h, w) = (90, 110);
    let pixels = h * w;
    let image: Vec<u8> = (0..3 * pixels)
        .map(|i| (hashed(i / 9) * 255.0) as u8)
        .collect();
    let energies: Vec<f32> = (0..3 * pixels).map(|i| 3.0 * hashed(i + 7)).collect();
    let infer = |energies: Vec<f32>, labels: usize| {
        let unary = Unary::from_energies(energies, labels).unwrap();
        crf(h, w, labels, &image).infer(&unary, 4).unwrap().into_q()
    };
    let alone = infer(energies.clone(), 3);
    for (labels, places) in [
        (8, [7, 0, 3]),
        (21, [2, 15, 20]),
        (21, [16, 1, 19]),
        (40, [5, 17, 39]),
    ] {
        let mut among = vec![60.0; labels * pixels];
        for (own, place) in energies.chunks(pixels).zip(places) {
            among[place * pixels..][..pixels].copy_from_slice(own);
        }
        let found = infer(among, labels);
        for (alone, place) in alone.chunks(pixels).zip(places) {
            let worst = distance(alone, &found[place * pixels..][..pixels]);
            assert!(worst < 1e-4, "label {place} of {labels}: {worst}");
        }
    }
}
