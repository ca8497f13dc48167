//! Confusion matrix over the pixels of a whole set, and the mean intersection over union of VOC.

use super::{MetricError, VOID, ratio, same_length};

/// Pixel counts of `K` classes: one row a true class, one column a predicted class.
///
/// Integer counts make the result independent of the order images are added in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// An empty matrix of `classes` classes, the background included.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            counts: vec![0; classes * classes],
        }
    }

    /// Number of classes `K`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Pixels of true class `truth` predicted as `prediction`; 0 outside the matrix.
    pub fn count(&self, truth: usize, prediction: usize) -> u64 {
        if truth < self.classes && prediction < self.classes {
            self.counts[truth * self.classes + prediction]
        } else {
            0
        }
    }

    /// Adds an image: `truth` and `prediction` hold class indices below `K`; where `truth` is [`VOID`] nothing counts.
    ///
    /// # Errors
    /// If the lengths differ or a counted pixel holds no class; the matrix is then unchanged.
    pub fn add(&mut self, truth: &[u8], prediction: &[u8]) -> Result<(), MetricError> {
        same_length("prediction against truth", truth.len(), prediction.len())?;
        let classes = self.classes;
        let wrong = truth.iter().zip(prediction).position(|(&t, &p)| {
            t != VOID && (usize::from(t) >= classes || usize::from(p) >= classes)
        });
        if let Some(at) = wrong {
            let in_truth = usize::from(truth[at]) >= classes;
            return Err(MetricError::Class {
                what: if in_truth { "truth" } else { "prediction" },
                value: if in_truth { truth[at] } else { prediction[at] },
                at,
                classes,
                void: if in_truth { " or 255 (void)" } else { "" },
            });
        }
        for (&t, &p) in truth.iter().zip(prediction) {
            if t != VOID {
                self.counts[usize::from(t) * classes + usize::from(p)] += 1;
            }
        }
        Ok(())
    }

    /// Adds the counts of another matrix of the same classes.
    ///
    /// # Errors
    /// If the numbers of classes differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), MetricError> {
        if self.classes != other.classes {
            return Err(MetricError::Classes {
                expected: self.classes,
                found: other.classes,
            });
        }
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        Ok(())
    }

    /// Pixels counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Pixels whose true class is `class`.
    pub fn truth_pixels(&self, class: usize) -> u64 {
        (0..self.classes).map(|p| self.count(class, p)).sum()
    }

    /// Pixels whose predicted class is `class`.
    pub fn predicted_pixels(&self, class: usize) -> u64 {
        (0..self.classes).map(|t| self.count(t, class)).sum()
    }

    /// The class with the most true pixels, the background (0) left out: what the full mask of exclusive classes shows
    /// everywhere. Of equal ones the first; 1 where none has a pixel.
    pub fn largest_class(&self) -> usize {
        (1..self.classes)
            .rev()
            .max_by_key(|&class| self.truth_pixels(class))
            .unwrap_or(1)
    }

    fn union(&self, class: usize) -> u64 {
        self.truth_pixels(class) + self.predicted_pixels(class) - self.count(class, class)
    }

    /// TP / (TP + FP + FN) of one class over the whole set; `None` for a class in neither truth nor prediction.
    pub fn iou(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.union(class))
    }

    /// 2·TP / (2·TP + FP + FN) of one class over the whole set; `None` for a class in neither truth nor prediction.
    pub fn dice(&self, class: usize) -> Option<f64> {
        let both = self.truth_pixels(class) + self.predicted_pixels(class);
        ratio(2 * self.count(class, class), both)
    }

    /// What of a class's union is there too much: FP / (TP + FP + FN), as IRNet tells it of the background.
    pub fn excess(&self, class: usize) -> Option<f64> {
        let too_much = self.predicted_pixels(class) - self.count(class, class);
        ratio(too_much, self.union(class))
    }

    /// What of a class's union is missed: FN / (TP + FP + FN), as IRNet tells it of the background.
    pub fn lack(&self, class: usize) -> Option<f64> {
        let missed = self.truth_pixels(class) - self.count(class, class);
        ratio(missed, self.union(class))
    }

    /// IoU of every class.
    pub fn per_class_iou(&self) -> Vec<Option<f64>> {
        (0..self.classes).map(|c| self.iou(c)).collect()
    }

    /// Mean IoU over the classes that occur in truth or prediction, in `0.0..=1.0`; `None` if no pixel was counted.
    ///
    /// Departs from the plain mean over all classes because that is NaN as soon as one class is absent.
    pub fn mean_iou(&self) -> Option<f64> {
        super::mean(self.per_class_iou().into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Confusion {
        let mut m = Confusion::new(3);
        // class 0: TP 2, FN 1 (-> 1), FP 1;  class 1: TP 1, FP 1, FN 1 (-> 0);  class 2: absent; one void.
        m.add(&[0, 0, 0, 1, 1, 255], &[0, 0, 1, 1, 0, 2]).unwrap();
        m
    }

    #[test]
    fn counts_by_hand() {
        let m = fixture();
        assert_eq!(
            (m.count(0, 0), m.count(0, 1), m.count(1, 0), m.count(1, 1)),
            (2, 1, 1, 1)
        );
        assert_eq!(m.total(), 5);
        assert_eq!(
            m.per_class_iou(),
            vec![Some(2.0 / 4.0), Some(1.0 / 3.0), None]
        );
        let dice = [0, 1, 2].map(|class| m.dice(class));
        assert_eq!(dice, [Some(4.0 / 6.0), Some(2.0 / 4.0), None]);
    }

    #[test]
    fn what_is_too_much_and_what_is_missed_fill_the_union() {
        let mut m = fixture();
        m.add(&[1, 1], &[0, 0]).unwrap();
        // class 0: TP 2, FP 3, FN 1
        assert_eq!((m.excess(0), m.lack(0)), (Some(0.5), Some(1.0 / 6.0)));
        let all = m.excess(0).unwrap() + m.lack(0).unwrap() + m.iou(0).unwrap();
        assert!((all - 1.0).abs() < 1e-15);
        assert_eq!((m.excess(2), m.lack(2)), (None, None));
    }

    #[test]
    fn absent_classes_are_left_out_of_the_mean() {
        let mean = fixture().mean_iou().unwrap();
        assert!((mean - 5.0 / 12.0).abs() < 1e-15);
        assert_eq!(Confusion::new(2).mean_iou(), None);
    }

    #[test]
    fn a_class_only_predicted_scores_zero() {
        let mut m = Confusion::new(3);
        m.add(&[0, 0], &[0, 2]).unwrap();
        assert_eq!(m.iou(2), Some(0.0));
        assert_eq!(m.mean_iou(), Some(0.25));
    }

    #[test]
    fn the_largest_class_is_that_of_most_true_pixels_beside_the_background() {
        let largest = |truth: &[u8]| {
            let mut m = Confusion::new(4);
            m.add(truth, &vec![2; truth.len()]).unwrap();
            m.largest_class()
        };
        assert_eq!(largest(&[0, 0, 0, 3, 3, 1, 255, 255, 255]), 3);
        assert_eq!(largest(&[3, 1, 0]), 1);
        assert_eq!(largest(&[0, 255]), 1);
    }

    #[test]
    fn void_pixels_change_nothing() {
        let mut m = fixture();
        m.add(&[255, 255], &[1, 255]).unwrap();
        assert_eq!(m, fixture());
    }

    #[test]
    fn a_wrong_value_is_named_and_adds_nothing() {
        let mut m = Confusion::new(2);
        let e = m.add(&[0, 0, 1], &[0, 7, 1]).unwrap_err();
        assert_eq!(
            e,
            MetricError::Class {
                what: "prediction",
                value: 7,
                at: 1,
                classes: 2,
                void: ""
            }
        );
        assert_eq!(m.total(), 0);
        assert!(m.add(&[0], &[]).is_err());
        assert!(m.merge(&Confusion::new(3)).is_err());
    }

    #[test]
    fn merging_equals_adding() {
        let (mut a, mut b) = (Confusion::new(2), Confusion::new(2));
        a.add(&[0, 1], &[0, 0]).unwrap();
        b.add(&[1, 1], &[1, 0]).unwrap();
        a.merge(&b).unwrap();
        let mut whole = Confusion::new(2);
        whole.add(&[0, 1, 1, 1], &[0, 0, 1, 0]).unwrap();
        assert_eq!(a, whole);
    }
}
