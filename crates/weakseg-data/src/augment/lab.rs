//! The lightness of colour images: L of CIE Lab, of sRGB under D65.

use std::sync::LazyLock;

use crate::Stack;

/// Linear sRGB to XYZ, each divided by the white point's (IEC 61966-2-1).
const TO_XYZ: [[f32; 3]; 3] = [
    [
        0.412_453 / 0.950_456,
        0.357_580 / 0.950_456,
        0.180_423 / 0.950_456,
    ],
    [0.212_671, 0.715_160, 0.072_169],
    [
        0.019_334 / 1.088_754,
        0.119_193 / 1.088_754,
        0.950_227 / 1.088_754,
    ],
];

/// The inverse of [`TO_XYZ`].
const FROM_XYZ: [[f32; 3]; 3] = [
    [3.240_479 * 0.950_456, -1.537_15, -0.498_535 * 1.088_754],
    [-0.969_256 * 0.950_456, 1.875_991, 0.041_556 * 1.088_754],
    [0.055_648 * 0.950_456, -0.204_043, 1.057_311 * 1.088_754],
];

/// Linear value of each 8-bit one.
static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|value| {
        let value = value as f64 / 255.0;
        if value <= 0.040_45 {
            (value / 12.92) as f32
        } else {
            ((value + 0.055) / 1.055).powf(2.4) as f32
        }
    })
});

/// Entries of [`ENCODED`] less one: a step is a fifth of a grey value where the curve is steepest.
const STEPS: usize = 1 << 14;

/// 8-bit value of each linear one.
static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..=STEPS)
        .map(|step| {
            let value = step as f64 / STEPS as f64;
            let value = match value <= 0.003_130_8 {
                true => value * 12.92,
                false => 1.055 * value.powf(1.0 / 2.4) - 0.055,
            };
            (value * 255.0).round() as u8
        })
        .collect()
});

/// Replaces the lightness of a colour image by what `change` makes of its plane of values 0..=255, H×W; a and b stay.
///
/// Lab of a pixel is (f(X), f(Y), f(Z)) in other coordinates, L that of Y alone: another L adds one number to all
/// three. A pixel whose L stays is not touched.
pub(super) fn change_lightness(image: &mut Stack<u8>, change: impl Fn(&[u8]) -> Vec<u8>) {
    let size = image.height() * image.width();
    let [red, green, blue] = [0, 1, 2].map(|channel| image.plane(channel).to_vec());
    let linear = |at: usize| [red[at], green[at], blue[at]].map(|v| LINEAR[usize::from(v)]);
    let lightness: Vec<u8> = (0..size)
        .map(|at| {
            let l = 116.0 * f(dot(TO_XYZ[1], linear(at))) - 16.0;
            (l * (255.0 / 100.0)).round() as u8
        })
        .collect();
    let changed = change(&lightness);
    for at in 0..size {
        let step = f32::from(changed[at]) - f32::from(lightness[at]);
        if step == 0.0 {
            continue;
        }
        let step = step * (100.0 / 255.0) / 116.0;
        let linear = linear(at);
        let xyz = TO_XYZ.map(|row| inverse_f(f(dot(row, linear)) + step));
        for (channel, row) in FROM_XYZ.into_iter().enumerate() {
            let value = (dot(row, xyz).clamp(0.0, 1.0) * STEPS as f32).round();
            image.plane_mut(channel)[at] = ENCODED[value as usize];
        }
    }
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Steps of [`ROOTS`]: between two of them a straight line is within 5e-6 of the curve.
const ROOT_STEPS: usize = 1 << 12;

/// The cube root of each step, a straight line near 0 (CIE 15), and one entry more.
static ROOTS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..=ROOT_STEPS + 1)
        .map(|step| {
            let t = step as f64 / ROOT_STEPS as f64;
            let root = match t > 0.008_856 {
                true => t.cbrt(),
                false => 7.787 * t + 16.0 / 116.0,
            };
            root as f32
        })
        .collect()
});

/// Lab's f of a value in 0..=1, between the steps of its table.
fn f(t: f32) -> f32 {
    let place = t.clamp(0.0, 1.0) * ROOT_STEPS as f32;
    let at = place as usize;
    let (first, second) = (ROOTS[at], ROOTS[at + 1]);
    first + (second - first) * (place - at as f32)
}

fn inverse_f(f: f32) -> f32 {
    if f > 0.206_893 {
        f * f * f
    } else {
        (f - 16.0 / 116.0) / 7.787
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plane;

    #[test]
    fn the_matrices_undo_each_other() {
        for colour in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.5, 0.9]] {
            let xyz = TO_XYZ.map(|row| dot(row, colour));
            let back = FROM_XYZ.map(|row| dot(row, xyz));
            for (a, b) in back.iter().zip(colour) {
                assert!((a - b).abs() < 1e-5, "{back:?}");
            }
        }
    }

    #[test]
    fn grey_stays_grey_and_gets_lighter() {
        let plane = Plane::from_fn(1, 256, |_, x| x as u8);
        let mut image = Stack::from_planes(&[plane.clone(), plane.clone(), plane]).unwrap();
        let before = image.clone();
        change_lightness(&mut image, <[u8]>::to_vec);
        assert_eq!(image, before);
        change_lightness(&mut image, |l| {
            l.iter().map(|v| v.saturating_add(10)).collect()
        });
        for at in 0..256 {
            let [r, g, b] = [0, 1, 2].map(|c| image.plane(c)[at]);
            assert!(
                r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1,
                "{at}: {r} {g} {b}"
            );
            assert!(g > at as u8 || at > 245, "{at}: {g}");
        }
    }
}
