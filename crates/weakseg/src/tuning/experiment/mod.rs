//! What masks buy: rules chosen on a few cases of one split, scored on the cases of another.

use weakseg_data::{Split, counted};

use super::comparison::{Comparison, Figure};
use super::curve::CaseCurves;
use super::document::{Dice, LeftOut, Line, Set, Spread, Stage, StageTuning, Tuned};
use super::error::TuneError;
use super::material::{Drawn, Material, Measured};
use super::rule::Rule;
use super::search::{best, rules};
use super::verdict::verdict;
use crate::cam::Threshold;
use crate::metrics::Bootstrap;
use crate::progress::{Progress, Stop};

/// How much is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Numbers of masks. What needs none is tried whether 0 is among them or not.
    pub masks: Vec<usize>,
    /// How often each number is drawn.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// What is tried of a stage.
pub struct Trial<'a> {
    /// The stage.
    pub stage: Stage,
    /// The rule that the run is set to.
    pub own: Rule,
    /// Gates below it are not tried.
    pub lowest_gate: f64,
    /// The cases.
    pub material: &'a Material,
    /// Numbers of masks, and draws of each.
    pub plan: &'a Plan,
    /// Of images, for what is drawn once.
    pub bootstrap: Bootstrap,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

/// Tries every number of masks of the plan, beside what needs none.
///
/// # Errors
/// If it was asked to stop.
pub fn experiment(trial: &Trial<'_>) -> Result<StageTuning, TuneError> {
    let (material, plan) = (trial.material, trial.plan);
    let mut masks = plan.masks.clone();
    masks.sort_unstable();
    masks.dedup();
    let mut drawn = Vec::new();
    let mut left_out = Vec::new();
    for masks in masks.into_iter().filter(|&masks| masks > 0) {
        match material.draws(masks, plan) {
            Ok(draws) => drawn.push((masks, draws)),
            Err(reason) => left_out.push(LeftOut { masks, reason }),
        }
    }
    let mut lines = trial.without_masks();
    lines.extend(trial.by_masks(&drawn)?);
    lines.extend(trial.bound());
    let set = |split, share, cases: &Measured| Set {
        split,
        cases: cases.curves.len(),
        positive: cases.curves.iter().filter(|case| case.positive).count(),
        without: cases.without,
        void: cases.void,
        share,
    };
    let scored_on = match material.scoring {
        Some(_) => Split::Test,
        None => Split::Val,
    };
    let verdict = verdict(trial.stage, &trial.own, &lines);
    Ok(StageTuning {
        stage: trial.stage,
        own: trial.own,
        tuned_on: set(Split::Val, material.labelled, &material.tuning),
        scored_on: set(scored_on, material.share(), material.scored_on()),
        lines,
        left_out,
        verdict: verdict.words,
        settings: verdict.settings,
        remarks: verdict.remarks,
    })
}

impl Trial<'_> {
    /// Empty masks, the run's own rule, and what needs no mask either.
    fn without_masks(&self) -> Vec<Line> {
        let mut rules = vec![(Tuned::Empty, None), (Tuned::Nothing, Some(self.own))];
        rules.extend(self.otsu().map(|rule| (Tuned::Otsu, Some(rule))));
        let scored = self.material.scored();
        rules
            .into_iter()
            .map(|(tuned, rule)| self.line(0, 0, tuned, &[self.compare(rule, &scored)]))
            .collect()
    }

    /// The run's own rule with Otsu's threshold, where that is another and masks can be made by it.
    fn otsu(&self) -> Option<Rule> {
        let threshold = Threshold::OTSU;
        let another = self.stage == Stage::Cam && self.own.threshold != threshold;
        another.then_some(Rule {
            threshold,
            ..self.own
        })
    }

    /// A line for each number of masks and what they choose.
    fn by_masks(&self, drawn: &[(usize, Vec<Drawn<'_>>)]) -> Result<Vec<Line>, TuneError> {
        let freedoms = self.stage.freedoms();
        let total = freedoms.len() * drawn.iter().map(|(_, draws)| draws.len()).sum::<usize>();
        let what = format!("tune: rules of {}", self.stage.works());
        self.progress.begin(&what, total as u64);
        let mut done = 0;
        let mut lines = Vec::new();
        for (masks, draws) in drawn {
            for &freedom in freedoms {
                let rules = rules(&self.own, freedom, self.lowest_gate);
                let mut compared = Vec::with_capacity(draws.len());
                for draw in draws {
                    if self.stop.asked() {
                        self.progress.end();
                        return Err(TuneError::Stopped {
                            done,
                            total,
                            what: "draws",
                        });
                    }
                    let rule = self.best(&rules, &draw.chosen, self.material.labelled);
                    let rule = rule.unwrap_or(self.own);
                    compared.push(self.compare(Some(rule), &draw.scored));
                    done += 1;
                    let note = format!("{}, {}", counted(*masks, "mask"), freedom.words());
                    self.progress.at(done as u64, &note);
                }
                let positive = draws.first().map_or(0, |draw| positive(&draw.chosen));
                lines.push(self.line(*masks, positive, Tuned::By(freedom), &compared));
            }
        }
        self.progress.end();
        Ok(lines)
    }

    /// The best that any of the rules can do on the cases that they are scored on: chosen on these, which nobody can.
    fn bound(&self) -> Option<Line> {
        let scored = self.material.scored();
        let freedom = *self.stage.freedoms().last()?;
        let mut all = rules(&self.own, freedom, self.lowest_gate);
        if let Some(otsu) = self.otsu() {
            let mut others = rules(&otsu, freedom, self.lowest_gate);
            others.retain(|rule| rule.threshold == otsu.threshold);
            all.append(&mut others);
        }
        let rule = self.best(&all, &scored, self.material.share())?;
        let compared = [self.compare(Some(rule), &scored)];
        let (masks, positive) = (scored.len(), positive(&scored));
        let mut line = self.line(masks, positive, Tuned::By(freedom), &compared);
        line.bound = true;
        Some(line)
    }

    fn best(&self, rules: &[Rule], cases: &[&CaseCurves], share: f64) -> Option<Rule> {
        best(rules, &self.material.cuts, cases, share)
    }

    fn compare(&self, rule: Option<Rule>, cases: &[&CaseCurves]) -> Comparison {
        let (cuts, share) = (&self.material.cuts, self.material.share());
        Comparison::new(rule, &self.own, cuts, cases, share)
    }

    /// The figures of some draws.
    fn line(&self, masks: usize, positive: usize, tuned: Tuned, draws: &[Comparison]) -> Line {
        let found: Vec<_> = draws.iter().map(Comparison::draw).collect();
        let spread = |figure: Figure| match draws {
            [only] => only.spread(figure, &self.bootstrap),
            _ => Spread::of(found.iter().filter_map(figure).collect()),
        };
        Line {
            masks,
            positive,
            tuned,
            bound: false,
            dice: Dice {
                all: spread(|draw| draw.dice.all),
                pos: spread(|draw| draw.dice.pos),
                neg: spread(|draw| draw.dice.neg),
            },
            gain: Dice {
                all: spread(|draw| draw.gain.all),
                pos: spread(|draw| draw.gain.pos),
                neg: spread(|draw| draw.gain.neg),
            },
            beyond_empty: spread(|draw| draw.beyond_empty),
            draws: found,
        }
    }
}

fn positive(cases: &[&CaseCurves]) -> usize {
    cases.iter().filter(|case| case.positive).count()
}

#[cfg(test)]
mod tests;
