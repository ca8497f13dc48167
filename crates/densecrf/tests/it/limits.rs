//! The smallest images, the extreme label counts, and inputs without a result.

use densecrf::{
    Compatibility, CrfError, DenseCrf, Features, Filtering, Guide, Marginals, Normalization, Unary,
};

use crate::{error, hashed, refine};

fn full_crf(height: usize, width: usize, labels: usize) -> DenseCrf {
    let image: Vec<u8> = (0..height * width)
        .map(|i| (hashed(i) * 255.0) as u8)
        .collect();
    let guide = Guide::planar(height, width, 1, &image).unwrap();
    DenseCrf::new(height, width, labels)
        .and_then(|crf| crf.gaussian(3.0, 3.0))
        .and_then(|crf| crf.bilateral(50.0, 5.0, &guide, 10.0))
        .unwrap()
}

fn assert_probabilities(found: &Marginals) {
    let pixels = found.height() * found.width();
    assert_eq!(found.q().len(), found.labels() * pixels);
    for pixel in 0..pixels {
        let row = (0..found.labels()).map(|label| found.q()[label * pixels + pixel]);
        assert!(row.clone().all(|q| (0.0..=1.0).contains(&q)));
        assert!((row.map(f64::from).sum::<f64>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn one_pixel_and_one_row() {
    for (height, width) in [(1, 1), (1, 2), (2, 1), (1, 400), (400, 1)] {
        let map: Vec<u8> = (0..height * width)
            .map(|i| u8::from(i % 40 >= 20))
            .collect();
        let found = refine(&full_crf(height, width, 2), &map, 2, 10);
        assert_probabilities(&found);
        assert_eq!((found.height(), found.width()), (height, width));
        if height * width == 1 {
            assert_eq!(found.map(), map, "a lone pixel has nobody to listen to");
        }
    }
}

#[test]
fn one_label_is_certain() {
    let found = refine(&full_crf(5, 7, 1), &[0; 35], 1, 10);
    assert!(found.q().iter().all(|&q| q == 1.0));
    assert_eq!(found.map(), [0; 35]);
}

#[test]
fn all_256_labels() {
    let map: Vec<u8> = (0..64).map(|i| if i < 32 { 255 } else { 3 }).collect();
    let found = refine(&full_crf(8, 8, 256), &map, 256, 3);
    assert_probabilities(&found);
    assert!(found.map().iter().all(|label| [3, 255].contains(label)));
    for labels in [0, 257] {
        assert_eq!(
            error(DenseCrf::new(8, 8, labels)),
            CrfError::LabelCount { labels }
        );
    }
}

#[test]
fn empty_and_overlarge_images() {
    for (height, width) in [(0, 5), (5, 0), (usize::MAX, 2), (1 << 20, 1 << 20)] {
        for found in [
            error(DenseCrf::new(height, width, 2)),
            error(Features::gaussian(height, width, 3.0)),
            error(Marginals::new(height, width, 2, Vec::new())),
        ] {
            assert_eq!(found, CrfError::ImageSize { height, width });
        }
    }
}

#[test]
fn sizes_must_agree() {
    let crf = DenseCrf::new(4, 4, 2).unwrap();
    let wide = Unary::from_energies(vec![0.0; 2 * 20], 2).unwrap();
    let three = Unary::from_energies(vec![0.0; 3 * 16], 3).unwrap();
    for unary in [&wide, &three] {
        assert!(matches!(
            error(crf.infer(unary, 1)),
            CrfError::SizeMismatch { .. }
        ));
    }
    // As many pixels, but another shape.
    let guide = Guide::planar(2, 8, 1, &[0; 16]).unwrap();
    let found = error(crf.clone().bilateral(1.0, 1.0, &guide, 1.0));
    let (expected, found_rows) = (4, 2);
    assert!(
        matches!(found, CrfError::SizeMismatch { expected: e, found: f, .. }
            if e == expected && f == found_rows)
    );
    let features = Features::new(vec![0.0; 15], 1).unwrap();
    assert!(matches!(
        error(crf.clone().pairwise(&features, 1.0)),
        CrfError::SizeMismatch { .. }
    ));
    assert!(matches!(
        error(crf.gaussian(1.0, Compatibility::Diagonal(vec![1.0; 3]))),
        CrfError::SizeMismatch { .. }
    ));
}

#[test]
fn deviations_must_be_positive_and_not_absurd() {
    let crf = DenseCrf::new(4, 4, 2).unwrap();
    for value in [0.0, -3.0, f32::NAN] {
        let found = error(crf.clone().gaussian(value, 1.0));
        assert!(matches!(found, CrfError::Deviation { name: "sxy", .. }));
    }
    let found = error(crf.clone().gaussian(1e-5, 1.0));
    assert!(
        matches!(found, CrfError::FeatureRange { pixel: 1, .. }),
        "{found}"
    );
    // The exact filter has no lattice, hence no such limit; nor is any deviation too large.
    let exact = crf.clone().filtering(Filtering::Exact);
    assert_probabilities(&refine(&exact.gaussian(1e-5, 1.0).unwrap(), &[1; 16], 2, 2));
    assert_probabilities(&refine(&crf.gaussian(1e30, 1.0).unwrap(), &[1; 16], 2, 2));
}

#[test]
fn the_largest_numbers_stay_finite() {
    let energies: Vec<f32> = (0..3 * 35)
        .map(|i| if hashed(i) < 0.5 { 1e30 } else { -1e30 })
        .collect();
    let unary = Unary::from_energies(energies, 3).unwrap();
    let matrix = Compatibility::Matrix((0..9).map(|i| 1e9 * (hashed(i) - 0.5)).collect());
    for normalization in [Normalization::No, Normalization::Symmetric] {
        let crf = DenseCrf::new(5, 7, 3).unwrap().normalization(normalization);
        let crf = crf.gaussian(3.0, matrix.clone()).unwrap();
        assert_probabilities(&crf.infer(&unary, 5).unwrap());
        let crf = DenseCrf::new(5, 7, 3).unwrap().gaussian(3.0, -1e9).unwrap();
        assert_probabilities(&crf.infer(&unary, 5).unwrap());
    }
}

#[test]
fn messages_say_what_and_what_next() {
    let found = error(DenseCrf::new(4, 4, 2).unwrap().gaussian(1e-5, 1.0)).to_string();
    assert!(
        found.contains("pixel 1") && found.contains("larger standard deviations"),
        "{found}"
    );
    let found = error(Unary::from_labels(&[7], 2, 0.7, false)).to_string();
    assert_eq!(
        found,
        "pixel 0 has label value 7; the values of this map are 0..=1"
    );
}

#[test]
fn given_marginals_are_probabilities_or_refused() {
    let crf = full_crf(4, 5, 2);
    let unary = Unary::from_labels(&[1; 20], 2, 0.7, false).unwrap();
    let good = crf.infer(&unary, 1).unwrap();
    let of = |place: usize, value: f32| {
        let mut q = good.q().to_vec();
        q[place] = value;
        Marginals::new(4, 5, 2, q)
    };
    assert_eq!(of(6, good.q()[6]).unwrap(), good);
    for value in [f32::NAN, f32::INFINITY] {
        let found = error(of(20 + 3, value));
        let place = matches!(
            found,
            CrfError::Marginal {
                label: 1,
                pixel: 3,
                ..
            }
        );
        assert!(place, "{found}");
    }
    assert!(of(6, good.q()[6] + 5e-4).is_ok());
    let found = error(of(6, good.q()[6] + 2e-3));
    assert!(
        matches!(found, CrfError::MarginalSum { pixel: 6, sum } if sum > 1.001),
        "{found}"
    );
    assert!(matches!(
        error(Marginals::new(4, 5, 2, vec![0.5; 39])),
        CrfError::SizeMismatch {
            expected: 40,
            found: 39,
            ..
        }
    ));
    // Right in themselves, but of another shape or other labels.
    for (height, width, labels) in [(5, 4, 2), (4, 5, 3)] {
        let q = vec![1.0 / labels as f32; labels * 20];
        let other = Marginals::new(height, width, labels, q).unwrap();
        for found in [
            error(crf.step(&unary, &other)),
            error(crf.kl_divergence(&unary, &other)),
        ] {
            assert!(matches!(found, CrfError::SizeMismatch { .. }), "{found}");
        }
    }
}
