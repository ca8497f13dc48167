//! From the counts of images to rows of the report.

use weakseg::metrics::{BinaryCounts, Bootstrap, Confusion, Overlap};
use weakseg::report::{ImageLabels, ReportError, Row, Step};
use weakseg::scoring::{Who, class_rows, finding_rows, mean_iou_row};
use weakseg_data::Split;

/// Somebody's masks: they saw no image labels that we know of, and count as held out.
pub fn who(step: Step) -> Who {
    Who {
        step,
        split: Split::Test,
        image_labels: ImageLabels::None,
    }
}

/// Rows of one step. mIoU and the IoU of each class are those of the pooled pixels; where there is one class beside the
/// background it is scored as a run scores a finding ([`of_findings`]).
///
/// # Errors
/// When a class has the name of a subset.
pub fn of_masks(
    step: Step,
    names: &[String],
    images: &[Confusion],
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>, ReportError> {
    let who = who(step);
    let mut rows = Vec::from_iter(mean_iou_row(who, images, bootstrap)?);
    if names.len() == 1 {
        let images = images.iter().map(Some).collect();
        rows.extend(of_findings(step, names, &[images], bootstrap)?);
    } else {
        rows.extend(class_rows(who, names, images)?);
    }
    Ok(rows)
}

/// Rows of one step for findings, as a run has them. `findings` holds the counts of the images of each, all the same
/// ones in the same order, and none for an image whose truth of that finding is not there or void everywhere.
///
/// # Errors
/// When a finding has the name of a subset.
pub fn of_findings(
    step: Step,
    names: &[String],
    findings: &[Vec<Option<&Confusion>>],
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>, ReportError> {
    let mut pixels = BinaryCounts::default();
    for image in findings.iter().flatten().flatten() {
        pixels.merge(&BinaryCounts {
            true_positive: image.count(1, 1),
            false_positive: image.count(0, 1),
            true_negative: image.count(0, 0),
            false_negative: image.count(1, 0),
        });
    }
    let of = |images: &Vec<Option<&Confusion>>| images.iter().map(|i| i.map(overlap)).collect();
    let overlaps: Vec<Vec<Option<Overlap>>> = findings.iter().map(of).collect();
    finding_rows(who(step), names, &overlaps, &pixels, bootstrap)
}

fn overlap(image: &Confusion) -> Overlap {
    Overlap {
        intersection: image.count(1, 1),
        prediction: image.predicted_pixels(1),
        truth: image.truth_pixels(1),
    }
}
