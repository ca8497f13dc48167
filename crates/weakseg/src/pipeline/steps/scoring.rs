//! What the scoring steps share.

use std::path::Path;

use weakseg_data::{Case, Mask, Split, Truth, atomic};

use super::ClassMaps;
use super::maps::{predicted, upsample};
use crate::cam::Threshold;
use crate::files;
use crate::metrics::Bootstrap;
use crate::pipeline::{Bench, StepError};
use crate::report::{ImageLabels, Row, Step};
use crate::scoring::{ScoreError, Who, score_boxes, score_masks};

/// Rows of a scoring step, in its folder.
pub(crate) const ROWS: &str = "rows.json";

/// The run's bootstrap.
pub(crate) fn bootstrap(bench: &Bench<'_>) -> Bootstrap {
    Bootstrap {
        draws: bench.config.evaluate.bootstrap,
        seed: bench.config.seed,
        ..Bootstrap::default()
    }
}

/// The classes that the maps of a case may show, ascending: those of its true labels, or those that the classifier
/// predicts.
pub(crate) fn allowed(
    bench: &Bench<'_>,
    labels: ImageLabels,
    case: &Case,
    maps: &ClassMaps,
) -> Vec<usize> {
    match labels {
        ImageLabels::Truth => (0..case.labels.len()).filter(|&c| case.labels[c]).collect(),
        ImageLabels::Predicted | ImageLabels::None => predicted(
            bench.cases.classes.space,
            &maps.probabilities,
            bench.config.cams.gate,
        ),
    }
}

/// Scores the maps in `folder` as masks (which `mask` makes of a case's maps, at a size, for the classes that are
/// allowed) and, cut at `threshold`, against boxes: on every split with the true image-level labels, on the held-out
/// splits with the predicted ones too.
pub(crate) fn map_rows(
    bench: &Bench<'_>,
    truth: &Truth,
    step: Step,
    folder: &Path,
    threshold: Threshold,
    mask: impl Fn(&Case, &ClassMaps, [usize; 2], &dyn Fn(usize) -> bool) -> Result<Mask, ScoreError>
    + Sync,
) -> Result<Vec<Row>, StepError> {
    let mut rows = Vec::new();
    for (split, labels) in [
        (Split::Train, ImageLabels::Truth),
        (Split::Val, ImageLabels::Truth),
        (Split::Val, ImageLabels::Predicted),
        (Split::Test, ImageLabels::Truth),
        (Split::Test, ImageLabels::Predicted),
    ] {
        let who = Who {
            step,
            split,
            image_labels: labels,
        };
        rows.extend(score_masks(
            who,
            bench.cases,
            truth,
            &bootstrap(bench),
            |case, size| {
                let maps = ClassMaps::read(folder, &case.id)?;
                let allowed = allowed(bench, labels, case, &maps);
                mask(case, &maps, size, &|class| allowed.contains(&class))
            },
        )?);
        rows.extend(score_boxes(
            who,
            bench.cases,
            truth,
            &bootstrap(bench),
            threshold,
            |case, finding| {
                let maps = ClassMaps::read(folder, &case.id)?;
                let allowed = allowed(bench, labels, case, &maps).contains(&finding);
                let (keys, planes) = maps.select(|class| class == finding && allowed);
                if keys.is_empty() {
                    return Ok(None);
                }
                let plane = upsample(&planes, maps.size[0], maps.size[1]).to_plane(0);
                let top = plane.as_slice().iter().copied().fold(0.0f32, f32::max);
                Ok(Some(plane.map(|&v| if top > 0.0 { v / top } else { v })))
            },
        )?);
    }
    Ok(rows)
}

/// Writes `rows.json`.
pub(crate) fn write_rows(folder: &Path, rows: &[Row]) -> Result<(), StepError> {
    let text = serde_json::to_string_pretty(rows).expect("rows hold no NaN");
    Ok(atomic::write_durably(&folder.join(ROWS), text.as_bytes())?)
}

/// Reads what [`write_rows`] wrote.
pub(crate) fn read_rows(folder: &Path) -> Result<Vec<Row>, StepError> {
    let path = folder.join(ROWS);
    serde_json::from_slice(&files::read(&path)?).map_err(|e| {
        StepError::Other(format!(
            "{}: {e}; repeat its step with --from",
            path.display()
        ))
    })
}
