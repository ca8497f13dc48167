//! The result of inference.

use crate::{CrfError, MARGINAL_TOLERANCE};

/// Approximate marginals Q of every pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Marginals {
    /// Number of labels K.
    pub labels: usize,
    /// Rows H.
    pub height: usize,
    /// Columns W.
    pub width: usize,
    /// Probabilities, `[K, H, W]` row-major; those of a pixel sum to 1.
    pub q: Vec<f32>,
}

impl Marginals {
    /// Refuses values that are not finite, and pixels whose values do not sum to 1.
    /// The sizes must have been checked.
    pub(crate) fn check(&self) -> Result<(), CrfError> {
        let pixels = self.height * self.width;
        let mut sums = vec![0.0f64; pixels];
        for (label, plane) in self.q.chunks_exact(pixels).enumerate() {
            for (pixel, (sum, &value)) in sums.iter_mut().zip(plane).enumerate() {
                if !value.is_finite() {
                    return Err(CrfError::Marginal {
                        label,
                        pixel,
                        value,
                    });
                }
                *sum += f64::from(value);
            }
        }
        let wrong = |sum: &f64| (sum - 1.0).abs() > MARGINAL_TOLERANCE;
        match sums.iter().position(wrong) {
            Some(pixel) => Err(CrfError::MarginalSum {
                pixel,
                sum: sums[pixel],
            }),
            None => Ok(()),
        }
    }

    /// The likeliest label of every pixel, `[H, W]` row-major; the smallest one of equals.
    pub fn map(&self) -> Vec<u8> {
        let pixels = self.height * self.width;
        let mut map = vec![0u8; pixels];
        let mut best = self.q[..pixels].to_vec();
        for (label, plane) in self.q.chunks_exact(pixels).enumerate().skip(1) {
            for ((map, best), &q) in map.iter_mut().zip(&mut best).zip(plane) {
                if q > *best {
                    (*map, *best) = (label as u8, q);
                }
            }
        }
        map
    }
}
