//! From the counts of images to rows of the report.

use anyhow::Result;
use weakseg::metrics::{BinaryCounts, Bootstrap, Columns, Confusion, Overlap};
use weakseg::report::{ImageLabels, Metric, ReportError, Row, Step, Subset};
use weakseg_data::Split;

/// A figure of somebody's masks: they saw no image labels that we know of, and count as held out.
pub fn row(
    step: Step,
    subset: Subset,
    metric: Metric,
    value: f64,
    ci95: Option<[f64; 2]>,
    n: usize,
) -> Result<Row, ReportError> {
    Row::new(
        step,
        Split::Test,
        ImageLabels::None,
        subset,
        metric,
        value,
        ci95,
        n as u64,
    )
}

/// Rows of one step. mIoU and the IoU of each class are those of the pooled pixels; where there is one class beside the
/// background, IoU and Dice are means over images, split by whether the truth is empty.
///
/// # Errors
/// When a class has the name of a subset.
pub fn of_masks(
    step: Step,
    names: &[String],
    images: &[Confusion],
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>> {
    let mut pooled = Confusion::new(names.len() + 1);
    images
        .iter()
        .for_each(|image| pooled.merge(image).expect("one class count"));
    let mut rows = Vec::new();
    if let Some(mean) = pooled.mean_iou() {
        let ci95 = bootstrap.of_mean_iou(images).map(|i| [i.low, i.high]);
        rows.push(row(
            step,
            Subset::All,
            Metric::Miou,
            mean.value,
            ci95,
            images.len(),
        )?);
    }
    if names.len() == 1 {
        rows.extend(of_one_class(step, images, bootstrap)?);
        return Ok(rows);
    }
    for (class, name) in std::iter::once("background")
        .chain(names.iter().map(String::as_str))
        .enumerate()
    {
        if let Some(value) = pooled.iou(class) {
            let n = images
                .iter()
                .filter(|image| image.truth_pixels(class) > 0)
                .count();
            rows.push(row(
                step,
                Subset::class(name)?,
                Metric::Iou,
                value,
                None,
                n,
            )?);
        }
    }
    Ok(rows)
}

/// Which images belong to a subset.
type Keep = fn(&Overlap) -> bool;

fn of_one_class(step: Step, images: &[Confusion], bootstrap: &Bootstrap) -> Result<Vec<Row>> {
    let overlaps: Vec<Overlap> = images
        .iter()
        .map(|image| Overlap {
            intersection: image.count(1, 1),
            prediction: image.predicted_pixels(1),
            truth: image.truth_pixels(1),
        })
        .collect();
    let mut rows = Vec::new();
    for (metric, score) in [
        (Metric::Iou, Overlap::iou as fn(&Overlap) -> f64),
        (Metric::Dice, Overlap::dice),
    ] {
        let columns = Columns::of(&overlaps, score);
        let subsets: [(Subset, _, Keep); 3] = [
            (Subset::All, columns.all, |_| true),
            (Subset::Pos, columns.pos, Overlap::is_positive),
            (Subset::Neg, columns.neg, |o| !o.is_positive()),
        ];
        for (subset, column, keep) in subsets {
            if let Some(value) = column.value {
                let values: Vec<f64> = overlaps.iter().filter(|o| keep(o)).map(score).collect();
                let ci95 = bootstrap.of_mean(&values).map(|i| [i.low, i.high]);
                rows.push(row(step, subset, metric, value, ci95, column.n)?);
            }
        }
    }
    let (mut pixels, mut decisions) = (BinaryCounts::default(), BinaryCounts::default());
    for (image, overlap) in images.iter().zip(&overlaps) {
        pixels.merge(&BinaryCounts {
            true_positive: image.count(1, 1),
            false_positive: image.count(0, 1),
            true_negative: image.count(0, 0),
            false_negative: image.count(1, 0),
        });
        decisions.record(overlap.prediction > 0, overlap.is_positive());
    }
    let positive = overlaps.iter().filter(|o| o.is_positive()).count();
    for (metric, value, n) in [
        (Metric::F1, pixels.f1(), images.len()),
        (Metric::Sensitivity, decisions.recall(), positive),
        (
            Metric::Specificity,
            decisions.specificity(),
            images.len() - positive,
        ),
    ] {
        if let Some(value) = value {
            rows.push(row(step, Subset::All, metric, value, None, n)?);
        }
    }
    Ok(rows)
}
