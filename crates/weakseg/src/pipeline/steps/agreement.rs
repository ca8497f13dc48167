//! How far the segmentation network's masks agree with the pseudo-labels that its training is watched on.

use weakseg_data::{LabelSpace, Stack};

use crate::metrics::{BinaryCounts, Confusion, MetricError, mean};

/// Pixels of all images, pooled.
pub(super) enum Agreement {
    /// Of all classes, background first.
    Exclusive(Confusion),
    /// Of each finding, at a probability of one half.
    Findings(Vec<BinaryCounts>),
}

impl Agreement {
    /// Of a network with so many `outputs`, before the first image.
    pub(super) fn new(space: LabelSpace, outputs: usize) -> Self {
        match space {
            LabelSpace::Exclusive => Self::Exclusive(Confusion::new(outputs)),
            LabelSpace::Findings => Self::Findings(vec![BinaryCounts::default(); outputs]),
        }
    }

    /// Counts an image: `logits` are `[C, H, W]`, the pseudo-label `mask` is of the same height and width.
    ///
    /// # Errors
    /// If the mask has a value that is no class.
    pub(super) fn add(&mut self, logits: &[f32], mask: &Stack<u8>) -> Result<(), MetricError> {
        let size = mask.plane(0).len();
        match self {
            Self::Exclusive(confusion) => {
                let best = |pixel: usize| {
                    // The first of equal ones, as where masks are predicted.
                    let scores = logits.iter().skip(pixel).step_by(size).enumerate();
                    let best = scores.reduce(|a, b| if b.1 > a.1 { b } else { a });
                    best.map_or(0, |(class, _)| class as u8)
                };
                let classes: Vec<u8> = (0..size).map(best).collect();
                confusion.add(mask.plane(0), &classes)
            }
            Self::Findings(counts) => {
                for (finding, counts) in counts.iter_mut().enumerate() {
                    // A logit above 0 is a probability above one half.
                    let logits = &logits[finding * size..][..size];
                    let found: Vec<u8> = logits.iter().map(|&z| u8::from(z > 0.0)).collect();
                    counts.add_pixels(&found, mask.plane(finding))?;
                }
                Ok(())
            }
        }
    }

    /// Mean Dice over findings, or over classes without the background, and mean IoU, over classes with it. What is
    /// neither in masks nor in pseudo-labels does not count; where nothing is, both are 1, as of two empty masks.
    pub(super) fn figures(&self) -> [(&'static str, f64); 2] {
        let (dice, iou): (Vec<_>, Vec<_>) = match self {
            Self::Exclusive(confusion) => (
                (1..confusion.classes())
                    .map(|c| confusion.dice(c))
                    .collect(),
                confusion.per_class_iou(),
            ),
            Self::Findings(counts) => counts.iter().map(|c| (c.f1(), c.jaccard())).unzip(),
        };
        let mean = |scores: Vec<Option<f64>>| mean(scores.into_iter().flatten()).unwrap_or(1.0);
        [("dice", mean(dice)), ("miou", mean(iou))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(planes: usize, values: &[u8]) -> Stack<u8> {
        Stack::new(planes, 1, values.len() / planes, values.to_vec()).expect("whole planes")
    }

    #[test]
    fn classes_by_hand() {
        let mut agreement = Agreement::new(LabelSpace::Exclusive, 3);
        // Pixels: background right, background for class 1, class 1 right, class 1 where nothing is said.
        let logits = [
            [2.0, 2.0, 0.0, 0.0],
            [1.0, 1.0, 1.0, 1.0],
            [0.0, 0.0, 0.5, 0.5],
        ]
        .concat();
        agreement.add(&logits, &mask(1, &[0, 1, 1, 255])).unwrap();
        // Class 1: 1 right, 1 missed. Background: 1 right, 1 too much. Class 2 nowhere.
        assert_eq!(agreement.figures(), [("dice", 2.0 / 3.0), ("miou", 0.5)]);
        // Of equal scores the first class is taken, so background is too much once more.
        agreement.add(&[0.0; 3], &mask(1, &[2])).unwrap();
        let [(_, dice), (_, iou)] = agreement.figures();
        assert!((dice - (2.0 / 3.0) / 2.0).abs() < 1e-12, "{dice}");
        assert!((iou - (1.0 / 3.0 + 0.5) / 3.0).abs() < 1e-12, "{iou}");
    }

    #[test]
    fn findings_by_hand() {
        let mut agreement = Agreement::new(LabelSpace::Findings, 2);
        let first = [-0.01, 0.01, 3.0, 1.0];
        let second = [-9.0; 4];
        let truth = mask(2, &[1, 1, 0, 255, 0, 0, 0, 0]);
        agreement.add(&[first, second].concat(), &truth).unwrap();
        // One right, one missed, one too much; the second finding is nowhere and does not count.
        assert_eq!(agreement.figures(), [("dice", 0.5), ("miou", 1.0 / 3.0)]);
        let empty = Agreement::new(LabelSpace::Findings, 1);
        assert_eq!(empty.figures(), [("dice", 1.0), ("miou", 1.0)]);
    }

    #[test]
    fn a_value_that_is_no_class_is_an_error() {
        let mut agreement = Agreement::new(LabelSpace::Exclusive, 2);
        assert!(agreement.add(&[0.0; 4], &mask(1, &[0, 2])).is_err());
    }
}
