//! `eval-pseudo-labels`: scores of the pseudo-labels.

use std::path::Path;

use weakseg_data::Truth;

use super::make_pseudo_labels::{SCORES, mask_of};
use super::score_instances::score_instances;
use super::scoring::{map_rows, write_rows};
use crate::cam::Threshold;
use crate::pipeline::{Bench, StepError};
use crate::report::Step;

/// Writes `rows.json`: the walked maps as masks, by the same rule as the pseudo-labels. With
/// `[pseudo_labels.instances]`, and where the set tells objects apart, `instances.json` too: the average precision of
/// their instances.
pub fn eval_pseudo_labels(
    bench: &Bench<'_>,
    truth: &Truth,
    folder: &Path,
) -> Result<usize, StepError> {
    let scores = bench.run.folder("make-pseudo-labels").join(SCORES);
    let rows = map_rows(
        bench,
        truth,
        Step::Irn,
        &scores,
        Threshold::Fixed(bench.config.pseudo_labels.threshold.into()),
        |case, maps, size, allowed| mask_of(bench, case, maps, size, allowed),
    )?;
    write_rows(folder, &rows)?;
    if bench.config.pseudo_labels.instances.is_some() {
        score_instances(bench, truth, folder)?;
    }
    Ok(bench.cases.cases.len())
}
