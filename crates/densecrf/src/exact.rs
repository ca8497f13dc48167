//! Exact Gaussian filtering by summing over all pairs: the oracle of the lattice.

use rayon::prelude::*;

use crate::Features;
use crate::aligned::Aligned;

/// The kernel exp(−½‖fᵢ − fⱼ‖²) over N pixels, i = j included as the lattice includes it. A
/// filtering takes O(N²·D) time and no memory beyond its output.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    features: Features,
}

impl Exact {
    pub(crate) fn new(features: Features) -> Self {
        Self { features }
    }

    /// Filters `values`, in double precision, by way of `other`.
    ///
    /// # Shapes
    /// - `values`, `other`: `[1 + N][channels]`, the first row of no meaning here
    pub(crate) fn filter(&self, values: &mut Aligned, other: &mut Aligned, channels: usize) {
        let rows = &values[channels..];
        other[channels..]
            .par_chunks_mut(channels)
            .enumerate()
            .for_each(|(i, out)| {
                let own = self.features.vector(i);
                let mut sums = vec![0.0f64; channels];
                for (j, row) in rows.chunks_exact(channels).enumerate() {
                    let squared: f64 = own
                        .iter()
                        .zip(self.features.vector(j))
                        .map(|(a, b)| f64::from(a - b).powi(2))
                        .sum();
                    let weight = (-0.5 * squared).exp();
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += weight * f64::from(*value);
                    }
                }
                for (out, sum) in out.iter_mut().zip(&sums) {
                    *out = *sum as f32;
                }
            });
        std::mem::swap(values, other);
    }
}
