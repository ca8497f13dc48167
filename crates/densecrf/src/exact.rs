//! Exact Gaussian filtering by summing over all pairs: the oracle of the lattice.

use rayon::prelude::*;

use crate::Features;

/// The kernel exp(−½‖fᵢ − fⱼ‖²) over N pixels, i = j included as the lattice includes it. A
/// filtering takes O(N²·D) time and no memory beyond its output.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    features: Features,
    before: Vec<f32>,
    after: Vec<f32>,
}

impl Exact {
    pub(crate) fn new(features: &Features) -> Self {
        let unit = vec![1.0; features.pixels()];
        Self {
            features: features.clone(),
            before: unit.clone(),
            after: unit,
        }
    }

    /// Folds factors per pixel into the filter: before it, after it, or both.
    pub(crate) fn scale(&mut self, before: Option<&[f32]>, after: Option<&[f32]>) {
        for (own, factors) in [(&mut self.before, before), (&mut self.after, after)] {
            for (own, factor) in own.iter_mut().zip(factors.unwrap_or_default()) {
                *own *= factor;
            }
        }
    }

    /// Filters `channels` values per pixel; sums in double precision.
    ///
    /// # Shapes
    /// - `input`, `output`: `[N, channels]`
    pub(crate) fn filter(&self, input: &[f32], channels: usize, output: &mut [f32]) {
        if channels == 0 {
            return;
        }
        output
            .par_chunks_mut(channels)
            .enumerate()
            .for_each(|(i, out)| {
                let own = self.features.vector(i);
                let mut sums = vec![0.0f64; channels];
                for (j, row) in input.chunks_exact(channels).enumerate() {
                    let squared: f64 = own
                        .iter()
                        .zip(self.features.vector(j))
                        .map(|(a, b)| f64::from(a - b).powi(2))
                        .sum();
                    let weight = (-0.5 * squared).exp() * f64::from(self.before[j]);
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += weight * f64::from(*value);
                    }
                }
                for (out, sum) in out.iter_mut().zip(&sums) {
                    *out = (sum * f64::from(self.after[i])) as f32;
                }
            });
    }
}
