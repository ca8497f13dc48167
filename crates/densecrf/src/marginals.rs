//! The result of inference.

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
