//! Blur and noise on 8-bit images.

use rand_chacha::ChaCha8Rng;

use crate::Stack;
use crate::chance::normal_pair;

/// Gaussian blur with a standard deviation of `sigma` pixels, cut off at 3 sigma; the border pixels go on outside.
pub(crate) fn blur(image: &Stack<u8>, sigma: f64) -> Stack<u8> {
    let radius = (3.0 * sigma).ceil() as usize;
    if radius == 0 {
        return image.clone();
    }
    let weights: Vec<f64> = (0..=2 * radius)
        .map(|at| at as f64 - radius as f64)
        .map(|distance| (-distance * distance / (2.0 * sigma * sigma)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| (weight / sum) as f32).collect();
    let (height, width) = (image.height(), image.width());
    let mut blurred = image.clone();
    for channel in 0..image.channels() {
        let plane: Vec<f32> = image.plane(channel).iter().map(|&v| f32::from(v)).collect();
        let across = pass(&plane, height, width, 1, width, &weights);
        let down = pass(&across, width, height, width, 1, &weights);
        for (value, blurred) in blurred.plane_mut(channel).iter_mut().zip(down) {
            *value = (blurred + 0.5).clamp(0.0, 255.0) as u8;
        }
    }
    blurred
}

/// One direction of the blur: `lines` lines of `length` values, `step` apart, lines begun `stride` apart.
fn pass(
    plane: &[f32],
    lines: usize,
    length: usize,
    step: usize,
    stride: usize,
    weights: &[f32],
) -> Vec<f32> {
    let radius = weights.len() / 2;
    let mut out = vec![0.0; plane.len()];
    for line in 0..lines {
        for at in 0..length {
            let mut sum = 0.0;
            for (tap, weight) in weights.iter().enumerate() {
                let source = (at + tap).saturating_sub(radius).min(length - 1);
                sum += weight * plane[line * stride + source * step];
            }
            out[line * stride + at * step] = sum;
        }
    }
    out
}

/// Adds independent normal noise to every value, rounded and clamped.
pub(crate) fn add_noise(rng: &mut ChaCha8Rng, values: &mut [u8], deviation: f64) {
    for pair in values.chunks_mut(2) {
        let (a, b) = normal_pair(rng);
        for (value, noise) in pair.iter_mut().zip([a, b]) {
            *value = (f64::from(*value) + deviation * noise)
                .round()
                .clamp(0.0, 255.0) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_flat_images_and_spreads_a_dot_evenly() {
        assert_eq!(
            blur(&Stack::filled(3, 7, 5, 77), 1.5),
            Stack::filled(3, 7, 5, 77)
        );
        let mut dot = Stack::filled(1, 9, 9, 0_u8);
        dot.plane_mut(0)[4 * 9 + 4] = 255;
        let spread = blur(&dot, 1.0);
        let at = |y: usize, x: usize| spread.plane(0)[y * 9 + x];
        // 255 / (2 pi), and exp(-1/2) of it beside.
        assert_eq!((at(4, 4), at(4, 5), at(3, 4), at(4, 3)), (41, 25, 25, 25));
        assert_eq!(at(0, 0), 0);
        let same = blur(&dot, 0.0);
        assert_eq!(same, dot);
    }
}
