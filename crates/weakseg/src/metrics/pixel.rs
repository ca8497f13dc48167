//! Binary counts and the ratios made of them: of pixels pooled over a set, or of image-level decisions.

use super::{MetricError, Overlap, ratio};

/// True and false positives and negatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BinaryCounts {
    /// Positive, and called so.
    pub true_positive: u64,
    /// Negative, called positive.
    pub false_positive: u64,
    /// Positive, called negative.
    pub false_negative: u64,
    /// Negative, and called so.
    pub true_negative: u64,
}

impl BinaryCounts {
    /// Counts one decision.
    pub fn record(&mut self, prediction: bool, truth: bool) {
        *match (prediction, truth) {
            (true, true) => &mut self.true_positive,
            (true, false) => &mut self.false_positive,
            (false, true) => &mut self.false_negative,
            (false, false) => &mut self.true_negative,
        } += 1;
    }

    /// Adds the pixels of an image of 0 and 1; a `truth` of 255 leaves the pixel out.
    ///
    /// # Errors
    /// As [`Overlap::of`].
    pub fn add_pixels(&mut self, prediction: &[u8], truth: &[u8]) -> Result<(), MetricError> {
        let o = Overlap::of(prediction, truth)?;
        let counted = truth.iter().filter(|&&t| t != super::VOID).count() as u64;
        self.true_positive += o.intersection;
        self.false_positive += o.prediction - o.intersection;
        self.false_negative += o.truth - o.intersection;
        self.true_negative += counted + o.intersection - o.prediction - o.truth;
        Ok(())
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.true_positive += other.true_positive;
        self.false_positive += other.false_positive;
        self.false_negative += other.false_negative;
        self.true_negative += other.true_negative;
    }

    /// Everything counted.
    pub fn total(&self) -> u64 {
        self.true_positive + self.false_positive + self.false_negative + self.true_negative
    }

    /// 2·TP / (2·TP + FP + FN); over pixels this is the pooled Dice. `None` without any positive or call.
    pub fn f1(&self) -> Option<f64> {
        let twice = 2 * self.true_positive;
        ratio(twice, twice + self.false_positive + self.false_negative)
    }

    /// 2·TN / (2·TN + FP + FN): F1 of the negatives. `None` without any negative or call of one.
    pub fn negative_f1(&self) -> Option<f64> {
        let twice = 2 * self.true_negative;
        ratio(twice, twice + self.false_positive + self.false_negative)
    }

    /// TP / (TP + FP). `None` without any call.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// TP / (TP + FP + FN); over pixels the pooled IoU. `None` without any positive or call.
    pub fn jaccard(&self) -> Option<f64> {
        let union = self.true_positive + self.false_positive + self.false_negative;
        ratio(self.true_positive, union)
    }

    /// TP / (TP + FN), the sensitivity.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// TN / (TN + FP).
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    /// (TP + TN) / everything.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.true_positive + self.true_negative, self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_by_hand() {
        let mut c = BinaryCounts::default();
        // TP 3, FP 1, FN 2, TN 4, one void
        c.add_pixels(
            &[1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1],
            &[1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 255],
        )
        .unwrap();
        assert_eq!(
            c,
            BinaryCounts {
                true_positive: 3,
                false_positive: 1,
                false_negative: 2,
                true_negative: 4
            }
        );
        assert_eq!(c.f1(), Some(6.0 / 9.0));
        assert_eq!(c.negative_f1(), Some(8.0 / 11.0));
        assert_eq!(c.precision(), Some(0.75));
        assert_eq!(c.jaccard(), Some(0.5));
        assert_eq!(c.recall(), Some(0.6));
        assert_eq!(c.specificity(), Some(0.8));
        assert_eq!(c.accuracy(), Some(0.7));
    }

    #[test]
    fn pixels_equal_single_decisions() {
        let (p, t) = ([1u8, 0, 1, 0], [1u8, 1, 0, 0]);
        let (mut a, mut b) = (BinaryCounts::default(), BinaryCounts::default());
        a.add_pixels(&p, &t).unwrap();
        p.iter()
            .zip(&t)
            .for_each(|(&p, &t)| b.record(p == 1, t == 1));
        assert_eq!(a, b);
        a.merge(&b);
        assert_eq!(a.total(), 8);
    }

    #[test]
    fn nothing_counted_is_none() {
        let c = BinaryCounts::default();
        let ratios = [c.f1(), c.negative_f1(), c.precision(), c.jaccard()];
        assert_eq!(ratios, [None; 4]);
        assert_eq!([c.recall(), c.specificity(), c.accuracy()], [None; 3]);
    }
}
