//! Predictions that need no network: what a score is worth is its distance from these.

/// A mask of zeros: "everybody is healthy".
pub fn empty(height: usize, width: usize) -> Vec<u8> {
    vec![0; height * width]
}

/// A mask of ones: "it is everywhere".
pub fn full(height: usize, width: usize) -> Vec<u8> {
    vec![1; height * width]
}

/// The same mask for every image: the pixels where a mean map (see [`MeanMap`]) is strictly above `threshold`.
///
/// A map that is built from training pseudo-masks knows where the finding usually lies but has not seen the image.
pub fn prior(mean_map: &[f32], threshold: f32) -> Vec<u8> {
    mean_map.iter().map(|&m| u8::from(m > threshold)).collect()
}

/// The `share` (`0.0..=1.0`) of the pixels that lie nearest to the image centre, an axis-aligned ellipse of the image's
/// proportions.
pub fn centre(height: usize, width: usize, share: f64) -> Vec<u8> {
    let mut mask = empty(height, width);
    let wanted = (share.clamp(0.0, 1.0) * mask.len() as f64).round() as usize;
    let distance = |i: usize| {
        let y = (2 * (i / width) + 1) as f64 / height as f64 - 1.0;
        let x = (2 * (i % width) + 1) as f64 / width as f64 - 1.0;
        x * x + y * y
    };
    let mut order: Vec<usize> = (0..mask.len()).collect();
    order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    order.iter().take(wanted).for_each(|&i| mask[i] = 1);
    mask
}

/// Mean of maps of one size, pixel by pixel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeanMap {
    sums: Vec<f64>,
    n: usize,
}

impl MeanMap {
    /// Adds a map (or a 0/1 mask); the first decides the size.
    ///
    /// # Errors
    /// If the size differs from the first map's.
    pub fn add(&mut self, map: &[f32]) -> Result<(), super::MetricError> {
        if self.n == 0 {
            self.sums = vec![0.0; map.len()];
        }
        super::same_length("map against the first map", self.sums.len(), map.len())?;
        self.sums
            .iter_mut()
            .zip(map)
            .for_each(|(s, &m)| *s += f64::from(m));
        self.n += 1;
        Ok(())
    }

    /// The mean; `None` before the first map.
    pub fn mean(&self) -> Option<Vec<f32>> {
        (self.n > 0).then(|| {
            self.sums
                .iter()
                .map(|s| (s / self.n as f64) as f32)
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Columns, Overlap};
    use super::*;

    #[test]
    fn empty_scores_by_the_healthy_share() {
        let truths = [vec![0u8; 4], vec![0, 1, 0, 0], vec![0; 4]];
        let overlaps: Vec<_> = truths
            .iter()
            .map(|t| Overlap::of(&empty(2, 2), t).unwrap())
            .collect();
        assert_eq!(
            Columns::of(&overlaps, Overlap::iou).all.value,
            Some(2.0 / 3.0)
        );
        let full: Vec<_> = truths
            .iter()
            .map(|t| Overlap::of(&full(2, 2), t).unwrap())
            .collect();
        let columns = Columns::of(&full, Overlap::iou);
        assert_eq!(
            (columns.pos.value, columns.neg.value),
            (Some(0.25), Some(0.0))
        );
    }

    #[test]
    fn prior_is_the_mean_cut() {
        let mut mean = MeanMap::default();
        assert_eq!(mean.mean(), None);
        mean.add(&[1.0, 1.0, 0.0]).unwrap();
        mean.add(&[1.0, 0.0, 0.0]).unwrap();
        assert!(mean.add(&[1.0]).is_err());
        assert_eq!(mean.mean().unwrap(), vec![1.0, 0.5, 0.0]);
        assert_eq!(prior(&mean.mean().unwrap(), 0.5), vec![1, 0, 0]);
    }

    #[test]
    fn centre_has_the_area_and_the_place() {
        assert_eq!(centre(3, 3, 1.0 / 9.0), vec![0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(centre(3, 3, 5.0 / 9.0), vec![0, 1, 0, 1, 1, 1, 0, 1, 0]);
        assert_eq!(
            centre(4, 6, 0.5)
                .iter()
                .map(|&v| usize::from(v))
                .sum::<usize>(),
            12
        );
        assert!(centre(0, 5, 0.5).is_empty());
    }
}
