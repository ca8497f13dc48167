//! What masks buy: rules chosen on a few cases of one split, scored on the cases of another.

use weakseg_data::Split;

use super::curve::CaseCurves;
use super::document::{Dice, LeftOut, Line, Set, Spread, Stage, StageTuning, Tuned};
use super::draw::draw;
use super::rule::{Rule, Scores};
use super::search::{Freedom, best, rules};
use super::verdict::verdict;
use crate::cam::Threshold;

/// How much is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Numbers of masks.
    pub masks: Vec<usize>,
    /// How often each number is drawn.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// The cases that masks are drawn from and those that rules are scored on.
#[derive(Debug, Clone)]
pub struct Material {
    /// Cases of the validation split.
    pub tuning: Vec<CaseCurves>,
    /// Cases of the test split; none where that has no masks: then whatever of `tuning` is not drawn is scored on.
    pub scoring: Option<Vec<CaseCurves>>,
}

impl Material {
    /// The cases that are scored on where `drawn` are the places of those that rules are chosen on.
    fn scored(&self, drawn: &[usize]) -> Vec<&CaseCurves> {
        match &self.scoring {
            Some(cases) => cases.iter().collect(),
            None => (0..self.tuning.len())
                .filter(|place| drawn.binary_search(place).is_err())
                .map(|place| &self.tuning[place])
                .collect(),
        }
    }
}

/// Tries every number of masks of the plan. `own` is the run's rule; gates below `lowest_gate` are not tried.
pub fn experiment(
    stage: Stage,
    own: &Rule,
    lowest_gate: f64,
    material: &Material,
    plan: &Plan,
) -> StageTuning {
    let trial = Trial {
        own,
        lowest_gate,
        material,
    };
    let mut masks = plan.masks.clone();
    masks.sort_unstable();
    masks.dedup();
    let mut lines = Vec::new();
    let mut left_out = Vec::new();
    for count in masks {
        match trial.refusal(count) {
            Some(reason) => left_out.push(LeftOut {
                masks: count,
                reason,
            }),
            None if count == 0 => lines.extend(trial.without_masks(stage)),
            None => {
                for &freedom in stage.freedoms() {
                    lines.push(trial.drawn(freedom, count, plan));
                }
            }
        }
    }
    lines.extend(trial.bound(stage));
    let set = |split, cases: &[&CaseCurves]| Set {
        split,
        cases: cases.len(),
        positive: cases.iter().filter(|case| case.positive).count(),
    };
    let all: Vec<&CaseCurves> = material.tuning.iter().collect();
    let scored_on = match material.scoring {
        Some(_) => set(Split::Test, &material.scored(&[])),
        None => set(Split::Val, &all),
    };
    let verdict = verdict(stage, own, &lines);
    StageTuning {
        stage,
        own: *own,
        tuned_on: set(Split::Val, &all),
        scored_on,
        lines,
        left_out,
        verdict: verdict.words,
        settings: verdict.settings,
    }
}

struct Trial<'a> {
    own: &'a Rule,
    lowest_gate: f64,
    material: &'a Material,
}

impl Trial<'_> {
    /// Why so many masks cannot be drawn, in words.
    fn refusal(&self, count: usize) -> Option<String> {
        let there = self.material.tuning.len();
        let (most, why) = match self.material.scoring {
            Some(_) => (there, ""),
            None => (
                there.saturating_sub(1),
                ", for without masks of a test split one must be left to score on",
            ),
        };
        (count > most).then(|| {
            format!("the val split has {there} cases with masks; at most {most} can be drawn{why}")
        })
    }

    /// Empty masks, the run's own rule, and what needs no mask either.
    fn without_masks(&self, stage: Stage) -> Vec<Line> {
        let mut rules = vec![(Tuned::Empty, None), (Tuned::Nothing, Some(*self.own))];
        if stage == Stage::Cam && self.own.threshold != Threshold::OTSU {
            let otsu = Rule {
                threshold: Threshold::OTSU,
                ..*self.own
            };
            rules.push((Tuned::Otsu, Some(otsu)));
        }
        let scored = self.material.scored(&[]);
        rules
            .into_iter()
            .map(|(tuned, rule)| self.line(0, tuned, vec![(rule, scored.clone())]))
            .collect()
    }

    /// Rules chosen on `count` cases, drawn some times.
    fn drawn(&self, freedom: Freedom, count: usize, plan: &Plan) -> Line {
        let tuning = &self.material.tuning;
        let positive: Vec<bool> = tuning.iter().map(|case| case.positive).collect();
        let rules = rules(self.own, freedom, self.lowest_gate);
        // All of them can be drawn in one way only.
        let draws = if count == tuning.len() { 1 } else { plan.draws };
        let chosen = (0..draws)
            .map(|number| {
                let places = draw(&positive, count, plan.seed, number);
                let cases: Vec<&CaseCurves> = places.iter().map(|&place| &tuning[place]).collect();
                let rule = best(&rules, &cases).unwrap_or(*self.own);
                (Some(rule), self.material.scored(&places))
            })
            .collect();
        self.line(count, Tuned::By(freedom), chosen)
    }

    /// The best that the rules can do on the cases that they are scored on: chosen on these, which nobody can.
    fn bound(&self, stage: Stage) -> Option<Line> {
        let scored = self.material.scored(&[]);
        let freedom = *stage.freedoms().last()?;
        let rule = best(&rules(self.own, freedom, self.lowest_gate), &scored)?;
        let mut line = self.line(scored.len(), Tuned::By(freedom), vec![(Some(rule), scored)]);
        line.bound = true;
        Some(line)
    }

    /// Scores of rules, each on its cases, beside the run's own rule and empty masks on the same. No rule is empty masks.
    fn line(
        &self,
        masks: usize,
        tuned: Tuned,
        chosen: Vec<(Option<Rule>, Vec<&CaseCurves>)>,
    ) -> Line {
        let scores: Vec<[Scores; 3]> = chosen
            .iter()
            .map(|(rule, cases)| {
                let empty = Scores::of_empty(cases);
                let tuned = rule.map_or(empty, |rule| rule.scores(cases));
                [tuned, self.own.scores(cases), empty]
            })
            .collect();
        type Column = fn(&Scores) -> Option<f64>;
        let spread = |of: &dyn Fn(&[Scores; 3]) -> Option<f64>| {
            Spread::of(scores.iter().filter_map(of).collect())
        };
        let dice = |column: Column| spread(&|[tuned, _, _]| column(tuned));
        let gain = |column: Column| spread(&|[tuned, own, _]| Some(column(tuned)? - column(own)?));
        Line {
            masks,
            tuned,
            bound: false,
            dice: Dice {
                all: dice(|s| s.all),
                pos: dice(|s| s.pos),
                neg: dice(|s| s.neg),
            },
            gain: Dice {
                all: gain(|s| s.all),
                pos: gain(|s| s.pos),
                neg: gain(|s| s.neg),
            },
            beyond_empty: spread(&|[tuned, _, empty]| Some(tuned.all? - empty.all?)),
            rules: chosen.into_iter().filter_map(|(rule, _)| rule).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::sample::case;

    const OWN: Rule = Rule {
        threshold: Threshold::Fixed(0.5),
        gate: 0.0,
        triplet: None,
    };

    /// Sick images whose truth lies above 0.7 and healthy ones that are bright to 0.61: any threshold between is right for all,
    /// and the run's own scores (2/3 + 0) / 2.
    fn some(sick: usize, healthy: usize) -> Vec<CaseCurves> {
        let sick = (0..sick).map(|i| {
            let id = format!("sick-{i}");
            case(
                &id,
                true,
                &[0.11, 0.55, 0.61, 0.75, 0.91],
                &[0, 0, 0, 1, 1],
                0.85,
            )
        });
        let healthy = (0..healthy).map(|i| {
            let id = format!("healthy-{i}");
            case(&id, false, &[0.11, 0.55, 0.61, 0.61, 0.61], &[0; 5], 0.85)
        });
        sick.chain(healthy).collect()
    }

    fn plan(masks: &[usize]) -> Plan {
        Plan {
            masks: masks.to_vec(),
            draws: 3,
            seed: 7,
        }
    }

    fn of(material: &Material, masks: &[usize]) -> StageTuning {
        experiment(Stage::Segmentation, &OWN, 0.0, material, &plan(masks))
    }

    fn mean(spread: Option<Spread>) -> f64 {
        spread.expect("scored").mean
    }

    #[test]
    fn what_masks_buy_by_hand() {
        let material = Material {
            tuning: some(4, 4),
            scoring: Some(some(1, 2)),
        };
        let tuned = of(&material, &[4, 0, 8, 9, 4]);
        let lines: Vec<(usize, Tuned, usize)> = tuned
            .lines
            .iter()
            .map(|line| (line.masks, line.tuned, line.rules.len()))
            .collect();
        let by = Tuned::By;
        let expected = [
            (0, Tuned::Empty, 0),
            (0, Tuned::Nothing, 1),
            (4, by(Freedom::Threshold), 3),
            (4, by(Freedom::Gate), 3),
            (4, by(Freedom::Triplet), 3),
            // All can be drawn in one way.
            (8, by(Freedom::Threshold), 1),
            (8, by(Freedom::Gate), 1),
            (8, by(Freedom::Triplet), 1),
            (3, by(Freedom::Triplet), 1),
        ];
        assert_eq!(lines, expected);
        // Dice of the sick image 2·2 / (4 + 2), of either healthy one 0.
        let [empty, own] = [&tuned.lines[0], &tuned.lines[1]];
        assert!((mean(own.dice.pos) - 2.0 / 3.0).abs() < 1e-12);
        assert!((mean(own.dice.all) - 2.0 / 9.0).abs() < 1e-12);
        assert_eq!((mean(own.dice.neg), mean(own.gain.all)), (0.0, 0.0));
        assert!((mean(empty.dice.all) - 2.0 / 3.0).abs() < 1e-12);
        assert!((mean(empty.gain.all) - 4.0 / 9.0).abs() < 1e-12);
        assert!((mean(own.beyond_empty) + 4.0 / 9.0).abs() < 1e-12);
        assert!(empty.is_no_better_than_empty() && own.is_no_better_than_empty());
        for line in &tuned.lines[2..] {
            assert!(!line.is_no_better_than_empty());
            assert_eq!(mean(line.dice.all), 1.0);
            assert!((mean(line.gain.all) - 7.0 / 9.0).abs() < 1e-12);
            assert!((mean(line.gain.pos) - 1.0 / 3.0).abs() < 1e-12);
            for rule in &line.rules {
                assert_eq!(rule.threshold, Threshold::Fixed(0.62), "the nearest");
                assert_eq!((rule.gate, rule.triplet), (0.0, None));
            }
        }
        assert!(tuned.lines[8].bound && tuned.lines[..8].iter().all(|line| !line.bound));
        assert_eq!(tuned.left_out.len(), 1);
        assert_eq!(tuned.left_out[0].masks, 9);
        assert!(tuned.left_out[0].reason.contains("has 8 cases"));
        assert_eq!(tuned.settings, ["segmenter.threshold=0.62"]);
        assert_eq!(
            (tuned.scored_on.split, tuned.scored_on.positive),
            (Split::Test, 1)
        );
    }

    #[test]
    fn without_a_test_split_what_was_drawn_is_not_scored() {
        // One case is unlike all others: the rule that it alone would choose shows where it was drawn and where it was scored.
        let mut tuning = some(0, 3);
        tuning.push(case("odd", true, &[0.11, 0.31, 0.91], &[0, 1, 1], 0.85));
        let material = Material {
            tuning,
            scoring: None,
        };
        let tuned = of(&material, &[0, 1, 4]);
        // One mask is that of the only positive.
        let line = &tuned.lines[2];
        assert_eq!((line.masks, line.dice.pos), (1, None), "it is not scored");
        assert_eq!(line.rules[0].threshold, Threshold::Fixed(0.3));
        assert_eq!(mean(line.dice.all), 0.0);
        // The run's own rule is scored on all: 2·1 / (1 + 2) for the odd one.
        assert!((mean(tuned.lines[1].dice.pos) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(tuned.left_out[0].masks, 4);
        assert!(tuned.left_out[0].reason.contains("at most 3 can be drawn"));
        assert!(tuned.settings.is_empty() && tuned.verdict.contains("bought nothing"));
    }

    #[test]
    fn maps_are_tried_with_otsu_and_without_a_triplet() {
        let material = Material {
            tuning: some(3, 3),
            scoring: Some(some(2, 2)),
        };
        let own = Rule { gate: 0.8, ..OWN };
        let tuned = experiment(Stage::Cam, &own, 0.8, &material, &plan(&[0, 2]));
        let words: Vec<&str> = tuned.lines.iter().map(|line| line.tuned.words()).collect();
        let gate = Freedom::Gate.words();
        let threshold = Freedom::Threshold.words();
        assert_eq!(
            words,
            [
                "empty mask",
                "as it is set",
                "Otsu's threshold",
                threshold,
                gate,
                gate
            ]
        );
        let rules = tuned.lines.iter().flat_map(|line| &line.rules);
        assert!(
            rules
                .clone()
                .all(|rule| rule.triplet.is_none() && rule.gate >= 0.8)
        );
        let own = Rule {
            threshold: Threshold::OTSU,
            ..own
        };
        let tuned = experiment(Stage::Cam, &own, 0.8, &material, &plan(&[0]));
        assert_eq!(tuned.lines[1].rules, [own], "it is Otsu's already");
        assert_eq!(tuned.lines.len(), 3);
        assert!(tuned.verdict.contains("No masks were drawn"));
    }

    #[test]
    fn the_seed_decides() {
        // Every case is right at a threshold of its own, so that what is drawn shows in what is chosen.
        let tuning: Vec<CaseCurves> = (0..12u8)
            .map(|i| {
                let edge = 0.15 + 0.06 * f32::from(i);
                case(
                    &i.to_string(),
                    true,
                    &[0.11, edge, edge + 0.1],
                    &[0, 0, 1],
                    0.85,
                )
            })
            .collect();
        let material = Material {
            tuning,
            scoring: None,
        };
        let of = |seed| {
            let plan = Plan { seed, ..plan(&[2]) };
            experiment(Stage::Segmentation, &OWN, 0.0, &material, &plan)
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1).lines[0].rules, of(2).lines[0].rules);
        let bound = of(1).lines.pop().expect("the bound");
        assert!(mean(bound.gain.all) > 0.0);
    }
}
