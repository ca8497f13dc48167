//! Overlap of single images, and its means over all, the positive and the negative images.
//!
//! The mean over *all* images rewards empty masks: on the 145 + 541 images the paper is scored on, predicting
//! nothing at all gives 541 / 686 = .7886. Read it beside [`Columns::pos`] and beside the trivial rows
//! that every report holds.

use super::{MetricError, VOID, same_length};

/// Pixel counts of one finding in one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// Pixels in both.
    pub intersection: u64,
    /// Predicted pixels.
    pub prediction: u64,
    /// True pixels.
    pub truth: u64,
}

impl Overlap {
    /// Counts an image: both slices hold 0 and 1; a `truth` of [`VOID`] leaves the pixel out.
    ///
    /// # Errors
    /// If the lengths differ or a counted pixel holds another value (a 0/255 mask is to be brought to 0/1 first: read
    /// as it is, every positive pixel of it would be void).
    pub fn of(prediction: &[u8], truth: &[u8]) -> Result<Self, MetricError> {
        Self::of_class(prediction, truth, 1, 2)
    }

    /// Counts one class of index maps of `classes` classes (background included).
    ///
    /// # Errors
    /// If the lengths differ or a counted pixel holds no class.
    pub fn of_class(
        prediction: &[u8],
        truth: &[u8],
        class: u8,
        classes: usize,
    ) -> Result<Self, MetricError> {
        same_length("prediction against truth", truth.len(), prediction.len())?;
        let mut counts = Self::default();
        for (at, (&p, &t)) in prediction.iter().zip(truth).enumerate() {
            if t == VOID {
                continue;
            }
            for (what, value, void) in [("truth", t, " or 255 (void)"), ("prediction", p, "")] {
                if usize::from(value) >= classes {
                    return Err(MetricError::Class {
                        what,
                        value,
                        at,
                        classes,
                        void,
                    });
                }
            }
            counts.prediction += u64::from(p == class);
            counts.truth += u64::from(t == class);
            counts.intersection += u64::from(p == class && t == class);
        }
        Ok(counts)
    }

    /// Intersection over union, in `0.0..=1.0`.
    ///
    /// **Empty policy**: both empty → 1; a non-empty prediction of an empty truth → 0 (which the formula gives by
    /// itself, as it does for an empty prediction of a non-empty truth).
    pub fn iou(&self) -> f64 {
        super::ratio(
            self.intersection,
            self.prediction + self.truth - self.intersection,
        )
        .unwrap_or(1.0)
    }

    /// Dice coefficient, in `0.0..=1.0`, under the same empty policy as [`Self::iou`].
    pub fn dice(&self) -> f64 {
        super::ratio(2 * self.intersection, self.prediction + self.truth).unwrap_or(1.0)
    }

    /// Whether the image truly shows the finding.
    pub fn is_positive(&self) -> bool {
        self.truth > 0
    }
}

/// The three columns a per-image score is reported in: of each subset the scores of every image, in their order. An
/// image has one score a finding that is of the subset, and none where no finding is.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// Every finding of every image.
    pub all: Vec<Vec<f64>>,
    /// Those whose truth is not empty.
    pub pos: Vec<Vec<f64>>,
    /// Those whose truth is empty.
    pub neg: Vec<Vec<f64>>,
}

impl Columns {
    /// Of a per-image score, for example `Columns::of(&images, Overlap::iou)`; `images` holds the findings of each.
    pub fn of(images: &[Vec<Overlap>], score: impl Fn(&Overlap) -> f64) -> Self {
        let of = |kind: &dyn Fn(&Overlap) -> bool| -> Vec<Vec<f64>> {
            let scores =
                |image: &Vec<Overlap>| image.iter().filter(|o| kind(o)).map(&score).collect();
            images.iter().map(scores).collect()
        };
        Self {
            all: of(&|_| true),
            pos: of(&Overlap::is_positive),
            neg: of(&|overlap| !overlap.is_positive()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One finding an image.
    fn alone(overlaps: Vec<Overlap>) -> Vec<Vec<Overlap>> {
        overlaps.into_iter().map(|overlap| vec![overlap]).collect()
    }

    fn mean(images: &[Vec<f64>]) -> Option<f64> {
        super::super::mean(images.iter().flatten().copied())
    }

    /// Four images of four pixels: a half hit, a miss, a healthy one left empty, a healthy one with a false alarm.
    fn four() -> Vec<Overlap> {
        [
            ([1, 1, 0, 0], [0, 1, 1, 0]),
            ([0, 0, 0, 0], [1, 0, 0, 0]),
            ([0; 4], [0; 4]),
            ([0, 0, 0, 1], [0; 4]),
        ]
        .iter()
        .map(|(p, t)| Overlap::of(p, t).unwrap())
        .collect()
    }

    #[test]
    fn four_images_by_hand() {
        let iou = Columns::of(&alone(four()), Overlap::iou);
        // IoU 1/3, 0, 1, 0
        assert_eq!(iou.all, [[1.0 / 3.0], [0.0], [1.0], [0.0]]);
        assert_eq!(iou.pos, [vec![1.0 / 3.0], vec![0.0], vec![], vec![]]);
        assert_eq!(
            (mean(&iou.pos), mean(&iou.neg)),
            (Some(1.0 / 6.0), Some(0.5))
        );
        // Dice 1/2, 0, 1, 0
        let dice = Columns::of(&alone(four()), Overlap::dice);
        assert_eq!(
            (mean(&dice.all), mean(&dice.pos), mean(&dice.neg)),
            (Some(0.375), Some(0.25), Some(0.5))
        );
        // As two images of two findings.
        let pairs: Vec<Vec<Overlap>> = four().chunks(2).map(<[Overlap]>::to_vec).collect();
        let of_pairs = Columns::of(&pairs, Overlap::iou);
        assert_eq!(of_pairs.all, [[1.0 / 3.0, 0.0], [1.0, 0.0]]);
        assert_eq!(of_pairs.neg, [vec![], vec![1.0, 0.0]]);
    }

    #[test]
    fn scores_are_symmetric_shares_and_one_tells_the_other() {
        for salt in 0..200_u32 {
            let mask = |salt: u32| -> Vec<u8> {
                let bits = salt.wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b) >> 7;
                (0..12).map(|at| (bits >> (2 * at) & 1) as u8).collect()
            };
            let (a, b) = (mask(salt), mask(salt / 7));
            let (there, back) = (Overlap::of(&a, &b).unwrap(), Overlap::of(&b, &a).unwrap());
            let (iou, dice) = (there.iou(), there.dice());
            assert_eq!((iou, dice), (back.iou(), back.dice()));
            assert!((0.0..=1.0).contains(&iou) && (0.0..=1.0).contains(&dice));
            assert!(
                (dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12,
                "{iou}, {dice}"
            );
            assert_eq!(iou == 1.0, a == b);
        }
    }

    #[test]
    fn the_empty_prediction_scores_7886_on_the_papers_split() {
        let positive = Overlap {
            intersection: 0,
            prediction: 0,
            truth: 9,
        };
        let mut all = vec![positive; 145];
        all.extend(vec![Overlap::default(); 541]);
        let iou = Columns::of(&alone(all), Overlap::iou);
        assert_eq!(mean(&iou.all), Some(541.0 / 686.0));
        assert_eq!(format!("{:.4}", 541.0 / 686.0), "0.7886");
        assert_eq!((mean(&iou.pos), mean(&iou.neg)), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn no_images_of_a_kind_is_none_not_nan() {
        let only_healthy = Columns::of(&[vec![Overlap::default()]], Overlap::iou);
        assert_eq!(mean(&only_healthy.pos), None);
        assert_eq!(mean(&Columns::of(&[], Overlap::dice).all), None);
    }

    #[test]
    fn void_pixels_do_not_count_and_wrong_values_are_named() {
        assert_eq!(
            Overlap::of(&[1, 1], &[255, 1]).unwrap(),
            Overlap {
                intersection: 1,
                prediction: 1,
                truth: 1
            }
        );
        assert!(matches!(
            Overlap::of(&[255], &[1]),
            Err(MetricError::Class {
                what: "prediction",
                value: 255,
                ..
            })
        ));
        assert!(matches!(
            Overlap::of(&[1], &[3]),
            Err(MetricError::Class { what: "truth", .. })
        ));
        assert!(Overlap::of(&[1], &[]).is_err());
    }

    #[test]
    fn a_class_of_an_index_map() {
        let o = Overlap::of_class(&[2, 2, 0, 1], &[2, 1, 2, 1], 2, 3).unwrap();
        assert_eq!(
            o,
            Overlap {
                intersection: 1,
                prediction: 2,
                truth: 2
            }
        );
    }
}
