//! What every rule would make of one case, in a few thousand bytes instead of its maps.

use weakseg_data::Plane;

use super::cuts::Cuts;
use super::rule::Placed;
use crate::cam::{Threshold, binarise};
use crate::irn::filter::remove_weak_regions;
use crate::metrics::{MetricError, Overlap, VOID};

/// One finding of one case: how many pixels lie above each cut, and how many of them are truth. Every
/// [`Rule`](super::Rule) of these cuts is scored from it, exactly as if its mask had been made.
#[derive(Debug, Clone)]
pub struct Curve {
    /// The classifier's probability of the finding.
    probability: f32,
    /// Pixels of the image.
    pixels: u64,
    /// True pixels.
    truth: u64,
    /// Above each cut.
    above: Vec<Above>,
    /// Above Otsu's threshold.
    otsu: Above,
}

/// What lies above a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Above {
    /// All pixels, void ones and those of small regions too: the triplet rule knows of neither.
    sure: u64,
    /// Predicted pixels that are not void.
    prediction: u64,
    /// Those that are truth.
    intersection: u64,
}

/// All findings of one case.
#[derive(Debug, Clone)]
pub struct CaseCurves {
    /// The case.
    pub id: String,
    /// Whose image it is, where known.
    pub patient: Option<String>,
    /// Whether its label names a finding.
    pub positive: bool,
    /// One for each finding of whose true mask a pixel counts, in order.
    pub curves: Vec<Curve>,
}

impl Curve {
    /// Of the map or the probabilities of a finding, at the size of its true mask: H × W values in row-major order, 0,
    /// 1 and 255 for void. Regions that cover less than `min_area` of the image, a share, are removed above every cut.
    ///
    /// # Errors
    /// If the sizes differ or the truth holds another value.
    pub fn new(
        values: &Plane<f32>,
        truth: &[u8],
        probability: f32,
        cuts: &Cuts,
        min_area: f32,
    ) -> Result<Self, MetricError> {
        let empty = vec![0; values.len()];
        let count = Overlap::of(&empty, truth)?.truth;
        let mut above = histogram(values.as_slice(), truth, cuts);
        if min_area > 0.0 {
            for (above, &level) in above.iter_mut().zip(cuts.levels()) {
                *above = Above {
                    sure: above.sure,
                    ..kept(values, truth, level, min_area)
                };
            }
        }
        let otsu = Threshold::OTSU.of(values.as_slice());
        Ok(Self {
            probability,
            pixels: values.len() as u64,
            truth: count,
            above,
            otsu: kept(values, truth, otsu, min_area),
        })
    }

    /// Pixels of an empty mask, of the truth, and of both.
    pub fn empty(&self) -> Overlap {
        Overlap {
            truth: self.truth,
            ..Overlap::default()
        }
    }

    /// Pixels of the mask that the rule makes, of the truth, and of both.
    ///
    /// # Panics
    /// If the rule was placed among more cuts than these.
    pub fn overlap(&self, rule: &Placed) -> Overlap {
        let open = rule.gate == 0.0 || f64::from(self.probability) > rule.gate;
        let sure = rule
            .triplet
            .is_none_or(|(top, triplet)| triplet.is_met(self.above[top].sure, self.pixels));
        let above = match rule.threshold {
            _ if !open || !sure => Above::default(),
            Some(cut) => self.above[cut],
            None => self.otsu,
        };
        Overlap {
            intersection: above.intersection,
            prediction: above.prediction,
            truth: self.truth,
        }
    }
}

/// What lies above every cut, from one look at each pixel.
fn histogram(values: &[f32], truth: &[u8], cuts: &Cuts) -> Vec<Above> {
    // Pixels by the number of cuts that they lie above; a cut has all that lie above more of them than its place says.
    let mut bins = vec![Above::default(); cuts.len() + 1];
    for (&value, &truth) in values.iter().zip(truth) {
        let bin = &mut bins[cuts.below(value)];
        bin.sure += 1;
        bin.prediction += u64::from(truth != VOID);
        bin.intersection += u64::from(truth == 1);
    }
    let mut sum = Above::default();
    for bin in bins.iter_mut().rev() {
        sum.sure += bin.sure;
        sum.prediction += bin.prediction;
        sum.intersection += bin.intersection;
        *bin = sum;
    }
    bins.split_off(1)
}

/// What lies above one level and in no small region.
fn kept(values: &Plane<f32>, truth: &[u8], level: f32, min_area: f32) -> Above {
    let mut mask = binarise::above(values, level);
    if min_area > 0.0 {
        mask = remove_weak_regions(&mask, values, min_area, 0.0);
    }
    let mut above = Above::default();
    for (&inside, &truth) in mask.as_slice().iter().zip(truth) {
        above.sure += u64::from(inside == 1);
        above.prediction += u64::from(inside == 1 && truth != VOID);
        above.intersection += u64::from(inside == 1 && truth == 1);
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Triplet;
    use crate::finding_rule::FindingRule;
    use crate::tuning::Rule;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const OWN: f64 = 0.123;

    fn rule(threshold: Threshold, gate: f64, triplet: Option<Triplet>) -> Rule {
        Rule {
            threshold,
            gate,
            triplet,
        }
    }

    #[test]
    fn eight_pixels_by_hand() {
        let values = Plane::new(2, 4, vec![0.9, 0.5, 0.1, 0.0, 0.7, 0.3, 0.3, 0.9]).unwrap();
        let truth = [1, 1, 1, 0, 0, 0, 1, VOID];
        let cuts = Cuts::of_scores(&[]);
        let curve = Curve::new(&values, &truth, 0.6, &cuts, 0.0).unwrap();
        let of = |cut: f64, gate: f64, triplet| {
            let rule = rule(Threshold::Fixed(cut), gate, triplet);
            let o = curve.overlap(&rule.placed(&cuts));
            (o.intersection, o.prediction, o.truth)
        };
        // The void pixel lies above most cuts and is never predicted.
        assert_eq!(of(0.02, 0.0, None), (4, 6, 4));
        assert_eq!(of(0.4, 0.0, None), (2, 3, 4));
        assert_eq!(of(0.5, 0.0, None), (1, 2, 4));
        assert_eq!(of(0.98, 0.0, None), (0, 0, 4));
        // The gate is closed at the probability itself.
        let probability = f64::from(0.6f32);
        assert_eq!(of(0.4, 0.5, None), (2, 3, 4));
        assert_eq!(of(0.4, probability, None), (0, 0, 4));
        // Two of eight pixels are sure, the void one among them.
        let triplet = |min_area| Some(Triplet { top: 0.8, min_area });
        assert_eq!(of(0.4, 0.0, triplet(0.25)), (2, 3, 4));
        assert_eq!(of(0.4, 0.0, triplet(0.26)), (0, 0, 4));
    }

    #[test]
    fn as_if_every_mask_had_been_made() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (height, width) = (7, 9);
        let mut some = 0;
        for min_area in [0.0, 0.05] {
            for cuts in [Cuts::of_scores(&[OWN]), Cuts::of_maps(&[OWN])] {
                // Values of which many lie just on a cut.
                let values = Plane::from_fn(height, width, |_, _| {
                    (f64::from(random.random_range(0..50u8)) / 50.0) as f32
                });
                let truth: Vec<u8> = (0..height * width)
                    .map(|_| [0, 0, 1, VOID][random.random_range(0..4)])
                    .collect();
                let of_maps = cuts == Cuts::of_maps(&[OWN]);
                let curve = Curve::new(&values, &truth, 0.5, &cuts, min_area as f32).unwrap();
                for cut in Cuts::grid().into_iter().chain([OWN]) {
                    let mask = match of_maps {
                        true => {
                            let above = binarise::above(&values, Threshold::Fixed(cut).of(&[]));
                            remove_weak_regions(&above, &values, min_area as f32, 0.0)
                        }
                        false => FindingRule {
                            threshold: cut,
                            triplet: None,
                            min_area,
                        }
                        .mask(&values),
                    };
                    let made = Overlap::of(mask.as_slice(), &truth).unwrap();
                    let read = rule(Threshold::Fixed(cut), 0.0, None);
                    let read = curve.overlap(&read.placed(&cuts));
                    assert_eq!(read, made, "{cut} {min_area}");
                    some += made.prediction;
                }
                let above = binarise::above(&values, Threshold::OTSU.of(values.as_slice()));
                let kept = remove_weak_regions(&above, &values, min_area as f32, 0.0);
                let made = Overlap::of(kept.as_slice(), &truth).unwrap();
                let read = rule(Threshold::OTSU, 0.0, None).placed(&cuts);
                assert_eq!(curve.overlap(&read), made);
            }
        }
        assert!(some > 1000);
    }

    #[test]
    fn triplets_as_if_every_mask_had_been_made() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let cuts = Cuts::of_scores(&[]);
        let mut emptied = 0;
        for _ in 0..20 {
            let peak = random.random::<f32>();
            let values = Plane::from_fn(8, 8, |_, _| peak * random.random::<f32>());
            let truth: Vec<u8> = (0..64).map(|_| random.random_range(0..2)).collect();
            let curve = Curve::new(&values, &truth, 0.5, &cuts, 0.03).unwrap();
            for threshold in [0.2, 0.5] {
                for (top, min_area) in [(0.5, 0.0), (0.5, 0.02), (0.7, 0.1), (0.9, 0.02)] {
                    let triplet = Some(Triplet { top, min_area });
                    let made = FindingRule {
                        threshold,
                        triplet,
                        min_area: 0.03,
                    }
                    .mask(&values);
                    let made = Overlap::of(made.as_slice(), &truth).unwrap();
                    let read = rule(Threshold::Fixed(threshold), 0.0, triplet);
                    assert_eq!(curve.overlap(&read.placed(&cuts)), made);
                    emptied += u32::from(made.prediction == 0);
                }
            }
        }
        assert!((20..140).contains(&emptied), "{emptied} of 160");
    }

    #[test]
    fn another_size_is_refused() {
        let cuts = Cuts::of_scores(&[]);
        let values = Plane::filled(2, 2, 0.5);
        assert!(Curve::new(&values, &[0; 3], 0.5, &cuts, 0.0).is_err());
        assert!(Curve::new(&values, &[0, 1, 2, 0], 0.5, &cuts, 0.0).is_err());
    }
}
