//! The rules that are tried, and the best of them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::curve::CaseCurves;
use super::cuts::Cuts;
use super::rule::Rule;
use super::scores::Tally;
use crate::cam::Threshold;
use crate::config::Triplet;

/// High thresholds of the triplet rules that are tried; those below the low one are left out.
const TOPS: [f64; 5] = [0.5, 0.6, 0.7, 0.8, 0.9];

/// Areas of the triplet rules that are tried, as shares of the image. The winners of SIIM-ACR chose 600 and 2000 of
/// 1024² pixels.
const AREAS: [f64; 6] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02];

/// What of a rule is chosen by masks; the rest stays as the run is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freedom {
    /// The threshold.
    Threshold,
    /// Threshold and gate.
    Gate,
    /// Threshold, gate and triplet rule.
    Triplet,
}

impl Freedom {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Gate => "threshold, gate",
            Self::Triplet => "threshold, gate, triplet",
        }
    }
}

/// Every rule that `freedom` leaves beside the run's own, that first and then from near to far: those that differ from
/// it in fewer parts, then those whose gate, then those whose threshold is nearer. To do without a triplet rule is
/// tried before others.
///
/// Gates are 0.1 to 0.9, and 0. None lies below `lowest_gate`, under which there is nothing to make a mask of.
pub fn rules(own: &Rule, freedom: Freedom, lowest_gate: f64) -> Vec<Rule> {
    let mut thresholds = vec![own.threshold];
    let grid = Cuts::grid().into_iter().map(Threshold::Fixed);
    thresholds.extend(grid.filter(|&cut| cut != own.threshold));
    let mut gates = vec![own.gate];
    let mut triplets = vec![own.triplet];
    if freedom >= Freedom::Gate {
        let tenths = (0..10u8).map(|tenth| f64::from(tenth) / 10.0);
        gates.extend(tenths.filter(|&gate| gate >= lowest_gate && gate != own.gate));
    }
    if freedom >= Freedom::Triplet {
        triplets.extend(own.triplet.map(|_| None));
        let grid = TOPS.iter().flat_map(|&top| {
            let of = move |&min_area| Some(Triplet { top, min_area });
            AREAS.iter().map(of)
        });
        triplets.extend(grid.filter(|&triplet| triplet != own.triplet));
    }
    let mut rules = Vec::new();
    for &threshold in &thresholds {
        for &gate in &gates {
            for &triplet in &triplets {
                let rule = Rule {
                    threshold,
                    gate,
                    triplet,
                };
                let (Threshold::Fixed(low), Some(triplet)) = (threshold, triplet) else {
                    rules.push(rule);
                    continue;
                };
                if triplet.top >= low {
                    rules.push(rule);
                }
            }
        }
    }
    // A stable sort: what is equally near stays in the order of the grid.
    rules.sort_by(|a, b| {
        let (a, b) = (distance(own, a), distance(own, b));
        a.0.cmp(&b.0)
            .then(a.1.total_cmp(&b.1))
            .then(a.2.total_cmp(&b.2))
    });
    rules
}

/// Parts that differ, difference of gates, difference of thresholds; Otsu's is as far from any number as 0 from 1.
fn distance(own: &Rule, rule: &Rule) -> (usize, f64, f64) {
    let thresholds = match (own.threshold, rule.threshold) {
        (Threshold::Fixed(a), Threshold::Fixed(b)) => (a - b).abs(),
        (a, b) => f64::from(u8::from(a != b)),
    };
    let parts = usize::from(thresholds > 0.0)
        + usize::from(own.gate != rule.gate)
        + usize::from(own.triplet != rule.triplet);
    (parts, (own.gate - rule.gate).abs(), thresholds)
}

/// The rule with the greatest mean Dice over the findings of `cases`, pairs that show one being weighed as if they were
/// a `share` of all ([`Tally::aim`]); of equal ones the first. None without rules or cases.
pub fn best(rules: &[Rule], cuts: &Cuts, cases: &[&CaseCurves], share: f64) -> Option<Rule> {
    let scores: Vec<Option<f64>> = rules
        .par_iter()
        .map(|rule| {
            let placed = rule.placed(cuts);
            let tallies = cases.iter().map(|case| Tally::of(case, Some(&placed)));
            tallies.sum::<Tally>().aim(share)
        })
        .collect();
    let mut best: Option<(f64, Rule)> = None;
    for (&rule, score) in rules.iter().zip(scores) {
        let score = score?;
        if best.is_none_or(|(top, _)| score > top) {
            best = Some((score, rule));
        }
    }
    best.map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::sample::{case, cuts};

    const OWN: Rule = Rule {
        threshold: Threshold::Fixed(0.5),
        gate: 0.5,
        triplet: None,
    };

    /// The best of the rules where a half of the pairs show the finding, and its mean.
    fn best_of(own: &Rule, freedom: Freedom, cases: &[&CaseCurves]) -> (Rule, f64) {
        let rule = best(&rules(own, freedom, 0.0), &cuts(), cases, 0.5).expect("cases");
        (rule, mean_of(&rule, cases, 0.5))
    }

    fn mean_of(rule: &Rule, cases: &[&CaseCurves], share: f64) -> f64 {
        let placed = rule.placed(&cuts());
        let tallies = cases.iter().map(|case| Tally::of(case, Some(&placed)));
        tallies.sum::<Tally>().aim(share).expect("cases")
    }

    #[test]
    fn the_runs_own_rule_is_the_first_of_all() {
        for (freedom, count) in [
            (Freedom::Threshold, 49),
            (Freedom::Gate, 49 * 10),
            // Of the 49 thresholds 25 are at most 0.5, 30 at most 0.6, 35, 40 and 45.
            (Freedom::Triplet, 10 * (49 + 6 * (25 + 30 + 35 + 40 + 45))),
        ] {
            let rules = rules(&OWN, freedom, 0.0);
            assert_eq!((rules[0], rules.len()), (OWN, count), "{freedom:?}");
        }
        let near = rules(&OWN, Freedom::Gate, 0.5);
        assert_eq!(near.len(), 49 * 5);
        assert_eq!(near[1].gate, 0.5, "one part before two");
        assert_eq!(near[1].threshold, Threshold::Fixed(0.48));
        let own = Rule {
            threshold: Threshold::OTSU,
            gate: 0.05,
            ..OWN
        };
        let rules = rules(&own, Freedom::Gate, 0.05);
        assert_eq!((rules[0], rules.len()), (own, 50 * 10));
    }

    #[test]
    fn to_do_without_the_runs_own_triplet_is_tried() {
        let triplet = Some(Triplet {
            top: 0.5,
            min_area: 0.3,
        });
        let own = Rule { triplet, ..OWN };
        let rules = rules(&own, Freedom::Triplet, 0.0);
        // Beside those of a run without: its own at 25 thresholds.
        assert_eq!(
            rules.len(),
            10 * (49 + 25 + 6 * (25 + 30 + 35 + 40 + 45)),
            "none twice"
        );
        assert!(rules.contains(&OWN));
        // One of four pixels is sure, less than the run asks for.
        let sick = case("sick", true, &[0.1, 0.1, 0.1, 0.95], &[0, 0, 0, 1], 0.95);
        let (rule, dice) = best_of(&own, Freedom::Triplet, &[&sick]);
        assert_eq!((rule.triplet, dice), (None, 1.0));
        let (rule, dice) = best_of(&own, Freedom::Gate, &[&sick]);
        assert_eq!((rule, dice), (own, 0.0), "it is not to be chosen");
    }

    #[test]
    fn the_kinds_are_weighed_as_the_split_has_them() {
        // Above 0.61 the sick one is found whole and the healthy one is not empty; above 0.81 it is half lost:
        // 2·1 / (1 + 2).
        let sick = case("sick", true, &[0.11, 0.61, 0.91, 0.75], &[0, 0, 1, 1], 0.9);
        let healthy = case("healthy", false, &[0.11, 0.61, 0.65, 0.81], &[0; 4], 0.9);
        let cases = [&sick, &healthy];
        let own = Rule { gate: 0.0, ..OWN };
        let rules = rules(&own, Freedom::Threshold, 0.0);
        // share·1 beside share·2/3 + 1 - share, which are the same for a share of 3/4.
        for (share, cut, dice) in [
            (0.1, 0.82, 0.1 * 2.0 / 3.0 + 0.9),
            (0.74, 0.82, 0.74 * 2.0 / 3.0 + 0.26),
            (0.76, 0.62, 0.76),
        ] {
            let rule = best(&rules, &cuts(), &cases, share).expect("cases");
            assert_eq!(rule.threshold, Threshold::Fixed(cut), "{share}");
            assert!((mean_of(&rule, &cases, share) - dice).abs() < 1e-12);
        }
    }

    #[test]
    fn a_planted_threshold_is_found() {
        let sick = case("sick", true, &[0.11, 0.61, 0.91, 0.75], &[0, 0, 1, 1], 0.9);
        let healthy = case("healthy", false, &[0.11, 0.61, 0.65, 0.81], &[0; 4], 0.35);
        let cases = [&sick, &healthy];
        let own = Rule { gate: 0.0, ..OWN };
        // 0.62 to 0.74 are right for the sick image and wrong for the healthy one: 1 and 0. Above 0.81 it is 2/3 and 1.
        let (rule, dice) = best_of(&own, Freedom::Threshold, &cases);
        assert_eq!(rule.threshold, Threshold::Fixed(0.82));
        assert!((dice - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12, "{dice}");
    }

    #[test]
    fn a_planted_gate_is_found_and_no_more_is_changed_than_is_needed() {
        // No threshold and no area tells these apart, but the classifier does.
        let sick = case("sick", true, &[0.11, 0.61, 0.91, 0.75], &[0, 0, 1, 1], 0.9);
        let healthy = case("healthy", false, &[0.11, 0.61, 0.65, 0.93], &[0; 4], 0.35);
        let cases = [&sick, &healthy];
        let own = Rule { gate: 0.0, ..OWN };
        // The nearest of the thresholds and the lowest of the gates that do it.
        let expected = Rule {
            threshold: Threshold::Fixed(0.62),
            gate: 0.4,
            triplet: None,
        };
        for freedom in [Freedom::Gate, Freedom::Triplet] {
            assert_eq!(best_of(&own, freedom, &cases), (expected, 1.0));
        }
    }

    #[test]
    fn a_planted_triplet_is_found_where_it_alone_will_do() {
        // The classifier is as sure of either; the sick one alone lies above 0.8 somewhere.
        let sick = case("sick", true, &[0.31, 0.61, 0.71, 0.95], &[0, 1, 1, 1], 0.95);
        let healthy = case("healthy", false, &[0.31, 0.61, 0.71, 0.71], &[0; 4], 0.95);
        let cases = [&sick, &healthy];
        let own = Rule { gate: 0.0, ..OWN };
        let triplet = Some(Triplet {
            top: 0.8,
            min_area: 0.0005,
        });
        let expected = Rule { triplet, ..own };
        assert_eq!(best_of(&own, Freedom::Triplet, &cases), (expected, 1.0));
    }

    #[test]
    fn where_nothing_helps_the_runs_own_rule_stays() {
        let empty = case("healthy", false, &[0.1; 4], &[0; 4], 0.1);
        let rules = rules(&OWN, Freedom::Triplet, 0.0);
        assert_eq!(best(&rules, &cuts(), &[&empty], 0.5), Some(OWN));
        assert_eq!(best(&rules, &cuts(), &[], 0.5), None);
        assert_eq!(best(&[], &cuts(), &[&empty], 0.5), None);
    }
}
