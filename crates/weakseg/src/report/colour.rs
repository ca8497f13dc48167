//! Colours of the pictures, computed in OKLCH (B. Ottosson, *A perceptual color space for image
//! processing*, 2020), where equal steps of lightness look equal.

use std::f32::consts::PI;
use std::sync::LazyLock;

/// An sRGB colour.
pub type Rgb = [u8; 3];

/// Lightness 0..=1, chroma (0 is grey, 0.3 is vivid) and hue in degrees to sRGB; a chroma that the
/// screen cannot show is lowered until it can.
pub fn oklch(lightness: f32, chroma: f32, hue: f32) -> Rgb {
    let (mut low, mut high) = (0.0, chroma);
    let mut linear = linear_srgb(lightness, chroma, hue);
    if !shown(linear) {
        for _ in 0..12 {
            let middle = (low + high) / 2.0;
            if shown(linear_srgb(lightness, middle, hue)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        linear = linear_srgb(lightness, low, hue);
    }
    linear.map(|v| {
        let v = v.clamp(0.0, 1.0);
        let v = if v <= 0.003_130_8 {
            12.92 * v
        } else {
            1.055 * v.powf(1.0 / 2.4) - 0.055
        };
        (v * 255.0).round() as u8
    })
}

fn shown(linear: [f32; 3]) -> bool {
    linear.iter().all(|v| (-1e-4..=1.0 + 1e-4).contains(v))
}

fn linear_srgb(lightness: f32, chroma: f32, hue: f32) -> [f32; 3] {
    let (sin, cos) = (hue * PI / 180.0).sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
        -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

/// The colour of a heat value in 0..=1: from near black over violet and red to pale yellow, the
/// lightness growing evenly, so that it reads the same in grey and for the colour-blind.
pub fn heat(value: f32) -> Rgb {
    static RAMP: LazyLock<Vec<Rgb>> = LazyLock::new(|| {
        let ramp = |i: u8| {
            let t = f32::from(i) / 255.0;
            let chroma = 0.04 + 0.17 * (PI * t.powf(0.9)).sin();
            oklch(0.16 + 0.78 * t, chroma, 290.0 + 170.0 * t)
        };
        (0..=255).map(ramp).collect()
    });
    let at = (value.clamp(0.0, 1.0) * 255.0).round();
    // A NaN reads as no heat.
    RAMP[if at.is_nan() { 0 } else { at as usize }]
}

/// The colour of class `k` (0 is the first finding) over a grey picture: orange first, then hues
/// by the golden angle, so that any two neighbours differ.
pub fn class(k: usize) -> Rgb {
    let hue = (55.0 + 137.508 * k as f32) % 360.0;
    oklch(if k.is_multiple_of(2) { 0.75 } else { 0.66 }, 0.17, hue)
}

/// The colour of the truth of a single finding, far from [`class`]`(0)` in hue.
pub const TRUTH_HUE: f32 = 195.0;

/// The colour of the truth where there is a single finding.
pub fn truth() -> Rgb {
    oklch(0.8, 0.13, TRUTH_HUE)
}

/// The direction and length of a displacement as hue and strength: right is red, and the hue turns
/// with the clock. `length` is relative, in 0..=1.
pub fn direction(dy: f32, dx: f32, length: f32) -> Rgb {
    let hue = dy.atan2(dx) * 180.0 / PI + 25.0;
    let strength = if length.is_finite() {
        length.clamp(0.0, 1.0)
    } else {
        0.0
    };
    oklch(0.18 + 0.55 * strength, 0.17 * strength, hue)
}

/// A colour as style sheets have it, `#rrggbb`.
pub fn css([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_of_oklch() {
        // The sRGB primaries in OKLCH, from the paper's own conversion.
        assert_eq!(oklch(1.0, 0.0, 0.0), [255, 255, 255]);
        assert_eq!(oklch(0.0, 0.0, 0.0), [0, 0, 0]);
        let red = oklch(0.627_955, 0.257_683, 29.233_88);
        assert!(red[0] >= 254 && red[1] <= 4 && red[2] <= 4, "{red:?}");
    }

    #[test]
    fn heat_grows_lighter_and_survives_nan() {
        let luma =
            |c: Rgb| 0.2126 * f32::from(c[0]) + 0.7152 * f32::from(c[1]) + 0.0722 * f32::from(c[2]);
        let ramp: Vec<f32> = (0..=32).map(|i| luma(heat(i as f32 / 32.0))).collect();
        assert!(ramp.windows(2).all(|w| w[0] < w[1]), "{ramp:?}");
        assert_eq!(heat(f32::NAN), heat(0.0));
        assert_eq!(heat(7.0), heat(1.0));
    }

    #[test]
    fn neighbouring_classes_differ() {
        let far = |a: Rgb, b: Rgb| {
            a.iter()
                .zip(b)
                .map(|(a, b)| a.abs_diff(b) as u32)
                .sum::<u32>()
        };
        for k in 0..20 {
            assert!(far(class(k), class(k + 1)) > 60, "{k}");
        }
        assert!(far(class(0), truth()) > 150);
    }
}
