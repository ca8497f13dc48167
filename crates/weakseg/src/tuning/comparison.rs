//! A rule beside the run's own and beside empty masks, on the same cases.

use super::curve::CaseCurves;
use super::cuts::Cuts;
use super::document::{Draw, Spread};
use super::rule::Rule;
use super::scores::Tally;
use crate::metrics::Bootstrap;

/// What each of some cases scores with a rule, with the run's own rule, and with an empty mask.
#[derive(Debug, Clone)]
pub struct Comparison {
    rule: Option<Rule>,
    cases: Vec<[Tally; 3]>,
    share: f64,
}

/// One of a draw's figures.
pub type Figure = fn(&Draw) -> Option<f64>;

impl Comparison {
    /// Of a rule, or of empty masks, on `cases`. Means over all images are those of a split of which a `share` shows
    /// the finding.
    pub fn new(
        rule: Option<Rule>,
        own: &Rule,
        cuts: &Cuts,
        cases: &[&CaseCurves],
        share: f64,
    ) -> Self {
        let [tuned, own] = [rule, Some(*own)].map(|rule| rule.map(|rule| rule.placed(cuts)));
        let of = |case: &CaseCurves| {
            [tuned.as_ref(), own.as_ref(), None].map(|rule| Tally::of(case, rule))
        };
        Self {
            rule,
            cases: cases.iter().map(|case| of(case)).collect(),
            share,
        }
    }

    /// All figures of all cases.
    pub fn draw(&self) -> Draw {
        self.of(0..self.cases.len())
    }

    /// A figure with its 95 % interval over images. The bootstrap is paired: what is compared is drawn together.
    pub fn spread(&self, figure: Figure, bootstrap: &Bootstrap) -> Option<Spread> {
        let mean = figure(&self.draw())?;
        let interval = bootstrap.interval(self.cases.len(), |places| {
            figure(&self.of(places.iter().copied()))
        });
        Some(Spread {
            mean,
            range: interval.map(|interval| [interval.low, interval.high]),
        })
    }

    /// All figures of the cases at some places, each as often as it is named.
    fn of(&self, places: impl Iterator<Item = usize> + Clone) -> Draw {
        let [tuned, own, empty] = [0, 1, 2].map(|which| {
            let tallies = places.clone().map(|place| self.cases[place][which]);
            tallies.sum::<Tally>().scores(self.share)
        });
        Draw {
            rule: self.rule,
            scored: places.count(),
            dice: tuned,
            gain: tuned.minus(&own),
            beyond_empty: tuned.minus(&empty).all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{case, cuts};
    use super::*;
    use crate::cam::Threshold;

    const OWN: Rule = Rule {
        threshold: Threshold::Fixed(0.5),
        gate: 0.0,
        triplet: None,
    };

    /// Above 0.7 every image is right; above 0.5 it is Dice 2·1 / (2 + 1) where one shows a finding, and 0 elsewhere.
    fn cases(sick: usize, healthy: usize) -> Vec<CaseCurves> {
        let sick = (0..sick).map(|_| case("s", true, &[0.1, 0.6, 0.9], &[0, 0, 1], 0.5));
        let healthy = (0..healthy).map(|_| case("h", false, &[0.1, 0.6, 0.7], &[0; 3], 0.5));
        sick.chain(healthy).collect()
    }

    fn of(cases: &[CaseCurves], threshold: f64) -> Comparison {
        let rule = Rule {
            threshold: Threshold::Fixed(threshold),
            ..OWN
        };
        let cases: Vec<&CaseCurves> = cases.iter().collect();
        Comparison::new(Some(rule), &OWN, &cuts(), &cases, 0.25)
    }

    #[test]
    fn three_ways_by_hand() {
        let found = of(&cases(2, 2), 0.7).draw();
        let near = |found: Option<f64>, expected: f64| {
            assert!(
                (found.expect("scored") - expected).abs() < 1e-12,
                "{found:?} {expected}"
            );
        };
        near(found.dice.all, 1.0);
        near(found.gain.pos, 1.0 / 3.0);
        near(found.gain.neg, 1.0);
        // A quarter shows the finding, though a half of these do: 1 - 2/3 / 4.
        near(found.gain.all, 5.0 / 6.0);
        near(found.beyond_empty, 0.25);
    }

    /// Every image of a kind gains the same, so that no choice of images changes what the two kinds gain together.
    #[test]
    fn the_bootstrap_is_paired_and_weighed() {
        let bootstrap = Bootstrap {
            draws: 200,
            ..Bootstrap::default()
        };
        let gain = of(&cases(6, 6), 0.7).spread(|draw| draw.gain.all, &bootstrap);
        let gain = gain.expect("scored");
        let [low, high] = gain.range.expect("of 12 images");
        assert!((low - 5.0 / 6.0).abs() < 1e-12 && (high - 5.0 / 6.0).abs() < 1e-12);
        assert!(gain.is_clear());

        // One of the sick images is of another kind, and loses by the same rule what the other gains.
        let mut mixed = cases(1, 0);
        mixed.push(case("dim", true, &[0.1, 0.6, 0.6], &[0, 1, 1], 0.5));
        let spread = of(&mixed, 0.7).spread(|draw| draw.gain.pos, &bootstrap);
        let spread = spread.expect("scored");
        assert!((spread.mean - (1.0 / 3.0 - 1.0) / 2.0).abs() < 1e-12);
        let [low, high] = spread.range.expect("of two images");
        assert!((low + 1.0).abs() < 1e-12 && (high - 1.0 / 3.0).abs() < 1e-12);
        assert!(!spread.is_clear());
        let alone = of(&mixed[..1], 0.7).spread(|draw| draw.gain.pos, &bootstrap);
        assert_eq!(alone.expect("scored").range, None, "one image");
    }
}
