//! What masks bought, as tables of the report's kind.

use weakseg_data::counted;

use super::document::{Dice, Line, Spread, Stage, StageTuning, Tuned, Tuning};
use super::notes::{notes, outcome};
use crate::report::Step;
use crate::report::standing::Standing;
use crate::report::table::{Cell, Column, Line as Row, Table};

/// What differs by less is what rounding leaves.
const ROUNDING: f64 = 1e-9;

/// One table for each stage that was tuned: a line for each number of masks and what they chose. Figures are means over
/// the draws with the middle 95 % of these in brackets, or of a single rule with a 95 % interval over images
/// ([`Spread`]). Notes that all have in common stand below the last.
pub fn tables(tuning: &Tuning) -> Vec<Table> {
    let stages = || tuning.stages.iter();
    let mut tables: Vec<Table> = stages().map(|stage| table(tuning, stage)).collect();
    if let Some((last, others)) = tables.split_last_mut() {
        let mut common = last.notes.clone();
        common.retain(|note| others.iter().all(|table| table.notes.contains(note)));
        for table in others {
            table.notes.retain(|note| !common.contains(note));
        }
    }
    for (table, stage) in tables.iter_mut().zip(stages()) {
        table.notes.extend(outcome(stage));
    }
    tables
}

fn table(tuning: &Tuning, stage: &StageTuning) -> Table {
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
    let lines: Vec<Row> = stage
        .lines
        .iter()
        .map(|line| row(stage.stage, line))
        .collect();
    let drawn = |line: &Line| line.masks > 0 && !line.bound;
    let tuned_on = match stage.lines.iter().any(drawn) {
        true => format!("tuned on {}, ", tuned.split),
        false => String::new(),
    };
    Table {
        split: scored.split,
        title: format!(
            "{}: {tuned_on}scored on {} ({})",
            stage.stage.title(),
            scored.split,
            counted(scored.cases, "case"),
        ),
        corner: "Masks (with a finding)".to_owned(),
        columns,
        notes: notes(tuning, stage, &lines),
        lines,
    }
}

fn row(stage: Stage, line: &Line) -> Row {
    let cells = |dice: &Dice| [dice.pos, dice.neg, dice.all].map(|spread| spread.map(cell));
    let mut dice = cells(&line.dice);
    let mut gain = cells(&line.gain);
    let empty = line.tuned == Tuned::Empty;
    if let ([_, _, Some(all)], Some(beyond)) = (&mut dice, line.beyond_empty)
        && !empty
    {
        all.standing = beside(beyond, Step::BaselineEmpty, all.value - beyond.mean);
    }
    if let (Some(Cell { value, .. }), [_, _, Some(all)], Some(spread)) =
        (&dice[2], &mut gain, line.gain.all)
    {
        let own = match stage {
            Stage::Cam => Step::Cam,
            Stage::Segmentation => Step::Segmentation,
        };
        // The sign of a gain is told by itself; a mark says what it does not.
        all.standing = match beside(spread, own, value - spread.mean) {
            unclear @ Standing::Unclear(..) => unclear,
            _ => Standing::Alone,
        };
    }
    if line.tuned == Tuned::Nothing {
        gain = [const { None }; 3];
    }
    Row {
        title: match (line.bound, line.masks) {
            (true, _) => "bound".to_owned(),
            (false, 0) => "0".to_owned(),
            (false, masks) => format!("{masks} ({})", line.positive),
        },
        remark: line.tuned.words().to_owned(),
        baseline: empty,
        cells: dice.into_iter().chain(gain).collect(),
    }
}

/// Where a figure stands by its difference from that of `step`, which is `value`.
fn beside(difference: Spread, step: Step, value: f64) -> Standing {
    match difference.mean {
        mean if mean <= -ROUNDING => Standing::Below(step, value),
        mean if mean < ROUNDING => Standing::Level(step, value),
        _ if !difference.is_clear() => Standing::Unclear(step, value),
        _ => Standing::Above(step, value),
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

#[cfg(test)]
mod tests;
