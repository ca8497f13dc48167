//! The order in which an epoch visits its cases: a pure function of (seed, epoch), so there is no state to save.

use crate::Case;
use crate::DataError;
use crate::chance::{Purpose, below, shuffle, stream, unit};

/// How an epoch draws its cases, as indices `0..len`.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// In random order, each once.
    Shuffle {
        /// Number of cases.
        len: usize,
    },
    /// With replacement, as many draws as cases, case `i` with a chance in proportion to `weights[i]`.
    Weighted {
        /// One weight per case, at least one of them above 0.
        weights: Vec<f64>,
    },
    /// With replacement, as many draws as cases, a share of them from the positives.
    Share(Shares),
    /// In random order, each of some cases once.
    Part {
        /// Their indices.
        places: Vec<usize>,
    },
}

/// Positives and negatives with the share of the former; made by [`Sampler::share`] and [`Sampler::scheduled`].
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// Not empty where any are to be drawn.
    positives: Vec<usize>,
    /// Not empty where any are to be drawn.
    negatives: Vec<usize>,
    /// 0 to 1.
    share: Ramp,
}

/// A number that goes from one value to another in a straight line over the first epochs, and stays there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// In epoch 0.
    pub from: f64,
    /// In epoch `epochs - 1` and later.
    pub to: f64,
    /// Epochs on the way, both ends counted.
    pub epochs: u64,
}

impl Ramp {
    /// The value in an epoch, the first being 0.
    #[must_use]
    pub fn at(&self, epoch: u64) -> f64 {
        let last = self.epochs.saturating_sub(1);
        if epoch >= last {
            return self.to;
        }
        self.from + (self.to - self.from) * (epoch as f64 / last as f64)
    }
}

impl Sampler {
    /// Balances classes: every label is drawn about as often as every other, and cases without any label as often as
    /// one label.
    ///
    /// A case of one label has the weight 1 / count(label), one without any label 1 / count(of such cases), which for
    /// one finding is the reference's sampler: about half positives. Departs from the reference, which knows one label
    /// a case: a case of several has the mean of their weights, because the sum would favour crowded images.
    ///
    /// # Errors
    /// [`DataError::Setting`] if the cases all have the same labels or there are none: there is nothing to balance.
    pub fn balanced(cases: &[&Case]) -> Result<Self, DataError> {
        let classes = cases.first().map_or(0, |case| case.labels.len());
        let mut counts = vec![0_usize; classes];
        let mut without = 0_usize;
        for case in cases {
            without += usize::from(!case.is_positive());
            for (count, &label) in counts.iter_mut().zip(&case.labels) {
                *count += usize::from(label);
            }
        }
        let positives = cases.len() - without;
        if positives == 0 || (classes == 1 && without == 0) {
            return Err(impossible("\"balanced\"", cases.len(), positives, BOTH));
        }
        let weights = cases
            .iter()
            .map(|case| {
                let of_labels: Vec<f64> = counts
                    .iter()
                    .zip(&case.labels)
                    .filter(|(_, label)| **label)
                    .map(|(&count, _)| 1.0 / count as f64)
                    .collect();
                if of_labels.is_empty() {
                    1.0 / without as f64
                } else {
                    of_labels.iter().sum::<f64>() / of_labels.len() as f64
                }
            })
            .collect();
        Ok(Self::Weighted { weights })
    }

    /// Draws positives (cases with any label) with a fixed share.
    ///
    /// # Errors
    /// [`DataError::Setting`] if the share is no share, or if a kind that is asked for has no case.
    pub fn share(cases: &[&Case], share: f64) -> Result<Self, DataError> {
        Self::scheduled(cases, share, share, 1)
    }

    /// Draws positives with a share that goes from one to another over the first `epochs` epochs, as challenge winners
    /// on SIIM-ACR did it: many to begin with, as many as there are in the end.
    ///
    /// # Errors
    /// As [`Sampler::share`].
    pub fn scheduled(cases: &[&Case], from: f64, to: f64, epochs: u64) -> Result<Self, DataError> {
        for share in [from, to] {
            if !(0.0..=1.0).contains(&share) {
                return Err(DataError::Setting {
                    key: "sampler".into(),
                    found: share.to_string(),
                    expected: "a share of positives between 0 and 1".into(),
                });
            }
        }
        let (positives, negatives): (Vec<usize>, Vec<usize>) =
            (0..cases.len()).partition(|&index| cases[index].is_positive());
        let (most, least) = (from.max(to), from.min(to));
        if (positives.is_empty() && most > 0.0) || (negatives.is_empty() && least < 1.0) {
            let kind = match from == to {
                true => format!("a share of {from}"),
                false => format!("a schedule from {from} to {to}"),
            };
            return Err(impossible(&kind, cases.len(), positives.len(), BOTH));
        }
        Ok(Self::Share(Shares {
            positives,
            negatives,
            share: Ramp { from, to, epochs },
        }))
    }

    /// Draws each positive once, in random order.
    ///
    /// # Errors
    /// [`DataError::Setting`] if there is none.
    pub fn positives(cases: &[&Case]) -> Result<Self, DataError> {
        let places: Vec<usize> = (0..cases.len())
            .filter(|&index| cases[index].is_positive())
            .collect();
        if places.is_empty() {
            let needed = "at least one case with a finding, or \"shuffle\"";
            return Err(impossible("\"positives\"", cases.len(), 0, needed));
        }
        Ok(Self::Part { places })
    }

    /// Draws in an epoch: the number of cases, or of positives where they are drawn alone.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Shuffle { len } => *len,
            Self::Weighted { weights } => weights.len(),
            Self::Part { places } => places.len(),
            Self::Share(shares) => shares.positives.len() + shares.negatives.len(),
        }
    }

    /// Whether an epoch has no draws.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The indices of one epoch, in order.
    #[must_use]
    pub fn epoch_order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let mut rng = stream(Purpose::Order, seed, epoch, 0);
        match self {
            Self::Shuffle { len } => {
                let mut order: Vec<usize> = (0..*len).collect();
                shuffle(&mut rng, &mut order);
                order
            }
            Self::Weighted { weights } => {
                let mut total = 0.0;
                let cumulative: Vec<f64> = weights
                    .iter()
                    .map(|weight| {
                        total += weight;
                        total
                    })
                    .collect();
                // The last index with a weight: rounding must not push a draw past it.
                let last = weights
                    .iter()
                    .rposition(|&weight| weight > 0.0)
                    .unwrap_or(0);
                let draw = |_| {
                    let at = unit(&mut rng) * total;
                    cumulative.partition_point(|&sum| sum <= at).min(last)
                };
                (0..weights.len()).map(draw).collect()
            }
            Self::Share(Shares {
                positives,
                negatives,
                share,
            }) => {
                let share = share.at(epoch);
                let draw = |_| {
                    let kind = if unit(&mut rng) < share {
                        positives
                    } else {
                        negatives
                    };
                    kind[below(&mut rng, kind.len())]
                };
                (0..self.len()).map(draw).collect()
            }
            Self::Part { places } => {
                let mut order = places.clone();
                shuffle(&mut rng, &mut order);
                order
            }
        }
    }
}

const BOTH: &str = "cases with and without findings, or \"shuffle\"";

/// The error of a sampler that these cases do not allow.
fn impossible(kind: &str, cases: usize, positives: usize, needed: &str) -> DataError {
    DataError::Setting {
        key: "sampler".into(),
        found: format!(
            "{kind} over {positives} positives and {} negatives",
            cases - positives
        ),
        expected: needed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;

    fn case(labels: &[bool]) -> Case {
        Case {
            id: "a".into(),
            patient: None,
            image: "a.png".into(),
            labels: labels.to_vec(),
            split: Split::Train,
            view: crate::View::default(),
        }
    }

    fn refs(cases: &[Case]) -> Vec<&Case> {
        cases.iter().collect()
    }

    #[test]
    fn an_order_is_a_function_of_seed_and_epoch() {
        let sampler = Sampler::Shuffle { len: 100 };
        let order = sampler.epoch_order(3, 4);
        assert_eq!(order, sampler.epoch_order(3, 4));
        assert_ne!(order, sampler.epoch_order(3, 5));
        assert_ne!(order, sampler.epoch_order(4, 4));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, Vec::from_iter(0..100));
    }

    #[test]
    fn balanced_draws_are_half_positive_within_a_hundredth() {
        let cases: Vec<Case> = (0..1000).map(|index| case(&[index % 10 == 0])).collect();
        let sampler = Sampler::balanced(&refs(&cases)).unwrap();
        let drawn: Vec<usize> = (0..100)
            .flat_map(|epoch| sampler.epoch_order(0, epoch))
            .collect();
        assert_eq!(drawn.len(), 100_000);
        let positives = drawn
            .iter()
            .filter(|&&index| cases[index].labels[0])
            .count();
        assert!((49_000..=51_000).contains(&positives), "{positives}");
    }

    #[test]
    fn several_labels_share_their_weight() {
        let cases = [
            case(&[true, false]),
            case(&[true, true]),
            case(&[false, false]),
            case(&[true, false]),
        ];
        let Sampler::Weighted { weights } = Sampler::balanced(&refs(&cases)).unwrap() else {
            panic!("a balanced sampler is weighted")
        };
        let third = 1.0 / 3.0;
        assert_eq!(weights, [third, (third + 1.0) / 2.0, 1.0, third]);
    }

    #[test]
    fn a_share_is_kept() {
        let cases: Vec<Case> = (0..1000).map(|index| case(&[index < 50])).collect();
        let sampler = Sampler::share(&refs(&cases), 0.8).unwrap();
        let drawn = sampler.epoch_order(1, 0);
        let positives = drawn.iter().filter(|&&index| index < 50).count();
        assert!((760..=840).contains(&positives), "{positives}");
        assert!(Sampler::share(&refs(&cases[..50]), 1.0).is_ok());
        assert!(Sampler::share(&refs(&cases[..50]), 0.5).is_err());
        assert!(Sampler::share(&refs(&cases), 1.5).is_err());
    }

    #[test]
    fn a_share_can_follow_the_epochs() {
        let cases: Vec<Case> = (0..4000).map(|index| case(&[index < 900])).collect();
        let sampler = Sampler::scheduled(&refs(&cases), 0.8, 0.2, 4).unwrap();
        for (epoch, expected) in [0.8, 0.6, 0.4, 0.2, 0.2, 0.2].into_iter().enumerate() {
            let drawn = sampler.epoch_order(1, epoch as u64);
            let positives = drawn.iter().filter(|&&index| index < 900).count();
            // Four standard deviations of 4,000 draws.
            let share = positives as f64 / 4000.0;
            assert!((share - expected).abs() < 0.032, "epoch {epoch}: {share}");
        }
        let fixed = Ramp {
            from: 0.3,
            to: 0.7,
            epochs: 1,
        };
        assert_eq!((fixed.at(0), fixed.at(9)), (0.7, 0.7));
        assert!(Sampler::scheduled(&refs(&cases[..900]), 1.0, 0.9, 3).is_err());
        assert!(Sampler::scheduled(&refs(&cases), 0.2, f64::NAN, 3).is_err());
    }

    #[test]
    fn positives_can_be_drawn_alone() {
        let cases: Vec<Case> = (0..50).map(|index| case(&[index % 5 == 0])).collect();
        let sampler = Sampler::positives(&refs(&cases)).unwrap();
        let mut drawn = sampler.epoch_order(0, 0);
        assert_eq!(sampler.len(), 10);
        assert_ne!(drawn, sampler.epoch_order(0, 1));
        drawn.sort_unstable();
        assert_eq!(drawn, (0..50).step_by(5).collect::<Vec<_>>());
        assert!(Sampler::positives(&refs(&cases[1..5])).is_err());
    }

    #[test]
    fn one_kind_alone_cannot_be_balanced() {
        let cases = vec![case(&[false]); 5];
        let error = Sampler::balanced(&refs(&cases)).unwrap_err().to_string();
        assert!(error.contains("0 positives and 5 negatives"), "{error}");
        assert!(Sampler::balanced(&refs(&[case(&[true]), case(&[true])])).is_err());
        assert!(Sampler::balanced(&[]).is_err());
        assert!(Sampler::balanced(&refs(&[case(&[true]), case(&[false])])).is_ok());
    }

    #[test]
    fn weights_of_zero_are_never_drawn() {
        let sampler = Sampler::Weighted {
            weights: vec![0.0, 1.0, 0.0, 2.0, 0.0],
        };
        for epoch in 0..200 {
            assert!(
                sampler
                    .epoch_order(9, epoch)
                    .iter()
                    .all(|index| [1, 3].contains(index))
            );
        }
    }
}
