//! Scores of the pseudo-labels.

use std::path::Path;

use weakseg_data::Truth;

use super::make_pseudo_labels::SCORES;
use super::scoring::{map_rows, write_rows};
use crate::irn::propagate::MaskRule;
use crate::pipeline::{Bench, Outcome, StepError};
use crate::report::Step;

/// Writes `rows.json`: the walked maps as masks, by the same rule as the pseudo-labels.
pub fn eval_pseudo_labels(
    bench: &Bench<'_>,
    truth: &Truth,
    folder: &Path,
) -> Result<Outcome, StepError> {
    let config = &bench.config.pseudo_labels;
    let rule = MaskRule {
        threshold: config.threshold,
        min_area: config.min_area,
        min_confidence: config.min_confidence,
    };
    let scores = bench.run.folder("make-pseudo-labels").join(SCORES);
    write_rows(folder, &map_rows(bench, truth, Step::Irn, &scores, &rule)?)?;
    Ok(Outcome {
        cases: bench.cases.cases.len(),
        ..Outcome::default()
    })
}
