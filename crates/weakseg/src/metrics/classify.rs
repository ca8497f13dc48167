//! Image-level classification of several findings at once.

use super::{BinaryCounts, MetricError, mean, same_length};

/// Probabilities and true labels of `N` images and `C` findings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelScores {
    classes: usize,
    probabilities: Vec<f32>,
    truth: Vec<bool>,
}

impl LabelScores {
    /// No images yet, of `classes` findings.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            probabilities: Vec::new(),
            truth: Vec::new(),
        }
    }

    /// Adds an image: a probability in `0.0..=1.0` and a truth for each finding.
    ///
    /// # Errors
    /// If a length is not `C` or a probability is not finite.
    pub fn push(&mut self, probabilities: &[f32], truth: &[bool]) -> Result<(), MetricError> {
        same_length(
            "probabilities of an image",
            self.classes,
            probabilities.len(),
        )?;
        same_length("labels of an image", self.classes, truth.len())?;
        if let Some(at) = probabilities.iter().position(|p| !p.is_finite()) {
            return Err(MetricError::NotFinite {
                what: "probabilities of an image",
                value: probabilities[at],
                at,
            });
        }
        self.probabilities.extend_from_slice(probabilities);
        self.truth.extend_from_slice(truth);
        Ok(())
    }

    /// Number of findings `C`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of images `N`.
    pub fn len(&self) -> usize {
        self.truth.len().checked_div(self.classes).unwrap_or(0)
    }

    /// Whether no image was added.
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// The same table with image `rows[i]` in place `i`, as a bootstrap draws it; rows out of range are left out.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut drawn = Self::new(self.classes);
        for &row in rows.iter().filter(|&&r| r < self.len()) {
            let span = row * self.classes..(row + 1) * self.classes;
            drawn
                .probabilities
                .extend_from_slice(&self.probabilities[span.clone()]);
            drawn.truth.extend_from_slice(&self.truth[span]);
        }
        drawn
    }

    /// `(probability, truth)` of one finding, image by image; empty for a finding that is none.
    pub fn column(&self, class: usize) -> impl Iterator<Item = (f32, bool)> + '_ {
        let n = if class < self.classes { self.len() } else { 0 };
        (0..n).map(move |i| {
            (
                self.probabilities[i * self.classes + class],
                self.truth[i * self.classes + class],
            )
        })
    }

    /// Counts of one finding; a probability strictly above `threshold` is a call.
    pub fn counts(&self, class: usize, threshold: f32) -> BinaryCounts {
        let mut counts = BinaryCounts::default();
        self.column(class)
            .for_each(|(p, t)| counts.record(p > threshold, t));
        counts
    }

    fn over_classes(&self, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        mean((0..self.classes).filter_map(value))
    }

    /// F1 per finding, then the mean over the findings that have one (`mlf1` of the paper's code, which is NaN as soon
    /// as a finding neither occurs nor is called).
    pub fn mean_f1(&self, threshold: f32) -> Option<f64> {
        self.over_classes(|c| self.counts(c, threshold).f1())
    }

    /// Accuracy per finding, then the mean (which is also one minus the Hamming loss).
    pub fn mean_accuracy(&self, threshold: f32) -> Option<f64> {
        self.over_classes(|c| self.counts(c, threshold).accuracy())
    }

    /// Sensitivity (recall) of a finding at a threshold.
    pub fn sensitivity(&self, class: usize, threshold: f32) -> Option<f64> {
        self.counts(class, threshold).recall()
    }

    /// Specificity of a finding at a threshold.
    pub fn specificity(&self, class: usize, threshold: f32) -> Option<f64> {
        self.counts(class, threshold).specificity()
    }

    /// Area under the receiver operating characteristic of a finding: the probability that a positive image scores
    /// above a negative one, a tie counting one half (Mann-Whitney). `None` unless both kinds occur.
    pub fn auroc(&self, class: usize) -> Option<f64> {
        let mut column: Vec<(f32, bool)> = self.column(class).collect();
        column.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut below, mut twice_wins, mut positives) = (0u64, 0u64, 0u64);
        for tied in column.chunk_by(|a, b| a.0 == b.0) {
            let here = tied.iter().filter(|(_, t)| *t).count() as u64;
            let negatives_here = tied.len() as u64 - here;
            twice_wins += here * (2 * below + negatives_here);
            below += negatives_here;
            positives += here;
        }
        super::ratio(twice_wins, 2 * positives * below)
    }

    /// Mean of the AUROCs that are defined.
    pub fn mean_auroc(&self) -> Option<f64> {
        self.over_classes(|c| self.auroc(c))
    }
}

/// The AUROC that scores without any knowledge rarely exceed: two standard deviations above one half, by the variance
/// of the Mann-Whitney statistic, `(P + N + 1) / (12 P N)` (Mann and Whitney 1947). Above 1 where there are so few
/// images that any order may be chance; `None` unless both kinds occur.
pub fn auroc_of_chance(positives: usize, negatives: usize) -> Option<f64> {
    let [p, n] = [positives, negatives].map(|count| count as f64);
    let variance = (p + n + 1.0) / (12.0 * p * n);
    (positives > 0 && negatives > 0).then(|| 0.5 + 2.0 * variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rows: &[(f32, bool)]) -> LabelScores {
        let mut s = LabelScores::new(1);
        rows.iter().for_each(|&(p, t)| s.push(&[p], &[t]).unwrap());
        s
    }

    #[test]
    fn f1_and_accuracy_by_hand() {
        let mut s = LabelScores::new(3);
        s.push(&[0.9, 0.2, 0.1], &[true, false, false]).unwrap();
        s.push(&[0.8, 0.7, 0.5], &[false, true, false]).unwrap();
        s.push(&[0.3, 0.1, 0.0], &[true, true, false]).unwrap();
        // class 0: TP1 FP1 FN1 -> 1/2; class 1: TP1 FN1 -> 2/3; class 2 never occurs nor is called (.5 is not above .5)
        assert_eq!(s.counts(0, 0.5).f1(), Some(0.5));
        assert!((s.mean_f1(0.5).unwrap() - (0.5 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        assert!(
            (s.mean_accuracy(0.5).unwrap() - (1.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-15
        );
        assert_eq!(s.sensitivity(1, 0.5), Some(0.5));
        assert_eq!(s.specificity(0, 0.5), Some(0.0));
        assert_eq!(s.sensitivity(2, 0.5), None);
        assert_eq!(s.sensitivity(9, 0.5), None);
    }

    #[test]
    fn auroc_counts_a_tie_as_a_half() {
        // pairs (pos, neg): .8>.5, .8>.1, .5=.5, .5>.1 -> 3.5 of 4
        assert_eq!(
            one(&[(0.8, true), (0.5, true), (0.5, false), (0.1, false)]).auroc(0),
            Some(3.5 / 4.0)
        );
        assert_eq!(
            one(&[(0.4, true), (0.4, false), (0.4, false)]).auroc(0),
            Some(0.5)
        );
        assert_eq!(one(&[(0.1, true), (0.4, false)]).auroc(0), Some(0.0));
    }

    #[test]
    fn auroc_of_one_kind_is_none() {
        assert_eq!(one(&[(0.8, true)]).auroc(0), None);
        assert_eq!(LabelScores::new(2).mean_auroc(), None);
    }

    /// All ten orders of two positives and three negatives.
    #[test]
    fn chance_goes_by_the_variance_over_all_orders() {
        let mut squares = Vec::new();
        for (first, second) in (0..5).flat_map(|i| (0..i).map(move |j| (i, j))) {
            let order: Vec<_> = (0..5u8)
                .map(|place| (f32::from(place) / 5.0, place == first || place == second))
                .collect();
            let auroc = one(&order).auroc(0).expect("both kinds");
            squares.push((auroc - 0.5).powi(2));
        }
        assert_eq!(squares.len(), 10);
        let deviation = (squares.iter().sum::<f64>() / 10.0).sqrt();
        let bound = auroc_of_chance(2, 3).expect("both kinds");
        assert!((bound - (0.5 + 2.0 * deviation)).abs() < 1e-12, "{bound}");
        assert_eq!(auroc_of_chance(1, 1), Some(1.5));
        assert_eq!((auroc_of_chance(0, 9), auroc_of_chance(9, 0)), (None, None));
    }

    #[test]
    fn rows_can_be_drawn_again() {
        let s = one(&[(0.8, true), (0.5, false)]);
        let drawn: Vec<_> = s.select(&[1, 1, 0, 7]).column(0).collect();
        assert_eq!(drawn, vec![(0.5, false), (0.5, false), (0.8, true)]);
    }

    #[test]
    fn nan_is_refused() {
        let mut s = LabelScores::new(1);
        assert!(matches!(
            s.push(&[f32::NAN], &[true]),
            Err(MetricError::NotFinite { at: 0, .. })
        ));
        assert!(s.push(&[0.1, 0.2], &[true]).is_err());
        assert!(s.is_empty());
    }
}
