//! Scores of the pseudo-labels' instances.

use std::path::Path;

use rayon::prelude::*;
use weakseg_data::{Case, Split, Truth, atomic};

use super::make_instances::read_instances;
use super::scoring::bootstrap;
use crate::files;
use crate::metrics::{ImageScores, InstanceScores};
use crate::pipeline::run_record::folder_of;
use crate::pipeline::{Bench, StepError};
use crate::report::{ImageLabels, InstanceFigures, SplitPrecision};
use crate::scoring::{ScoreError, precision_of};

/// Figures of instances, in the folder of the scoring step.
const FIGURES: &str = "instances.json";

/// Least intersection over union of an instance with the object it finds: IRNet's and VOC's.
const IOU: f64 = 0.5;

/// Writes `instances.json`, an [`InstanceFigures`], where the set tells objects apart: the average precision of the
/// instances that the image-level labels allow, on the splits that have some.
pub(super) fn score_instances(
    bench: &Bench<'_>,
    truth: &Truth,
    folder: &Path,
) -> Result<(), StepError> {
    let mut figures = InstanceFigures {
        iou: IOU,
        results: Vec::new(),
    };
    for split in [Split::Train, Split::Val] {
        figures.results.extend(precision(bench, truth, split)?);
    }
    if figures.results.is_empty() {
        bench.progress.note(
            "    the set tells no objects apart: the instances are not scored (true ones would be in SegmentationObject of a voc \
             set, in instances.json of a table)",
        );
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&figures).expect("figures hold no NaN");
    let path = folder.join(FIGURES);
    Ok(atomic::write_durably(&path, text.as_bytes())?)
}

/// The average precision of the instances of a run in folder `run`; none where no instances were made and scored.
///
/// # Errors
/// When there are figures that cannot be read.
pub fn instance_figures(run: &Path) -> Result<Option<InstanceFigures>, StepError> {
    let path = folder_of(run, "eval-pseudo-labels").join(FIGURES);
    if !path.exists() {
        return Ok(None);
    }
    let figures = serde_json::from_slice(&files::read(&path)?);
    figures.map(Some).map_err(|e| {
        StepError::Other(format!(
            "{}: {e}; repeat its step with --from",
            path.display()
        ))
    })
}

/// The figures of a split; none where no case has a true object.
fn precision(
    bench: &Bench<'_>,
    truth: &Truth,
    split: Split,
) -> Result<Option<SplitPrecision>, StepError> {
    let classes = &bench.cases.classes;
    let of = |case: &Case, source| ScoreError::Metric {
        case: case.id.clone(),
        source,
    };
    let folder = bench.run.folder("make-pseudo-labels");
    let cases: Vec<&Case> = bench.cases.of(split).collect();
    let mut scores = InstanceScores::new(classes.len(), IOU).expect("IOU lies above 0 and below 1");
    let images: Vec<Option<(&Case, ImageScores)>> = cases
        .par_iter()
        .map(|&case| {
            let Some(objects) = truth.instances(&case.id)? else {
                return Ok(None);
            };
            let found = read_instances(&folder, &case.id)?;
            let image = scores.of_image(&found, &objects);
            Ok(Some((case, image.map_err(|e| of(case, e))?)))
        })
        .collect::<Result<_, StepError>>()?;
    for (case, image) in images.into_iter().flatten() {
        scores.push(image).map_err(|e| of(case, e))?;
    }
    let (names, labels) = (&classes.names, ImageLabels::Truth);
    Ok(precision_of(
        split,
        labels,
        names,
        &scores,
        &bootstrap(bench),
    ))
}
