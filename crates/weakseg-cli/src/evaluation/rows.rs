//! From the counts of images to rows of the report.

use weakseg::metrics::{BinaryCounts, Bootstrap, Confusion, Overlap};
use weakseg::pipeline::{Who, class_rows, finding_rows, mean_iou_row};
use weakseg::report::{ImageLabels, ReportError, Row, Step};
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
/// background it is scored as a run scores a finding.
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
        let overlaps = images.iter().map(of_one_class).collect();
        let mut pixels = BinaryCounts::default();
        for image in images {
            pixels.merge(&BinaryCounts {
                true_positive: image.count(1, 1),
                false_positive: image.count(0, 1),
                true_negative: image.count(0, 0),
                false_negative: image.count(1, 0),
            });
        }
        rows.extend(finding_rows(who, names, &[overlaps], &pixels, bootstrap)?);
    } else {
        rows.extend(class_rows(who, names, images)?);
    }
    Ok(rows)
}

fn of_one_class(image: &Confusion) -> Option<Overlap> {
    (image.total() > 0).then(|| Overlap {
        intersection: image.count(1, 1),
        prediction: image.predicted_pixels(1),
        truth: image.truth_pixels(1),
    })
}
