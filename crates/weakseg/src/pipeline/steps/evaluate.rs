//! `evaluate`: scores of the segmentation network on held-out cases, whose labels it never sees.

use std::path::Path;

use weakseg_data::mask_store::MaskStore;
use weakseg_data::{DataError, LabelSpace, Limits, Split, Stack, Truth};

use super::scoring::{bootstrap, write_rows};
use super::{ClassMaps, held_out, per_batch};
use crate::cam::Threshold;
use crate::pipeline::{Bench, StepError};
use crate::predict::{Prediction, Predictor};
use crate::report::{ImageLabels, Step};
use crate::scoring::{Who, score_boxes, score_masks};

/// Folder of the score maps of cases with boxes, at the image's own size, of the classes that the gate lets through.
const MAPS: &str = "maps";

/// Writes `CASE.png` for every held-out case, then `rows.json`.
///
/// Rows say `predicted` when the classifier's gate is on, `none` when the segmentation network decides alone: the true
/// image-level labels are never seen here. What the gate stops is empty in masks and a miss for boxes, as in the rows
/// of the maps with predicted labels.
pub fn evaluate(bench: &Bench<'_>, truth: &Truth, folder: &Path) -> Result<usize, StepError> {
    let predictor = Predictor::open(bench.run.root(), &bench.device)
        .map_err(|e| StepError::Other(e.to_string()))?;
    let cases = &bench.cases.cases;
    let store = MaskStore::new(folder, bench.cases.classes.clone());
    let maps = folder.join(MAPS);
    let held_out = held_out(bench);
    per_batch(
        bench,
        "evaluate",
        &held_out,
        bench.config.segmenter.training.batch,
        |i| store.exists(&cases[i].id),
        |batch| {
            let images: Vec<Stack<u8>> = batch
                .iter()
                .map(|&i| cases[i].read_image(&Limits::default()))
                .collect::<Result<_, _>>()?;
            let predictions = predictor
                .predict(&images)
                .map_err(|e| StepError::Other(e.to_string()))?;
            for (&index, prediction) in batch.iter().zip(&predictions) {
                let case = &cases[index];
                if !truth.boxes(&case.id).is_empty() {
                    crate::files::make_folder(&maps)?;
                    score_maps(bench.cases.classes.space, prediction)?.write(&maps, &case.id)?;
                }
                store.write(&case.id, &prediction.mask)?;
            }
            Ok(())
        },
    )?;
    let image_labels = if bench.config.segmenter.gate > 0.0 {
        ImageLabels::Predicted
    } else {
        ImageLabels::None
    };
    let mut rows = Vec::new();
    for split in [Split::Val, Split::Test] {
        let who = Who {
            step: Step::Segmentation,
            split,
            image_labels,
        };
        rows.extend(score_masks(
            who,
            bench.cases,
            truth,
            &bootstrap(bench),
            |case, _| Ok(store.read(&case.id)?),
        )?);
        let threshold = Threshold::Fixed(bench.config.segmenter.threshold);
        rows.extend(score_boxes(
            who,
            bench.cases,
            truth,
            &bootstrap(bench),
            threshold,
            |case, finding| {
                let (keys, map) =
                    ClassMaps::read(&maps, &case.id)?.select(|class| class == finding);
                Ok((!keys.is_empty()).then(|| map.to_plane(0)))
            },
        )?);
    }
    write_rows(folder, &rows)?;
    Ok(held_out.len())
}

/// The probabilities of those classes that the gate lets through.
fn score_maps(space: LabelSpace, prediction: &Prediction) -> Result<ClassMaps, DataError> {
    let scores = &prediction.scores;
    let background = match space {
        LabelSpace::Exclusive => 1,
        LabelSpace::Findings => 0,
    };
    let (classes, size) = (
        scores.channels() - background,
        [scores.height(), scores.width()],
    );
    let values = scores.as_slice()[background * size[0] * size[1]..].to_vec();
    let all = ClassMaps {
        keys: (0..classes).collect(),
        maps: Stack::new(classes, size[0], size[1], values)?,
        probabilities: prediction.probabilities.clone().unwrap_or_default(),
        size,
    };
    let (keys, maps) = all.select(|class| prediction.open.contains(&class));
    Ok(ClassMaps { keys, maps, ..all })
}
