//! Operations beside albumentations, OpenCV and SciPy; numbers by `tests/oracle/augment.py`.

use serde::Deserialize;

use super::change::Change;
use super::clahe::equalise;
use super::colour::{HsvShift, change_colour};
use super::motion::Motion;
use super::optical::Lens;
use super::warp::Warp;
use super::{Elastic, blur::blur, median::median, sharpen::sharpen, tone::table};
use crate::chance::{Purpose, stream};
use crate::{Plane, Stack};

#[derive(Deserialize)]
struct Oracle {
    height: usize,
    width: usize,
    clahe_gray: Vec<(f64, usize, Vec<u8>)>,
    clahe_colour: Vec<(f64, usize, Vec<u8>)>,
    gamma: Vec<(f64, Vec<u8>)>,
    sharpen: Vec<(f64, f64, Vec<u8>)>,
    median: Vec<(usize, Vec<u8>)>,
    blur: Vec<(f64, Vec<u8>)>,
    hsv: Vec<(f32, f32, f32, Vec<u8>)>,
    affine: Vec<(f64, f64, f64, f64, Vec<f64>)>,
    optical: Vec<(f64, Vec<f64>)>,
    elastic: Vec<(f64, f64, f64)>,
}

fn oracle() -> (Stack<u8>, Oracle) {
    let text = include_str!("../../tests/oracle/augment.json");
    let oracle: Oracle = serde_json::from_str(text).unwrap();
    let planes = [0, 1, 2].map(|c| {
        Plane::from_fn(oracle.height, oracle.width, |y, x| {
            ((y * 5 + x * 3 * (c + 1) + (y * x * (c + 2)) % 23 * 4) % 256) as u8
        })
    });
    (Stack::from_planes(&planes).unwrap(), oracle)
}

fn gray(image: &Stack<u8>) -> Stack<u8> {
    image.to_plane(0).into_stack()
}

/// Greatest and mean difference in grey values.
fn difference(got: &Stack<u8>, expected: &[u8]) -> (u8, f64) {
    assert_eq!(got.as_slice().len(), expected.len());
    let all: Vec<u8> = got
        .as_slice()
        .iter()
        .zip(expected)
        .map(|(a, b)| a.abs_diff(*b))
        .collect();
    let mean = all.iter().map(|&d| f64::from(d)).sum::<f64>() / all.len() as f64;
    (all.into_iter().max().unwrap_or(0), mean)
}

#[test]
fn clahe_is_opencvs() {
    let (image, oracle) = oracle();
    for (clip, tiles, expected) in &oracle.clahe_gray {
        let mut got = gray(&image);
        equalise(&mut got, *clip, *tiles);
        // Weights of the four tables are rounded in another order.
        let (most, _) = difference(&got, expected);
        assert!(most <= 1, "clip {clip}, {tiles} tiles: {most}");
    }
    for (clip, tiles, expected) in &oracle.clahe_colour {
        let mut got = image.map(|value| value / 2 + 64);
        equalise(&mut got, *clip, *tiles);
        // OpenCV rounds a and b to whole numbers on the way (half a step of b is two grey values of blue), and its L by
        // tables: a value next to one half falls into the next bin. Few tiles, for in one of a dozen pixels a bin is 21
        // grey values.
        let (most, mean) = difference(&got, expected);
        assert!(
            most <= 6 && mean < 1.2,
            "clip {clip}, {tiles} tiles: {most} {mean}"
        );
    }
}

#[test]
fn filters_are_opencvs() {
    let (image, oracle) = oracle();
    for (size, expected) in &oracle.median {
        assert_eq!(difference(&median(&image, *size), expected).0, 0, "{size}");
    }
    // Rounded once here; OpenCV's blur rounds its weights to 1/256.
    for (sigma, expected) in &oracle.blur {
        assert!(
            difference(&blur(&image, *sigma), expected).0 <= 1,
            "{sigma}"
        );
    }
    for (alpha, lightness, expected) in &oracle.sharpen {
        let (most, _) = difference(&sharpen(&image, *alpha, *lightness), expected);
        assert!(most <= 1, "{alpha} {lightness}: {most}");
    }
}

#[test]
fn colours_are_albumentations() {
    let (image, oracle) = oracle();
    for (gamma, expected) in &oracle.gamma {
        let table = table(0.0, 1.0, *gamma);
        let got = image.map(|&value| table[usize::from(value)]);
        // It cuts off where this rounds.
        assert!(difference(&got, expected).0 <= 1, "{gamma}");
    }
    for &(hue, saturation, value, ref expected) in &oracle.hsv {
        let mut got = image.clone();
        let shift = HsvShift {
            hue,
            saturation,
            value,
        };
        change_colour(&mut got, shift);
        // Its hue is in steps of two degrees: half a step of a saturated colour is 255 / 60 = 4.25 grey values of one
        // channel.
        let (most, mean) = difference(&got, expected);
        assert!(
            most <= 6 && mean < 1.5,
            "{hue} {saturation} {value}: {most} {mean}"
        );
    }
}

#[test]
fn geometry_is_opencvs() {
    let (image, oracle) = oracle();
    let image = gray(&image);
    let check = |change: Change, expected: &[f64], what: &str| {
        let changes = [change];
        let got = Warp::new(oracle.height, oracle.width, &changes).bilinear(&image);
        for (got, expected) in got.as_slice().iter().zip(expected) {
            // Half a grey value by rounding, and what coordinates in f32 and OpenCV's of the map make of steep places.
            assert!(
                (f64::from(*got) - expected).abs() < 0.51,
                "{what}: {got} {expected}"
            );
        }
    };
    for (scale, degrees, dy, dx, expected) in &oracle.affine {
        let motion = Motion::new(*scale, degrees.to_radians(), [*dy, *dx]);
        check(
            Change::Move(motion),
            expected,
            &format!("{scale} {degrees}"),
        );
    }
    for (k, expected) in &oracle.optical {
        let lens = Lens::new(*k, oracle.width);
        check(Change::Look(lens), expected, &format!("k {k}"));
    }
}

#[test]
fn elastic_displacements_are_as_long_as_scipys() {
    let (_, oracle) = oracle();
    for &(alpha, sigma, expected) in &oracle.elastic {
        let elastic = Elastic {
            alpha,
            sigma,
            affine: 0.0,
            side: 0.0,
        };
        let side = 128;
        let (mut squares, mut count) = (0.0, 0);
        for index in 0..8 {
            let mut rng = stream(Purpose::Augment, 2, 0, index);
            let (_, field) = elastic.draw(&mut rng, side, side);
            for row in 0..side {
                let mut ys = vec![row as f32; side];
                let mut xs: Vec<f32> = (0..side).map(|x| x as f32).collect();
                field.trace(&mut ys, &mut xs);
                for (x, (y, moved)) in ys.iter().zip(&xs).enumerate() {
                    squares +=
                        f64::from(y - row as f32).powi(2) + f64::from(moved - x as f32).powi(2);
                    count += 2;
                }
            }
        }
        let got = (squares / f64::from(count)).sqrt();
        // Some 600 independent displacements along each axis here, so 2 % of chance; straight lines between nodes take
        // 2 %.
        assert!(
            (got / expected - 1.0).abs() < 0.08,
            "{alpha} {sigma}: {got} {expected}"
        );
    }
}
