//! What masks bought, as tables of the report's kind.

use super::document::{Dice, Line, Spread, StageTuning, Tuned, Tuning};
use super::rule::Rule;
use crate::cam::Threshold;
use crate::report::Step;
use crate::report::standing::Standing;
use crate::report::table::{Cell, Column, Line as Row, Table};

/// One table for each stage that was tuned: a line for each number of masks and what they chose. Figures are means over the draws
/// with the middle 95 % of these in brackets.
pub fn tables(tuning: &Tuning) -> Vec<Table> {
    tuning
        .stages
        .iter()
        .map(|stage| table(stage, tuning.draws))
        .collect()
}

fn table(stage: &StageTuning, draws: usize) -> Table {
    let titles = |group: &str, titles: &[&str]| -> Vec<Column> {
        titles
            .iter()
            .map(|title| Column {
                group: group.to_owned(),
                title: (*title).to_owned(),
                n: None,
            })
            .collect()
    };
    let kinds = ["pos", "neg", "all"];
    let columns = [titles("Dice", &kinds), titles("gain over 0 masks", &kinds)].concat();
    let (tuned, scored) = (&stage.tuned_on, &stage.scored_on);
    Table {
        split: scored.split,
        title: format!(
            "{}: tuned on {}, scored on {} ({} cases)",
            stage.stage.title(),
            tuned.split,
            scored.split,
            scored.cases,
        ),
        corner: "Masks".to_owned(),
        columns,
        lines: stage.lines.iter().map(row).collect(),
        notes: notes(stage, draws),
    }
}

fn row(line: &Line) -> Row {
    let cells = |dice: &Dice| [dice.pos, dice.neg, dice.all].map(|spread| spread.map(cell));
    let mut dice = cells(&line.dice);
    let empty = line.tuned == Tuned::Empty;
    if let ([_, _, Some(all)], Some(beyond)) = (&mut dice, line.beyond_empty)
        && !empty
        && line.is_no_better_than_empty()
    {
        let level = beyond.mean > -1e-9;
        let of_empty = all.value - beyond.mean;
        all.standing = match level {
            true => Standing::Level(Step::BaselineEmpty, of_empty),
            false => Standing::Below(Step::BaselineEmpty, of_empty),
        };
    }
    let gain = match line.tuned == Tuned::Nothing {
        true => [const { None }; 3],
        false => cells(&line.gain),
    };
    Row {
        title: match line.bound {
            true => "bound".to_owned(),
            false => line.masks.to_string(),
        },
        remark: line.tuned.words().to_owned(),
        baseline: empty,
        cells: dice.into_iter().chain(gain).collect(),
    }
}

fn cell(spread: Spread) -> Cell {
    Cell {
        value: spread.mean,
        ci95: spread.range,
        n: 0,
        standing: Standing::Alone,
    }
}

/// The rules, the numbers that could not be drawn, what the bound is, and what came of it.
fn notes(stage: &StageTuning, draws: usize) -> Vec<String> {
    let (tuned, scored) = (&stage.tuned_on, &stage.scored_on);
    let mut notes = vec![match tuned.split == scored.split {
        true => format!(
            "There are no masks of a test split: each draw is scored on those of the {} cases ({} with a finding) that it left.",
            scored.cases, scored.positive
        ),
        false => format!(
            "Masks are drawn from {} cases of {}, {} with a finding; {} of the {} that are scored have one.",
            tuned.cases, tuned.split, tuned.positive, scored.positive, scored.cases
        ),
    }];
    for line in stage.lines.iter().filter(|line| !line.rules.is_empty()) {
        let title = match (line.bound, line.tuned) {
            (true, _) => "bound".to_owned(),
            (false, Tuned::By(_)) => format!("{} masks, {}", line.masks, line.tuned.words()),
            (false, _) => line.tuned.words().to_owned(),
        };
        notes.push(format!("{title}: {}", words(&line.rules)));
    }
    for left in &stage.left_out {
        notes.push(format!(
            "{} masks were not drawn: {}",
            left.masks, left.reason
        ));
    }
    if stage.lines.iter().any(|line| line.rules.len() > 1) {
        notes.push(format!(
            "Each number of masks was drawn {draws} times; beside a mean stands the middle 95 % of the draws."
        ));
    }
    let others = stage.lines.iter().filter(|line| line.tuned != Tuned::Empty);
    if others.clone().any(Line::is_no_better_than_empty) {
        notes.push("▼ below empty masks for all images, = no better than they are".to_owned());
    }
    if others.clone().any(|line| line.bound) {
        notes.push(
            "The bound is the rule chosen on the cases that are scored on: nobody can have it."
                .to_owned(),
        );
    }
    notes.push(stage.verdict.clone());
    if !stage.settings.is_empty() {
        let settings = stage.settings.iter().map(|s| format!(" --set {s}"));
        notes.push(format!(" {}", settings.collect::<String>()));
    }
    notes
}

/// What some rules have in common, and between which values they differ.
fn words(rules: &[Rule]) -> String {
    let mut cuts: Vec<f64> = Vec::new();
    let mut otsu = 0;
    for rule in rules {
        match rule.threshold {
            Threshold::Fixed(cut) => cuts.push(cut),
            Threshold::Rule(_) => otsu += 1,
        }
    }
    let mut parts = Vec::new();
    match (cuts.is_empty(), otsu) {
        (false, 0) => parts.push(format!("threshold {}", span(cuts))),
        (true, _) => parts.push("Otsu's threshold".to_owned()),
        (false, _) => parts.push(format!("threshold {}, or Otsu's", span(cuts))),
    }
    parts.push(format!(
        "gate {}",
        span(rules.iter().map(|r| r.gate).collect())
    ));
    let triplets: Vec<_> = rules.iter().filter_map(|rule| rule.triplet).collect();
    if !triplets.is_empty() {
        let of = match triplets.len() == rules.len() {
            true => String::new(),
            false => format!(" in {} of {}", triplets.len(), rules.len()),
        };
        parts.push(format!(
            "triplet{of}: {} of the image above {}",
            span(triplets.iter().map(|t| t.min_area).collect()),
            span(triplets.iter().map(|t| t.top).collect()),
        ));
    }
    parts.join(", ")
}

/// `0.2` or `0.2 to 0.4`.
fn span(values: Vec<f64>) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match low == high {
        true => low.to_string(),
        false => format!("{low} to {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::case;
    use super::super::{Material, Plan, Stage, experiment};
    use super::*;

    /// Above 0.5, and above Otsu's 0.11, three pixels are found for two, Dice 2·2 / (3 + 2), and three in the healthy image.
    #[test]
    fn golden_text() {
        let sick = || case("sick", true, &[0.11, 0.61, 0.75, 0.91], &[0, 0, 1, 1], 0.85);
        let healthy = || case("healthy", false, &[0.11, 0.61, 0.61, 0.61], &[0; 4], 0.85);
        let own = Rule {
            threshold: Threshold::Fixed(0.5),
            gate: 0.25,
            triplet: None,
        };
        let material = Material {
            tuning: vec![sick(), healthy()],
            scoring: Some(vec![sick(), healthy()]),
        };
        let plan = Plan {
            masks: vec![0, 2, 9],
            draws: 20,
            seed: 0,
        };
        let tuning = Tuning {
            format: super::super::document::FORMAT,
            seed: 0,
            draws: 20,
            inputs: Default::default(),
            stages: vec![experiment(Stage::Cam, &own, 0.25, &material, &plan)],
        };
        let expected = "\
Maps, predicted labels: tuned on val, scored on test (2 cases)
                        Dice                   gain over 0 masks
Masks                   pos    neg    all      pos     neg    all
0, empty mask           0.000  1.000  0.500    -0.800  1.000  0.100
0, as it is set         0.800  0.000  0.400 ▼  –       –      –
0, Otsu's threshold     0.800  0.000  0.400 ▼  0.000   0.000  0.000
2, threshold            1.000  1.000  1.000    0.200   1.000  0.600
2, threshold, gate      1.000  1.000  1.000    0.200   1.000  0.600
bound, threshold, gate  1.000  1.000  1.000    0.200   1.000  0.600

Masks are drawn from 2 cases of val, 1 with a finding; 1 of the 2 that are scored have one.
as it is set: threshold 0.5, gate 0.25
Otsu's threshold: Otsu's threshold, gate 0.25
2 masks, threshold: threshold 0.62, gate 0.25
2 masks, threshold, gate: threshold 0.62, gate 0.25
bound: threshold 0.62, gate 0.25
9 masks were not drawn: the val split has 2 cases with masks; at most 2 can be drawn
▼ below empty masks for all images, = no better than they are
The bound is the rule chosen on the cases that are scored on: nobody can have it.
2 masks (threshold) bought 0.600 in Dice of all images; go on with
  --set cams.threshold=0.62
";
        let tables = tables(&tuning);
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].text(), expected);
    }

    #[test]
    fn rules_in_words() {
        let rule = |cut: f64, triplet: Option<(f64, f64)>| Rule {
            threshold: Threshold::Fixed(cut),
            gate: 0.0,
            triplet: triplet.map(|(top, min_area)| crate::config::Triplet { top, min_area }),
        };
        let rules = [rule(0.3, None), rule(0.5, Some((0.7, 0.01)))];
        assert_eq!(
            words(&rules),
            "threshold 0.3 to 0.5, gate 0, triplet in 1 of 2: 0.01 of the image above 0.7"
        );
    }
}
