//! What a set of phantoms must hold, whatever it looks like.

use super::*;
use crate::Plane;

fn phantom(count: usize, size: usize) -> Phantom {
    let config = PhantomConfig {
        count,
        size,
        seed: 11,
        ..PhantomConfig::default()
    };
    Phantom::new(&config).unwrap()
}

/// Probability that a positive's value exceeds a negative's.
fn auroc(positives: &[f64], negatives: &[f64]) -> f64 {
    let wins: f64 = positives
        .iter()
        .flat_map(|p| negatives.iter().map(move |n| (p > n, p == n)))
        .map(|(more, same)| f64::from(u8::from(more)) + 0.5 * f64::from(u8::from(same)))
        .sum();
    wins / (positives.len() * negatives.len()) as f64
}

fn mean_and_deviation(image: &Plane<u8>) -> (f64, f64) {
    let values = image.as_slice();
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
    (mean, (square - mean * mean).sqrt())
}

#[test]
fn a_case_follows_from_seed_and_index() {
    let phantom = phantom(10, 64);
    let other = PhantomConfig {
        seed: 12,
        ..phantom.config().clone()
    };
    for index in [0, 3, 9] {
        let case = phantom.render(index);
        let again = render(11, index, &other).unwrap();
        assert_eq!(case.image, again.image);
        assert_eq!(case.mask, again.mask);
        assert_ne!(case.image, render(12, index, &other).unwrap().image);
        assert_ne!(case.image, phantom.render(index + 1).image);
    }
}

#[test]
fn labels_are_met_exactly_and_in_no_order() {
    for (fraction, sick) in [(0.0, 0), (0.25, 15), (0.5, 30), (1.0, 60)] {
        let config = PhantomConfig {
            count: 60,
            positive_fraction: fraction,
            ..PhantomConfig::default()
        };
        let phantom = Phantom::new(&config).unwrap();
        let labels: Vec<bool> = (0..60).map(|i| phantom.is_positive(i)).collect();
        assert_eq!(labels.iter().filter(|&&l| l).count(), sick);
        if sick == 30 {
            let changes = labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!((18..42).contains(&changes), "{changes}");
        }
    }
}

#[test]
fn sizes_show_the_same_case() {
    let (small, large) = (phantom(12, 64), phantom(12, 256));
    let mut sum = 0.0;
    for index in 0..12 {
        let (small, large) = (small.render_as(index, true), large.render_as(index, true));
        let (mut both, mut either, mut apart) = (0, 0, 0.0);
        for y in 0..64 {
            for x in 0..64 {
                let block = |plane: &Plane<u8>| -> u32 {
                    let cells = (0..16).map(|i| plane.get(4 * y + i / 4, 4 * x + i % 4));
                    cells.map(u32::from).sum()
                };
                let (a, b) = (small.mask.get(y, x) == 1, block(&large.mask) >= 8);
                both += u32::from(a && b);
                either += u32::from(a || b);
                let grey = f64::from(block(&large.image)) / 16.0;
                apart += (grey - f64::from(small.image.get(y, x))).abs() / 4096.0;
            }
        }
        let overlap = f64::from(both) / f64::from(either);
        assert!(overlap > 0.6, "case {index}: {overlap}");
        assert!(apart < 4.0, "case {index}: grey values differ by {apart}");
        sum += overlap;
    }
    assert!(sum / 12.0 > 0.85, "{}", sum / 12.0);
}

#[test]
fn the_crescent_lies_in_the_lung_field_and_has_its_extent() {
    let phantom = phantom(24, 160);
    for index in 0..24 {
        let case = phantom.render_as(index, true);
        let side = case.side.unwrap();
        let (mut crescent, mut lung) = (0.0, 0.0);
        for (&mask, &field) in case.mask.as_slice().iter().zip(case.lungs.as_slice()) {
            let own = field == side.index() as u8 + 1;
            assert!(mask <= 1 && (mask == 0 || own), "case {index}");
            crescent += f64::from(mask);
            lung += f64::from(u8::from(own));
        }
        let share = crescent / lung;
        assert!((0.08..=0.38).contains(&case.extent));
        assert!(
            (0.12 * case.extent..2.0 * case.extent).contains(&share),
            "case {index}: {:?}, extent {}, share of the lung {share}",
            case.site,
            case.extent
        );
        let healthy = phantom.render_as(index, false);
        assert!(healthy.mask.as_slice().iter().all(|&v| v == 0));
        assert_eq!(
            (healthy.side, healthy.site, healthy.extent),
            (None, None, 0.0)
        );
    }
}

#[test]
fn no_global_statistic_tells_the_label() {
    let phantom = phantom(200, 48);
    let mut values = [(); 4].map(|()| [Vec::new(), Vec::new()]);
    for index in 0..200 {
        let case = phantom.render(index);
        let (mean, deviation) = mean_and_deviation(&case.image);
        let (top, bottom) = case.image.as_slice().split_at(24 * 48);
        let sum = |half: &[u8]| half.iter().map(|&v| f64::from(v)).sum::<f64>();
        let dark = case.image.as_slice().iter().filter(|&&v| v < 100).count() as f64;
        for (list, value) in values
            .iter_mut()
            .zip([mean, deviation, sum(top) / sum(bottom), dark])
        {
            list[usize::from(case.positive)].push(value);
        }
    }
    for (name, [negatives, positives]) in ["mean", "deviation", "top over bottom", "dark pixels"]
        .iter()
        .zip(&values)
    {
        let area = auroc(positives, negatives);
        assert!((0.35..=0.65).contains(&area), "{name}: AUROC {area}");
    }
}

#[test]
fn label_moves_the_mean_far_less_than_exposure_does() {
    let phantom = phantom(30, 64);
    let pairs: Vec<(f64, f64)> = (0..30)
        .map(|i| {
            let mean = |positive| mean_and_deviation(&phantom.render_as(i, positive).image).0;
            (mean(false), mean(true))
        })
        .collect();
    let centre = pairs.iter().map(|p| p.0).sum::<f64>() / 30.0;
    let spread = (pairs.iter().map(|p| (p.0 - centre).powi(2)).sum::<f64>() / 30.0).sqrt();
    let moved = pairs.iter().map(|p| (p.1 - p.0).abs()).sum::<f64>() / 30.0;
    assert!(moved < 0.25 * spread, "moved {moved}, spread {spread}");
}

/// Mean squared Laplacian at pixels that lie as deep inside one lung field as the crescent's
/// do inside the other, row by row from the lateral border.
#[test]
fn the_crescent_has_no_vessels() {
    let size = 256;
    let phantom = phantom(24, size);
    let (mut crescent, mut opposite, mut twin, mut count) = (0.0, 0.0, 0.0, 0.0);
    let mut darker = 0.0;
    for index in 0..24 {
        let case = phantom.render_as(index, true);
        if case.extent < 0.2 {
            continue;
        }
        let healthy = phantom.render_as(index, false);
        let (own, other) = if case.side == Some(Side::Right) {
            (1, 2)
        } else {
            (2, 1)
        };
        let rough = |image: &Plane<u8>, y: usize, x: usize| {
            let at = |y: usize, x: usize| f64::from(image.get(y, x));
            let around = at(y - 2, x) + at(y + 2, x) + at(y, x - 2) + at(y, x + 2);
            (around - 4.0 * at(y, x)).powi(2)
        };
        let inside =
            |y: usize, x: usize| (0..81).all(|i| case.mask.get(y + i / 9 - 4, x + i % 9 - 4) == 1);
        for y in 8..size - 8 {
            let lateral = |value: u8| {
                let mut found = (0..size).filter(|&x| case.lungs.get(y, x) == value);
                if value == 1 {
                    found.next()
                } else {
                    found.next_back()
                }
            };
            let (Some(here), Some(there)) = (lateral(own), lateral(other)) else {
                continue;
            };
            for x in 8..size - 8 {
                if !inside(y, x) {
                    continue;
                }
                let mirrored = there as isize - (x as isize - here as isize);
                let mirrored = mirrored.clamp(2, size as isize - 3) as usize;
                crescent += rough(&case.image, y, x);
                opposite += rough(&case.image, y, mirrored);
                twin += rough(&healthy.image, y, x);
                darker += f64::from(healthy.image.get(y, x)) - f64::from(case.image.get(y, x));
                count += 1.0;
            }
        }
    }
    assert!(count > 5000.0, "{count}");
    let darker = darker / count;
    assert!((4.0..30.0).contains(&darker), "darker by {darker}");
    assert!(
        crescent < 0.85 * opposite,
        "{crescent} against the other lung's {opposite}"
    );
    assert!(
        crescent < 0.85 * twin,
        "{crescent} against the healthy twin's {twin}"
    );
}
