//! The result of inference.

use crate::mean_field::{check_size, pixels};
use crate::unary::check_label_count;
use crate::{CrfError, MARGINAL_TOLERANCE};

/// Approximate marginals Q of every pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Marginals {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) labels: usize,
    pub(crate) q: Vec<f32>,
}

impl Marginals {
    /// Marginals from elsewhere, `[K, H, W]` row-major.
    ///
    /// # Errors
    /// [`CrfError::LabelCount`] and [`CrfError::ImageSize`], as [`DenseCrf::new`](crate::DenseCrf::new);
    /// [`CrfError::SizeMismatch`] unless `q` is K·H·W values; [`CrfError::Marginal`] for one that is not
    /// finite; [`CrfError::MarginalSum`] for a pixel whose values do not sum to 1 within
    /// [`MARGINAL_TOLERANCE`], because with few labels the message of one is computed from those of the
    /// others and the sum.
    pub fn new(height: usize, width: usize, labels: usize, q: Vec<f32>) -> Result<Self, CrfError> {
        check_label_count(labels)?;
        let pixels = pixels(height, width)?;
        check_size(
            "values of the marginals",
            labels.saturating_mul(pixels),
            q.len(),
        )?;
        let mut sums = vec![0.0f64; pixels];
        for (label, plane) in q.chunks_exact(pixels).enumerate() {
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
            None => Ok(Self {
                height,
                width,
                labels,
                q,
            }),
        }
    }

    /// Rows H.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns W.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of labels K.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Probabilities, `[K, H, W]` row-major; those of a pixel sum to 1.
    pub fn q(&self) -> &[f32] {
        &self.q
    }

    /// [`q`](Self::q), given away.
    pub fn into_q(self) -> Vec<f32> {
        self.q
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
