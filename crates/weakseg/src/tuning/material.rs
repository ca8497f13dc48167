//! The cases that masks are drawn from, and those that rules are scored on.

use std::collections::HashSet;

use super::curve::CaseCurves;
use super::cuts::Cuts;
use super::draw::draw;
use super::experiment::Plan;
use super::refusal::Refusal;
use super::scores::Tally;

/// Cases of a split.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Those that have a mask of which a pixel counts, in order.
    pub curves: Vec<CaseCurves>,
    /// How many have no mask.
    pub without: usize,
    /// True masks, one a case and finding, that are void everywhere and score nothing.
    pub void: usize,
}

impl Measured {
    /// Of the curves of all cases of a split, none of a case without a mask, with `findings` findings each but for
    /// those of which the mask is void everywhere. A case of which no mask is left is none to draw.
    pub fn of(cases: Vec<Option<CaseCurves>>, findings: usize) -> Self {
        let all = cases.len();
        let mut curves: Vec<CaseCurves> = cases.into_iter().flatten().collect();
        let without = all - curves.len();
        let void = curves.iter().map(|case| findings - case.curves.len());
        let void = void.sum();
        curves.retain(|case| !case.curves.is_empty());
        Self {
            curves,
            without,
            void,
        }
    }
}

/// What rules are chosen and scored on.
#[derive(Debug, Clone)]
pub struct Material {
    /// The cuts of all curves.
    pub cuts: Cuts,
    /// Cases of the validation split.
    pub tuning: Measured,
    /// Share of the validation split's pairs of image and finding whose label says that it is there, in 0..=1. Labels
    /// tell it, without a mask.
    pub labelled: f64,
    /// Cases of the test split; none where that has no masks: then whatever of `tuning` is not drawn is scored on.
    pub scoring: Option<Measured>,
}

/// One draw.
#[derive(Debug, Clone)]
pub struct Drawn<'a> {
    /// Cases that a rule is chosen on.
    pub chosen: Vec<&'a CaseCurves>,
    /// Cases that it is scored on: of those there are, all of other patients.
    pub scored: Vec<&'a CaseCurves>,
}

impl Material {
    /// The split that is scored on.
    pub fn scored_on(&self) -> &Measured {
        self.scoring.as_ref().unwrap_or(&self.tuning)
    }

    /// All cases that are scored on where nothing is drawn.
    pub fn scored(&self) -> Vec<&CaseCurves> {
        self.scored_on().curves.iter().collect()
    }

    /// Share of the pairs of image and finding that show the finding, in all that is scored on.
    pub fn share(&self) -> f64 {
        empty(&self.scored()).share()
    }

    /// The draws of `count` masks; all of them can be drawn in one way only.
    ///
    /// # Errors
    /// A [`Refusal`] if there are not so many, or if after one of the draws no pair of a kind would be left to score on
    /// that the split has.
    pub fn draws(&self, count: usize, plan: &Plan) -> Result<Vec<Drawn<'_>>, Refusal> {
        let cases = &self.tuning.curves;
        if count > cases.len() {
            return Err(Refusal::Fewer { cases: cases.len() });
        }
        let positive: Vec<bool> = cases.iter().map(|case| case.positive).collect();
        let times = match count == cases.len() {
            true => 1,
            false => plan.draws,
        };
        let all = empty(&self.scored());
        (0..times)
            .map(|number| {
                let places = draw(&positive, count, plan.seed, number);
                let chosen: Vec<&CaseCurves> = places.iter().map(|&place| &cases[place]).collect();
                let scored = self.left_by(&chosen);
                let left = empty(&scored);
                if all.has_positive() && !left.has_positive() {
                    return Err(Refusal::NoPositive);
                }
                if all.has_negative() && !left.has_negative() {
                    return Err(Refusal::NoNegative);
                }
                Ok(Drawn { chosen, scored })
            })
            .collect()
    }

    /// The cases to score on that are none of the drawn ones and of none of their patients, whose other images look
    /// like them.
    fn left_by(&self, drawn: &[&CaseCurves]) -> Vec<&CaseCurves> {
        let ids: HashSet<&str> = drawn.iter().map(|case| case.id.as_str()).collect();
        let patients: HashSet<&str> = drawn.iter().filter_map(|c| c.patient.as_deref()).collect();
        let mut left = self.scored();
        left.retain(|case| {
            let patient = case.patient.as_deref();
            !ids.contains(case.id.as_str()) && patient.is_none_or(|p| !patients.contains(p))
        });
        left
    }
}

fn empty(cases: &[&CaseCurves]) -> Tally {
    cases.iter().map(|case| Tally::of(case, None)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{case, cuts};
    use super::*;

    const PLAN: Plan = Plan {
        masks: Vec::new(),
        draws: 30,
        seed: 5,
    };

    /// Sick and healthy cases, two images a patient of either kind.
    fn of(sick: usize, healthy: usize) -> Measured {
        let case = |kind: &str, truth: u8, i: usize| CaseCurves {
            patient: Some(format!("{kind}-{}", i / 2)),
            ..case(
                &format!("{kind}-{i}"),
                truth == 1,
                &[0.1, 0.9],
                &[0, truth],
                0.5,
            )
        };
        let sick = (0..sick).map(|i| case("sick", 1, i));
        let curves = sick.chain((0..healthy).map(|i| case("healthy", 0, i)));
        Measured {
            curves: curves.collect(),
            ..Measured::default()
        }
    }

    fn material(tuning: Measured, scoring: Option<Measured>) -> Material {
        Material {
            cuts: cuts(),
            tuning,
            labelled: 0.5,
            scoring,
        }
    }

    fn anonymous(mut cases: Measured) -> Measured {
        for case in &mut cases.curves {
            case.patient = None;
        }
        cases
    }

    #[test]
    fn what_was_drawn_is_not_scored_nor_its_patients() {
        let material = material(of(6, 10), None);
        let draws = material.draws(4, &PLAN).expect("enough");
        assert_eq!(draws.len(), 30);
        let mut apart = 0;
        for Drawn { chosen, scored } in &draws {
            assert_eq!(chosen.len(), 4);
            let drawn: HashSet<_> = chosen.iter().map(|case| &case.patient).collect();
            assert!(scored.iter().all(|case| !drawn.contains(&case.patient)));
            // Every patient has two images.
            assert_eq!(scored.len(), 16 - 2 * drawn.len());
            apart += usize::from(drawn.len() == 4);
        }
        assert!((1..30).contains(&apart), "both kinds of draws: {apart}");
        let nobody = Material {
            tuning: anonymous(of(6, 10)),
            ..material.clone()
        };
        for drawn in nobody.draws(4, &PLAN).expect("enough") {
            assert_eq!(drawn.scored.len(), 12);
        }
        // A patient that is in both splits is no other patient there either.
        let test = Material {
            scoring: Some(of(6, 10)),
            ..material.clone()
        };
        let of_test = test.draws(4, &PLAN).expect("enough");
        for (in_val, in_test) in draws.iter().zip(&of_test) {
            let ids = |cases: &[&CaseCurves]| -> Vec<String> {
                cases.iter().map(|case| case.id.clone()).collect()
            };
            assert_eq!(ids(&in_val.scored), ids(&in_test.scored));
        }
    }

    #[test]
    fn no_kind_is_used_up() {
        let refused = |material: &Material, count| material.draws(count, &PLAN).err();
        // 4 masks are 2 with a finding and 2 without.
        let many = material(anonymous(of(3, 9)), None);
        assert_eq!(refused(&many, 4), None);
        assert_eq!(refused(&many, 5), Some(Refusal::NoPositive));
        assert_eq!(refused(&many, 12), Some(Refusal::NoPositive));
        assert_eq!(refused(&many, 13), Some(Refusal::Fewer { cases: 12 }));
        let few = material(anonymous(of(9, 2)), None);
        assert_eq!(refused(&few, 3), None);
        assert_eq!(refused(&few, 4), Some(Refusal::NoNegative));
        // Two draws of a patient's two images use up what one would not.
        let patients = material(of(4, 8), None);
        assert_eq!(refused(&patients, 6), Some(Refusal::NoPositive));
        // What the split never had cannot be used up, and the test split is not drawn from.
        let sick = material(of(6, 0), None);
        assert_eq!(refused(&sick, 2), None);
        assert_eq!(refused(&sick, 6), Some(Refusal::NoPositive));
        let mut test = of(1, 1);
        for case in &mut test.curves {
            case.id = format!("test-{}", case.id);
            case.patient = None;
        }
        let test = material(of(3, 9), Some(test));
        assert_eq!(test.draws(12, &PLAN).expect("all").len(), 1);
        assert_eq!(test.share(), 0.5);
        assert_eq!(many.share(), 0.25);
    }

    #[test]
    fn masks_that_are_void_everywhere_are_counted_and_not_drawn() {
        let measured = of(3, 0);
        let [both, one, neither] = &measured.curves[..] else {
            panic!("three cases");
        };
        let with = |case: &CaseCurves, findings: usize| {
            Some(CaseCurves {
                curves: vec![case.curves[0].clone(); findings],
                ..case.clone()
            })
        };
        let cases = vec![with(both, 2), None, with(neither, 0), with(one, 1), None];
        let found = Measured::of(cases, 2);
        let ids: Vec<&str> = found.curves.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, ["sick-0", "sick-1"]);
        assert_eq!((found.without, found.void), (2, 3));
    }

    #[test]
    fn refusals_say_what_next() {
        for refusal in [
            Refusal::Fewer { cases: 6 },
            Refusal::NoPositive,
            Refusal::NoNegative,
        ] {
            assert!(refusal.to_string().contains("ask for"), "{refusal}");
            let text = serde_json::to_string(&refusal).unwrap();
            assert_eq!(serde_json::from_str::<Refusal>(&text).unwrap(), refusal);
        }
    }
}
