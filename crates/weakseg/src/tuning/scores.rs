//! What masks score: the Dice of images with and without a finding, weighed by how common either kind is.

use serde::{Deserialize, Serialize};

use super::curve::CaseCurves;
use super::rule::Placed;
use crate::metrics::Overlap;

/// Mean Dice of pairs of image and finding, an empty prediction of an empty truth being 1 ([`Overlap::iou`]).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Over all. None where one kind is lacking that should be there.
    pub all: Option<f64>,
    /// Over those that show the finding; none without any.
    pub pos: Option<f64>,
    /// Over the others; none without any.
    pub neg: Option<f64>,
}

impl Scores {
    /// Differences from other scores, where both are there.
    pub fn minus(&self, other: &Self) -> Self {
        let of = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        Self {
            all: of(self.all, other.all),
            pos: of(self.pos, other.pos),
            neg: of(self.neg, other.neg),
        }
    }
}

/// Sums of Dice over pairs of image and finding, the two kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    pos: Kind,
    neg: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Kind {
    dice: f64,
    pairs: usize,
}

impl Kind {
    fn mean(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.dice / self.pairs as f64)
    }

    fn add(&mut self, other: Self) {
        self.dice += other.dice;
        self.pairs += other.pairs;
    }
}

impl Tally {
    /// Of all findings of a case, by a rule; no rule is an empty mask.
    pub fn of(case: &CaseCurves, rule: Option<&Placed>) -> Self {
        let mut tally = Self::default();
        for curve in &case.curves {
            tally.count(&rule.map_or_else(|| curve.empty(), |rule| curve.overlap(rule)));
        }
        tally
    }

    fn count(&mut self, overlap: &Overlap) {
        let kind = match overlap.is_positive() {
            true => &mut self.pos,
            false => &mut self.neg,
        };
        kind.add(Kind {
            dice: overlap.dice(),
            pairs: 1,
        });
    }

    /// Whether there are pairs that show a finding.
    pub fn has_positive(&self) -> bool {
        self.pos.pairs > 0
    }

    /// Whether there are pairs that show none.
    pub fn has_negative(&self) -> bool {
        self.neg.pairs > 0
    }

    /// Share of the pairs that show the finding, in 0..=1; 0 without pairs.
    pub fn share(&self) -> f64 {
        let pairs = self.pos.pairs + self.neg.pairs;
        self.pos.pairs as f64 / pairs.max(1) as f64
    }

    /// The means. That of all is what it would be if a `share` of the pairs showed the finding, so that parts of a
    /// split that hold either kind in another proportion compare.
    pub fn scores(&self, share: f64) -> Scores {
        let (pos, neg) = (self.pos.mean(), self.neg.mean());
        let all = match (pos, neg) {
            (Some(pos), Some(neg)) => Some(neg + share * (pos - neg)),
            (pos, None) if share == 1.0 => pos,
            (None, neg) if share == 0.0 => neg,
            _ => None,
        };
        Scores { all, pos, neg }
    }

    /// What a search makes great: the mean of all as [`Tally::scores`] has it, or that of the one kind that is there.
    /// None without pairs.
    pub fn aim(&self, share: f64) -> Option<f64> {
        let Scores { all, pos, neg } = self.scores(share);
        all.or(pos).or(neg)
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum.pos.add(tally.pos);
            sum.neg.add(tally.neg);
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::super::sample::{case, cuts};
    use super::*;
    use crate::cam::Threshold;

    fn tally(cases: &[CaseCurves], rule: Option<&Placed>) -> Tally {
        cases.iter().map(|case| Tally::of(case, rule)).sum()
    }

    /// Two of three sick images are found whole, one with half of it missed (Dice 2·1 / (1 + 2)); the healthy one is
    /// empty.
    #[test]
    fn kinds_are_weighed_by_their_share() {
        let rule = Rule {
            threshold: Threshold::Fixed(0.5),
            gate: 0.0,
            triplet: None,
        };
        let cases = [
            case("a", true, &[0.1, 0.9], &[0, 1], 0.9),
            case("b", true, &[0.1, 0.9], &[0, 1], 0.9),
            case("c", true, &[0.3, 0.9], &[1, 1], 0.9),
            case("d", false, &[0.1, 0.3], &[0, 0], 0.9),
        ];
        let placed = rule.placed(&cuts());
        let four = tally(&cases, Some(&placed));
        let pos = (1.0 + 1.0 + 2.0 / 3.0) / 3.0;
        assert_eq!(four.share(), 0.75);
        let own = four.scores(four.share());
        assert!((own.pos.unwrap() - pos).abs() < 1e-12);
        // As it is, the mean of all four.
        assert!((own.all.unwrap() - (3.0 * pos + 1.0) / 4.0).abs() < 1e-12);
        let rare = four.scores(0.1);
        assert!((rare.all.unwrap() - (0.1 * pos + 0.9)).abs() < 1e-12);
        let empty = tally(&cases, None);
        assert_eq!(empty.scores(0.75).all, Some(0.25));
        assert_eq!(own.minus(&empty.scores(0.75)).neg, Some(0.0));

        // Where a kind is lacking that should be there nothing is said of all, and a search has the other.
        let sick = tally(&cases[..3], Some(&placed));
        assert_eq!((sick.scores(0.75).all, sick.scores(0.75).neg), (None, None));
        assert_eq!(sick.scores(1.0).all, sick.scores(1.0).pos);
        assert!((sick.aim(0.1).unwrap() - pos).abs() < 1e-12);
        let healthy = tally(&cases[3..], Some(&placed));
        assert_eq!(healthy.scores(0.0).all, Some(1.0));
        assert_eq!(healthy.scores(0.5).all, None);
        assert_eq!(healthy.aim(0.5), Some(1.0));
        assert_eq!(Tally::default().aim(0.5), None);
        assert_eq!(Tally::default().share(), 0.0);
    }
}
