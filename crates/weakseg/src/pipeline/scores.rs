//! From predicted masks and maps to rows of the report.
//!
//! Every step is scored by the same two functions, so that a difference between rows is a difference between steps.

use rayon::prelude::*;
use weakseg_data::{Case, Cases, DataError, LabelSpace, Mask, Plane, Split, Truth};

use crate::metrics::localisation::{Rectangle, box_iou, pointing_hit};
use crate::metrics::{BinaryCounts, Bootstrap, Column, Columns, Confusion, MetricError, Overlap};
use crate::report::{ImageLabels, Metric, ReportError, Row, Step, Subset};

/// Why something could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// Masks or predictions.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A figure.
    #[error("case {case}: {source}")]
    Metric {
        /// The case.
        case: String,
        /// What is wrong.
        source: MetricError,
    },
    /// A row that is not a figure.
    #[error(transparent)]
    Row(#[from] ReportError),
}

/// Who is scored: the first three columns of a row.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Step or baseline.
    pub step: Step,
    /// Part of the set.
    pub split: Split,
    /// Which image-level labels the prediction was allowed to see.
    pub image_labels: ImageLabels,
}

impl Who {
    fn row(
        &self,
        subset: Subset,
        metric: Metric,
        value: f64,
        ci95: Option<[f64; 2]>,
        n: usize,
    ) -> Result<Row, ReportError> {
        Row::new(
            self.step,
            self.split,
            self.image_labels,
            subset,
            metric,
            value,
            ci95,
            n as u64,
        )
    }
}

/// Scores a mask for every case of the split that has a true one. `predict` gives a mask of the size of the truth it is
/// handed (for its size alone).
///
/// Findings: per-image IoU and Dice over `all`, `pos` and `neg` (an empty prediction of an empty truth is 1), per finding
/// over its positives, pooled-pixel F1, and image-level sensitivity and specificity of "the mask is not empty".
/// Exclusive: mIoU and per-class IoU of the pooled confusion, background included.
///
/// # Errors
/// When a mask cannot be read or does not fit.
pub fn score_masks(
    who: Who,
    cases: &Cases,
    truth: &Truth,
    bootstrap: &Bootstrap,
    predict: impl Fn(&Case, [usize; 2]) -> Result<Mask, DataError> + Sync,
) -> Result<Vec<Row>, ScoreError> {
    let split: Vec<&Case> = cases.of(who.split).collect();
    let pairs: Vec<(String, Mask, Mask)> = split
        .par_iter()
        .filter_map(|case| {
            let pair = || -> Result<Option<(String, Mask, Mask)>, DataError> {
                let Some(true_mask) = truth.mask(&case.id)? else {
                    return Ok(None);
                };
                let size = [true_mask.planes.height(), true_mask.planes.width()];
                Ok(Some((case.id.clone(), predict(case, size)?, true_mask)))
            };
            pair().transpose()
        })
        .collect::<Result<_, _>>()?;
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    match cases.classes.space {
        LabelSpace::Exclusive => exclusive(who, &cases.classes.names, bootstrap, &pairs),
        LabelSpace::Findings => findings(who, &cases.classes.names, bootstrap, &pairs),
    }
}

fn exclusive(
    who: Who,
    names: &[String],
    bootstrap: &Bootstrap,
    pairs: &[(String, Mask, Mask)],
) -> Result<Vec<Row>, ScoreError> {
    let classes = names.len() + 1;
    let images: Vec<Confusion> = pairs
        .par_iter()
        .map(|(id, predicted, truth)| {
            let mut confusion = Confusion::new(classes);
            confusion
                .add(truth.planes.plane(0), predicted.planes.plane(0))
                .map_err(|source| ScoreError::Metric {
                    case: id.clone(),
                    source,
                })?;
            Ok(confusion)
        })
        .collect::<Result<_, ScoreError>>()?;
    let mut whole = Confusion::new(classes);
    for image in &images {
        whole.merge(image).expect("one class count");
    }
    let mut rows = Vec::new();
    if let Some(mean) = whole.mean_iou() {
        let interval = bootstrap.of_mean_iou(&images).map(|i| [i.low, i.high]);
        rows.push(who.row(
            Subset::All,
            Metric::Miou,
            mean.value,
            interval,
            images.len(),
        )?);
    }
    for (class, name) in std::iter::once("background")
        .chain(names.iter().map(String::as_str))
        .enumerate()
    {
        if let Some(value) = whole.iou(class) {
            let n = images.iter().filter(|i| i.truth_pixels(class) > 0).count();
            rows.push(who.row(Subset::class(name)?, Metric::Iou, value, None, n)?);
        }
    }
    Ok(rows)
}

fn findings(
    who: Who,
    names: &[String],
    bootstrap: &Bootstrap,
    pairs: &[(String, Mask, Mask)],
) -> Result<Vec<Row>, ScoreError> {
    let mut per_finding: Vec<Vec<Overlap>> = vec![Vec::new(); names.len()];
    let mut pixels = BinaryCounts::default();
    let mut images = BinaryCounts::default();
    for (id, predicted, truth) in pairs {
        for (finding, overlaps) in per_finding.iter_mut().enumerate() {
            let of = |source| ScoreError::Metric {
                case: id.clone(),
                source,
            };
            let overlap = Overlap::of(predicted.planes.plane(finding), truth.planes.plane(finding))
                .map_err(of)?;
            pixels
                .add_pixels(predicted.planes.plane(finding), truth.planes.plane(finding))
                .map_err(of)?;
            images.record(overlap.prediction > 0, overlap.is_positive());
            overlaps.push(overlap);
        }
    }
    let all: Vec<Overlap> = per_finding.concat();
    let mut rows = Vec::new();
    let column = |rows: &mut Vec<Row>,
                  subset,
                  metric,
                  column: &Column,
                  score: &dyn Fn(&Overlap) -> f64,
                  keep: &dyn Fn(&Overlap) -> bool| {
        if let Some(value) = column.value {
            let values: Vec<f64> = all.iter().filter(|o| keep(o)).map(score).collect();
            let interval = bootstrap.of_mean(&values).map(|i| [i.low, i.high]);
            rows.push(who.row(subset, metric, value, interval, column.n)?);
        }
        Ok::<(), ReportError>(())
    };
    for (metric, score) in [
        (Metric::Iou, Overlap::iou as fn(&Overlap) -> f64),
        (Metric::Dice, Overlap::dice),
    ] {
        let columns = Columns::of(&all, score);
        column(
            &mut rows,
            Subset::All,
            metric,
            &columns.all,
            &score,
            &|_| true,
        )?;
        column(
            &mut rows,
            Subset::Pos,
            metric,
            &columns.pos,
            &score,
            &Overlap::is_positive,
        )?;
        column(&mut rows, Subset::Neg, metric, &columns.neg, &score, &|o| {
            !o.is_positive()
        })?;
    }
    for (metric, value, n) in [
        (Metric::F1, pixels.f1(), pairs.len()),
        (
            Metric::Sensitivity,
            images.recall(),
            (images.true_positive + images.false_negative) as usize,
        ),
        (
            Metric::Specificity,
            images.specificity(),
            (images.true_negative + images.false_positive) as usize,
        ),
    ] {
        if let Some(value) = value {
            rows.push(who.row(Subset::All, metric, value, None, n)?);
        }
    }
    if names.len() > 1 {
        for (name, overlaps) in names.iter().zip(&per_finding) {
            let positives: Vec<f64> = overlaps
                .iter()
                .filter(|o| o.is_positive())
                .map(Overlap::iou)
                .collect();
            if !positives.is_empty() {
                let value = positives.iter().sum::<f64>() / positives.len() as f64;
                let interval = bootstrap.of_mean(&positives).map(|i| [i.low, i.high]);
                rows.push(who.row(
                    Subset::class(name)?,
                    Metric::Iou,
                    value,
                    interval,
                    positives.len(),
                )?);
            }
        }
    }
    Ok(rows)
}

/// Scores maps against boxes: hit rate of the maximum, and IoU of the box around the largest region above `threshold`
/// (in the map's own values). `map` gives the map of a finding at the image's size, none if the step made none, which
/// counts as a miss.
///
/// # Errors
/// When a map cannot be made or does not fit.
pub fn score_boxes(
    who: Who,
    cases: &Cases,
    truth: &Truth,
    bootstrap: &Bootstrap,
    threshold: f32,
    map: impl Fn(&Case, usize) -> Result<Option<Plane<f32>>, DataError> + Sync,
) -> Result<Vec<Row>, ScoreError> {
    let mut hits = Vec::new();
    let mut overlaps = Vec::new();
    for case in cases.of(who.split) {
        for finding in 0..cases.classes.len() {
            let boxes: Vec<Rectangle> = truth
                .boxes(&case.id)
                .iter()
                .filter(|b| b.label == finding)
                .map(|b| Rectangle {
                    x: b.x.into(),
                    y: b.y.into(),
                    width: b.width.into(),
                    height: b.height.into(),
                })
                .collect();
            if boxes.is_empty() {
                continue;
            }
            let of = |source| ScoreError::Metric {
                case: case.id.clone(),
                source,
            };
            let (hit, overlap) = match map(case, finding)? {
                Some(map) => (
                    pointing_hit(map.as_slice(), map.height(), map.width(), &boxes).map_err(of)?,
                    box_iou(map.as_slice(), map.height(), map.width(), threshold, &boxes)
                        .map_err(of)?,
                ),
                None => (Some(0.0), Some(0.0)),
            };
            hits.extend(hit);
            overlaps.extend(overlap);
        }
    }
    let mut rows = Vec::new();
    for (metric, values) in [(Metric::HitRate, hits), (Metric::BoxIou, overlaps)] {
        if !values.is_empty() {
            let value = values.iter().sum::<f64>() / values.len() as f64;
            let interval = bootstrap.of_mean(&values).map(|i| [i.low, i.high]);
            rows.push(who.row(Subset::Pos, metric, value, interval, values.len())?);
        }
    }
    Ok(rows)
}
