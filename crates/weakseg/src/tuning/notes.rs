//! What stands below a table of tuning, in words.

use weakseg_data::{Split, counted};

use super::document::{Stage, StageTuning, Tuned, Tuning};
use super::rule::Rule;
use crate::cam::Threshold;
use crate::report::standing::Standing;
use crate::report::table::Line as Row;

/// What was scored, the rules, what was left out, and what marks and ranges are. `rows` are the table's.
pub fn notes(tuning: &Tuning, stage: &StageTuning, rows: &[Row]) -> Vec<String> {
    let mut notes = vec![cases(stage)];
    notes.extend(rules(stage));
    notes.extend(left_out(stage));
    if stage.stage == Stage::Cam {
        let unfinished = tuning.unfinished.iter();
        notes.extend(
            unfinished.map(|step| format!("{step} is not finished: the maps alone were tuned")),
        );
    }
    notes.extend(ranges(tuning, stage));
    notes.extend(marks(rows));
    if stage.lines.iter().any(|line| line.bound) {
        notes.push(
            "The bound is the rule chosen on the cases that are scored on: nobody can have it."
                .to_owned(),
        );
    }
    notes
}

/// What came of it.
pub fn outcome(stage: &StageTuning) -> Vec<String> {
    let mut notes = vec![stage.verdict.clone()];
    if !stage.settings.is_empty() {
        let settings = stage.settings.iter().map(|s| format!(" --set {s}"));
        notes.push(format!(" {}", settings.collect::<String>()));
    }
    notes.extend_from_slice(&stage.remarks);
    notes
}

/// Where masks were drawn from, and what was scored.
fn cases(stage: &StageTuning) -> String {
    let (tuned, scored) = (&stage.tuned_on, &stage.scored_on);
    match tuned.split == scored.split {
        true => format!(
            "The test split has no mask with a finding: each draw is scored on those of the {} cases ({} with a finding) that it left, but for \
             other images of its patients.",
            scored.cases, scored.positive
        ),
        false => format!(
            "Masks are drawn from {} cases of {}, {} with a finding; {} of the {} that are scored have one.",
            tuned.cases, tuned.split, tuned.positive, scored.positive, scored.cases
        ),
    }
}

/// The rules of each line.
fn rules(stage: &StageTuning) -> impl Iterator<Item = String> {
    stage.lines.iter().filter_map(|line| {
        let rules: Vec<Rule> = line.rules().copied().collect();
        let title = match (line.bound, line.tuned) {
            _ if rules.is_empty() => return None,
            (true, _) => "bound".to_owned(),
            (false, Tuned::By(_)) => {
                format!("{}, {}", counted(line.masks, "mask"), line.tuned.words())
            }
            (false, _) => line.tuned.words().to_owned(),
        };
        let words = words(&rules);
        // Otsu's threshold is a title and a rule.
        let words = words.strip_prefix(&format!("{title}, ")).unwrap_or(&words);
        Some(format!("{title}: {words}"))
    })
}

/// Cases without a mask, void masks, numbers that were not drawn, masks that show no finding.
fn left_out(stage: &StageTuning) -> Vec<String> {
    let mut notes = Vec::new();
    let mut sets = vec![&stage.tuned_on];
    if stage.scored_on.split != stage.tuned_on.split {
        sets.push(&stage.scored_on);
    }
    for set in sets {
        notes.extend(without_masks(set.split, set.without, set.void));
    }
    let mut draws = stage.lines.iter().flat_map(|line| &line.draws);
    if stage.scored_on.split != stage.tuned_on.split
        && draws.any(|draw| draw.scored < stage.scored_on.cases)
    {
        notes.push(format!(
            "Some patients of drawn masks are in the {} split too: in these draws their images there are not scored.",
            stage.scored_on.split
        ));
    }
    for left in &stage.left_out {
        notes.push(format!(
            "{} not drawn: {}",
            counted(left.masks, "mask"),
            left.reason
        ));
    }
    let mut healthy: Vec<usize> = stage
        .lines
        .iter()
        .filter(|line| line.masks > 0 && line.positive == 0)
        .map(|line| line.masks)
        .collect();
    healthy.dedup();
    for masks in healthy {
        notes.push(format!(
            "{} without a finding: what is to be left empty is known, not where a finding is",
            counted(masks, "mask")
        ));
    }
    notes
}

/// How many cases of a split have no mask, and how many true masks are void everywhere, where there are any.
fn without_masks(split: Split, without: usize, void: usize) -> impl Iterator<Item = String> {
    let told = |count, thing, what| {
        format!(
            "left out of the {split} split: {} {what}",
            counted(count, thing)
        )
    };
    let cases = told(without, "case", "without a mask");
    let masks = told(void, "true mask", "void everywhere");
    let told = [(without, cases), (void, masks)].into_iter();
    told.filter(|(count, _)| *count > 0).map(|(_, line)| line)
}

/// What the figures in brackets are.
fn ranges(tuning: &Tuning, stage: &StageTuning) -> Vec<String> {
    let mut notes = Vec::new();
    let drawn = stage.lines.iter().any(|line| line.draws.len() > 1);
    if drawn {
        notes.push(format!(
            "Each number of masks was drawn {} times; beside a mean stands the middle 95 % of the draws.",
            tuning.draws
        ));
    }
    if stage.lines.iter().any(|line| line.draws.len() == 1) {
        notes.push(format!(
            "Beside the figures of a single {} stands a 95 % interval over the images that are scored (bootstrap).",
            if drawn { "rule" } else { "rule or draw" }
        ));
    }
    notes
}

/// What the marks mean that the rows have.
fn marks(rows: &[Row]) -> Vec<String> {
    let standings = || {
        let cells = rows.iter().flat_map(|row| row.cells.iter().flatten());
        cells.map(|cell| cell.standing)
    };
    let mut notes = Vec::new();
    if standings().any(Standing::is_bad) {
        notes.push("▼ below empty masks for all images, = no better than they are".to_owned());
    }
    if standings().any(|standing| matches!(standing, Standing::Unclear(..))) {
        notes.push(
            "~ beside a Dice: above empty masks, but not by all of the range; beside a gain: the range reaches 0"
                .to_owned(),
        );
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
    use super::*;
    use crate::config::Triplet;

    #[test]
    fn rules_in_words() {
        let rule = |cut: f64, triplet: Option<(f64, f64)>| Rule {
            threshold: Threshold::Fixed(cut),
            gate: 0.0,
            triplet: triplet.map(|(top, min_area)| Triplet { top, min_area }),
        };
        let rules = [rule(0.3, None), rule(0.5, Some((0.7, 0.01)))];
        assert_eq!(
            words(&rules),
            "threshold 0.3 to 0.5, gate 0, triplet in 1 of 2: 0.01 of the image above 0.7"
        );
    }
}
