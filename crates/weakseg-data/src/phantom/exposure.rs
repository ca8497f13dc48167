//! Exposure: scatter, unsharpness, tone and noise; from absorption to grey values.

use super::canvas::Canvas;
use super::chance::Chance;
use crate::Plane;

/// How a picture was taken and developed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exposure {
    /// Share of the scattered radiation.
    scatter: f32,
    /// Grey value of air and of the deepest tissue, 0..=1.
    black: f32,
    white: f32,
    /// Absorption at which half the grey range is reached.
    level: f32,
    contrast: f32,
    /// Deviation of the noise in grey values at 512 pixels.
    noise: f32,
    /// Unsharpness in picture heights.
    blur: f32,
}

impl Exposure {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        Self {
            scatter: chance.between(0.10, 0.32),
            black: chance.between(0.01, 0.09),
            white: chance.between(0.90, 1.0),
            level: chance.normal(0.54, 0.045),
            contrast: chance.between(3.6, 5.2),
            noise: chance.between(1.2, 4.2),
            blur: chance.between(0.0006, 0.0016),
        }
    }

    /// Develops the field into grey values.
    pub(super) fn develop(&self, canvas: &Canvas, chance: &mut Chance) -> Plane<u8> {
        let size = canvas.size;
        let mut field = canvas.field.clone();
        let sigma = self.blur * size as f32;
        if sigma > 0.3 {
            narrow_blur(&mut field, size, sigma);
        }
        let mut veil = field.clone();
        for _ in 0..2 {
            box_blur(&mut veil, size, (0.05 * size as f32) as usize);
        }
        // Detector pixels average the quanta they cover: finer pixels are noisier, up to the
        // unsharpness of the screen.
        let deviation = self.noise * (size as f32 / 512.0).sqrt().min(1.0);
        let (low, high) = (self.tone(0.0), self.tone(1.25));
        let grain = noise(size, chance);
        let mut grey = Plane::filled(size, size, 0);
        let values = field
            .iter()
            .zip(&veil)
            .zip(grain)
            .map(|((&sharp, &veil), grain)| {
                let dense = sharp * (1.0 - self.scatter) + veil * self.scatter;
                let tone = ((self.tone(dense) - low) / (high - low)).clamp(0.0, 1.0);
                let grey = 255.0 * (self.black + (self.white - self.black) * tone);
                // Fewer quanta pass dense tissue; the tone curve then flattens both ends.
                let quanta = deviation * (0.5 + 2.2 * tone * (1.15 - tone));
                (grey + quanta * grain).round().clamp(0.0, 255.0) as u8
            });
        for (place, value) in grey.as_mut_slice().iter_mut().zip(values) {
            *place = value;
        }
        grey
    }

    /// The S-shaped curve of film and of most display presets.
    fn tone(&self, dense: f32) -> f32 {
        1.0 / (1.0 + (-self.contrast * (dense - self.level)).exp())
    }
}

/// Bell-shaped noise of deviation 1, one value a pixel.
fn noise(size: usize, chance: &mut Chance) -> Vec<f32> {
    (0..size * size)
        .map(|_| {
            let bits = chance.bits();
            let sum = (bits & 0xFF) + (bits >> 8 & 0xFF) + (bits >> 16 & 0xFF) + (bits >> 24);
            // Four even bytes: mean 510, deviation 147.8.
            (sum as f32 - 510.0) / 147.8
        })
        .collect()
}

/// A short separable Gaussian, borders repeated.
fn narrow_blur(field: &mut [f32], size: usize, sigma: f32) {
    let reach = (2.5 * sigma).ceil() as usize;
    let mut kernel: Vec<f32> = (0..=reach)
        .map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp())
        .collect();
    let sum = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    kernel.iter_mut().for_each(|k| *k /= sum);
    let last = size - 1;
    let mut line = vec![0.0; size];
    for stride in [1, size] {
        let across = if stride == 1 { size } else { 1 };
        for start in 0..size {
            let at = |i: usize| start * across + i * stride;
            for (i, value) in line.iter_mut().enumerate() {
                *value = kernel[0] * field[at(i)];
                for (k, weight) in kernel.iter().enumerate().skip(1) {
                    *value +=
                        weight * (field[at(i.saturating_sub(k))] + field[at((i + k).min(last))]);
                }
            }
            for (i, value) in line.iter().enumerate() {
                field[at(i)] = *value;
            }
        }
    }
}

/// A separable mean over `2·reach + 1` pixels, borders repeated.
fn box_blur(field: &mut [f32], size: usize, reach: usize) {
    let last = size - 1;
    let count = (2 * reach + 1) as f32;
    let mut line = vec![0.0; size];
    for stride in [1, size] {
        let across = if stride == 1 { size } else { 1 };
        for start in 0..size {
            let at = |i: usize| start * across + i * stride;
            let mut sum: f32 = field[at(0)] * (reach + 1) as f32;
            sum += (1..=reach).map(|i| field[at(i.min(last))]).sum::<f32>();
            for (i, value) in line.iter_mut().enumerate() {
                *value = sum / count;
                sum += field[at((i + reach + 1).min(last))] - field[at(i.saturating_sub(reach))];
            }
            for (i, value) in line.iter().enumerate() {
                field[at(i)] = *value;
            }
        }
    }
}
