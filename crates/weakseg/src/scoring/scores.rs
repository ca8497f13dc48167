//! From predicted masks and maps to rows of the report.
//!
//! Every step is scored by the same two functions, so that a difference between rows is a difference between steps.

use densecrf::CrfError;
use rayon::prelude::*;
use weakseg_data::{Case, Cases, DataError, LabelSpace, Mask, Plane, Truth};

use super::rows::{Who, class_rows, finding_rows, mean_iou_row};
use crate::cam::Threshold;
use crate::metrics::localisation::{Rectangle, box_iou, pointing_hit};
use crate::metrics::{BinaryCounts, Bootstrap, Confusion, MetricError, Overlap};
use crate::report::{Metric, ReportError, Row, Subset};

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
    /// The dense CRF that refines a prediction.
    #[error("case {case}: dense CRF: {source}")]
    Crf {
        /// The case.
        case: String,
        /// What is wrong.
        source: CrfError,
    },
    /// A row that is not a figure.
    #[error(transparent)]
    Row(#[from] ReportError),
}

/// Scores a mask for every case of the split that has a true one. `predict` gives a mask of the size of the truth it is
/// handed (for its size alone). A true mask that is void everywhere says nothing of a prediction: it is left out, of
/// findings each for itself.
///
/// Findings: per-image IoU and Dice over `all`, `pos` and `neg` (an empty prediction of an empty truth is 1), per
/// finding over its positives, pooled-pixel F1, and image-level sensitivity and specificity of "the mask is not empty".
/// Exclusive: mIoU and per-class IoU of the pooled confusion, background included.
///
/// # Errors
/// When a mask cannot be read or does not fit.
pub fn score_masks(
    who: Who,
    cases: &Cases,
    truth: &Truth,
    bootstrap: &Bootstrap,
    predict: impl Fn(&Case, [usize; 2]) -> Result<Mask, ScoreError> + Sync,
) -> Result<Vec<Row>, ScoreError> {
    let names = &cases.classes.names;
    match cases.classes.space {
        LabelSpace::Exclusive => {
            let images = counted(who, cases, truth, predict, |predicted, truth| {
                let mut confusion = Confusion::new(names.len() + 1);
                confusion.add(truth.planes.plane(0), predicted.planes.plane(0))?;
                Ok(confusion)
            })?;
            let mut rows = Vec::from_iter(mean_iou_row(who, &images, bootstrap)?);
            rows.extend(class_rows(who, names, &images)?);
            Ok(rows)
        }
        LabelSpace::Findings => {
            let images = counted(who, cases, truth, predict, Findings::of)?;
            Findings::rows(who, names, &images, bootstrap)
        }
    }
}

/// What `count` makes of every prediction and its truth. Both are let go of then: the masks of a split are more than
/// memory holds.
fn counted<T: Send>(
    who: Who,
    cases: &Cases,
    truth: &Truth,
    predict: impl Fn(&Case, [usize; 2]) -> Result<Mask, ScoreError> + Sync,
    count: impl Fn(&Mask, &Mask) -> Result<T, MetricError> + Sync,
) -> Result<Vec<T>, ScoreError> {
    let split: Vec<&Case> = cases.of(who.split).collect();
    let images = split.par_iter().map(|case| {
        let mask = truth.mask(&case.id)?;
        let Some(true_mask) = mask.filter(|mask| mask.void_planes() < mask.planes.channels())
        else {
            return Ok(None);
        };
        let size = [true_mask.planes.height(), true_mask.planes.width()];
        let counts = count(&predict(case, size)?, &true_mask);
        counts.map(Some).map_err(|source| ScoreError::Metric {
            case: case.id.clone(),
            source,
        })
    });
    let images: Vec<Option<T>> = images.collect::<Result<_, ScoreError>>()?;
    Ok(images.into_iter().flatten().collect())
}

/// Counts of the findings of an image.
struct Findings {
    /// None of one whose truth is void everywhere.
    overlaps: Vec<Option<Overlap>>,
    /// Of all others.
    pixels: BinaryCounts,
}

impl Findings {
    fn of(predicted: &Mask, truth: &Mask) -> Result<Self, MetricError> {
        let mut pixels = BinaryCounts::default();
        let overlaps = (0..truth.planes.channels()).map(|finding| {
            if truth.is_void(finding) {
                return Ok(None);
            }
            let planes = [predicted, truth].map(|mask| mask.planes.plane(finding));
            pixels.add_pixels(planes[0], planes[1])?;
            Overlap::of(planes[0], planes[1]).map(Some)
        });
        Ok(Self {
            overlaps: overlaps.collect::<Result<_, MetricError>>()?,
            pixels,
        })
    }

    fn rows(
        who: Who,
        names: &[String],
        images: &[Self],
        bootstrap: &Bootstrap,
    ) -> Result<Vec<Row>, ScoreError> {
        let of_finding = |finding: usize| images.iter().map(|i| i.overlaps[finding]).collect();
        let per_finding: Vec<Vec<Option<Overlap>>> = (0..names.len()).map(of_finding).collect();
        let mut pixels = BinaryCounts::default();
        for image in images {
            pixels.merge(&image.pixels);
        }
        Ok(finding_rows(who, names, &per_finding, &pixels, bootstrap)?)
    }
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
    threshold: Threshold,
    map: impl Fn(&Case, usize) -> Result<Option<Plane<f32>>, DataError> + Sync,
) -> Result<Vec<Row>, ScoreError> {
    let mut hits = Vec::new();
    let mut overlaps = Vec::new();
    for case in cases.of(who.split) {
        let (mut hits_of_case, mut overlaps_of_case) = (Vec::new(), Vec::new());
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
                    box_iou(
                        map.as_slice(),
                        map.height(),
                        map.width(),
                        threshold.of(map.as_slice()),
                        &boxes,
                    )
                    .map_err(of)?,
                ),
                None => (Some(0.0), Some(0.0)),
            };
            hits_of_case.extend(hit);
            overlaps_of_case.extend(overlap);
        }
        hits.push(hits_of_case);
        overlaps.push(overlaps_of_case);
    }
    let mut rows = Vec::new();
    for (metric, values) in [(Metric::HitRate, hits), (Metric::BoxIou, overlaps)] {
        rows.extend(who.mean_row(Subset::Pos, metric, &values, bootstrap)?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use weakseg_data::{Split, Stack, VOID};

    use super::*;
    use crate::report::{ImageLabels, Step};

    /// Two findings of an image of two pixels.
    fn mask(planes: [[u8; 2]; 2]) -> Mask {
        let planes = Stack::new(2, 1, 2, planes.concat());
        Mask {
            planes: planes.expect("two planes of two pixels"),
        }
    }

    /// Nobody knows whether the first image shows the second finding: an empty prediction of it is neither right nor
    /// wrong.
    #[test]
    fn a_finding_that_is_void_everywhere_is_in_no_figure() {
        let images = [
            (mask([[1, 0], [0, 0]]), mask([[1, 0], [VOID, VOID]])),
            (mask([[0, 0], [1, 0]]), mask([[0, 0], [1, 1]])),
        ]
        .map(|(predicted, truth)| Findings::of(&predicted, &truth).expect("zeros and ones"));
        let names = ["mass".to_owned(), "node".to_owned()];
        let who = Who {
            step: Step::Segmentation,
            split: Split::Test,
            image_labels: ImageLabels::None,
        };
        let rows = Findings::rows(who, &names, &images, &Bootstrap::default()).expect("rows");
        let found = |subset: Subset, metric| {
            let mut rows = rows.iter();
            let row = rows.find(|row| row.subset() == &subset && row.metric() == metric);
            row.map(|row| (row.value(), row.n()))
        };
        // IoU 1 (a, mass), 1 (b, mass, empty and found so), 1/2 (b, node).
        assert_eq!(found(Subset::All, Metric::Iou), Some((2.5 / 3.0, 3)));
        assert_eq!(found(Subset::Neg, Metric::Iou), Some((1.0, 1)));
        assert_eq!(found(Subset::Pos, Metric::Iou), Some((0.75, 2)));
        assert_eq!(found(Subset::All, Metric::Specificity), Some((1.0, 1)));
        // Pooled: two pixels found, one missed, in two images.
        assert_eq!(found(Subset::All, Metric::F1), Some((4.0 / 5.0, 2)));
    }
}
