//! Spatially varying label smoothing.

use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;

use super::SoftTargets;

impl SoftTargets {
    /// Shares after spatially varying label smoothing (Islam and Glocker 2021, "Spatially Varying Label Smoothing:
    /// Capturing Uncertainty from Expert Annotations"): the mean of the labels of 3 × 3 pixels with Gaussian weights of
    /// the standard deviation `sigma` in pixels, above 0 (paper: 1), the centre weighing as much as its neighbours
    /// together. So labels stay as they are inside regions and soften along borders.
    ///
    /// The image's edge is replicated. Void pixels stay void, and lend their neighbours nothing: weights are divided by
    /// the sum of those that count.
    #[must_use]
    pub fn smoothed(&self, sigma: f64) -> Self {
        let weights = weights(sigma);
        let total = filter(self.counted.clone(), &weights);
        // A counted pixel has its own half at least; where the sum is 0 all is void.
        let share = filter(self.share.clone(), &weights) / total.clamp_min(0.5);
        Self {
            space: self.space,
            share: share * self.counted.clone(),
            counted: self.counted.clone(),
        }
    }
}

/// Row by row; they sum to 1.
fn weights(sigma: f64) -> [f64; 9] {
    // Relative to the nearest neighbours, so that no sigma makes all of them 0.
    let corner = (-0.5 / (sigma * sigma)).exp();
    let neighbours = 4.0 * (1.0 + corner);
    let (side, corner) = (0.5 / neighbours, 0.5 * corner / neighbours);
    [corner, side, corner, side, 0.5, side, corner, side, corner]
}

/// Filters each plane, edges replicated.
fn filter(planes: Tensor<4>, weights: &[f64; 9]) -> Tensor<4> {
    let [batch, channels, height, width] = planes.dims();
    let padded = planes.pad((1, 1, 1, 1), PadMode::Edge);
    let shifted = |at: usize| {
        let (y, x) = (at / 3, at % 3);
        padded
            .clone()
            .slice([0..batch, 0..channels, y..y + height, x..x + width])
            * weights[at]
    };
    (1..9).fold(shifted(0), |sum, at| sum + shifted(at))
}

#[cfg(test)]
mod tests {
    use crate::loss::PixelTargets;
    use crate::loss::oracle::{floats, index_case, labels, pixel_case, tensor};
    use crate::networks::to_vec;

    fn close(found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
            assert!((f - w).abs() < 1e-6, "{i}: {f} instead of {w}");
        }
    }

    #[test]
    fn shares_equal_pytorch() {
        let (o, _, labels) = index_case();
        let soft = PixelTargets::Exclusive(labels).soft(5);
        close(
            &to_vec(soft.smoothed(1.0).share),
            &floats(&o["smoothed_shares"]),
        );
        close(
            &to_vec(soft.smoothed(2.0).share),
            &floats(&o["smoother_shares"]),
        );
        let (o, _, planes) = pixel_case();
        let soft = PixelTargets::Findings(planes).soft(2);
        close(
            &to_vec(soft.smoothed(1.0).share),
            &floats(&o["smoothed_shares"]),
        );
    }

    #[test]
    fn by_hand() {
        // So small a sigma leaves the four nearest neighbours: 1/8 each, beside 1/2 for the centre.
        let mut plane = vec![0.0; 9];
        plane[4] = 1.0;
        let soft = PixelTargets::Findings(tensor(plane, [1, 1, 3, 3])).soft(1);
        let eighth = 0.125;
        let wanted = [0.0, eighth, 0.0, eighth, 0.5, eighth, 0.0, eighth, 0.0];
        close(&to_vec(soft.smoothed(0.01).share), &wanted);
        // One row: the replicated rows above and below are neighbours too, so the first pixel keeps 7/8
        // of its label.
        let soft = PixelTargets::Findings(tensor(vec![1.0, 0.0, 255.0], [1, 1, 1, 3])).soft(1);
        close(
            &to_vec(soft.smoothed(0.01).share),
            &[0.875, 0.125 / 0.875, 0.0],
        );
    }

    #[test]
    fn one_label_stays_what_it_is() {
        let soft = PixelTargets::Exclusive(labels(vec![2, 255, 2, 2, 2, 255], [1, 2, 3])).soft(3);
        close(&to_vec(soft.smoothed(1.0).share), &to_vec(soft.share));
    }
}
