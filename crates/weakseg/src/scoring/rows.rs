//! From the counts of images to figures of the report: of a step of a run, or of what somebody predicted.

use crate::metrics::{BinaryCounts, Bootstrap, Columns, Confusion, InstanceScores, Overlap, mean};
use crate::report::{
    ClassPrecision, ImageLabels, Metric, ReportError, Row, SplitPrecision, Step, Subset,
};
use weakseg_data::Split;

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
    /// One row.
    ///
    /// # Errors
    /// When the value is no figure.
    pub fn row(
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

    /// The mean of all values of some images, of which one may have several or none, with its interval over the images;
    /// no row where there are no values. Its `n` is that of the values.
    ///
    /// # Errors
    /// When a value is no figure.
    pub fn mean_row(
        &self,
        subset: Subset,
        metric: Metric,
        images: &[Vec<f64>],
        bootstrap: &Bootstrap,
    ) -> Result<Option<Row>, ReportError> {
        let Some(mean) = mean(images.iter().flatten().copied()) else {
            return Ok(None);
        };
        let ci95 = bootstrap.of_mean(images).map(|i| [i.low, i.high]);
        let n = images.iter().map(Vec::len).sum();
        self.row(subset, metric, mean, ci95, n).map(Some)
    }
}

/// The mean IoU of the classes of exclusive masks, background included, by pooled pixels.
///
/// # Errors
/// When the value is no figure.
pub fn mean_iou_row(
    who: Who,
    images: &[Confusion],
    bootstrap: &Bootstrap,
) -> Result<Option<Row>, ReportError> {
    let Some(mean) = pooled(images).and_then(|pooled| pooled.mean_iou()) else {
        return Ok(None);
    };
    let ci95 = bootstrap.of_mean_iou(images).map(|i| [i.low, i.high]);
    who.row(Subset::All, Metric::Miou, mean, ci95, images.len())
        .map(Some)
}

/// The IoU of each class of exclusive masks, background first, by pooled pixels; a class that occurs nowhere has no
/// row.
///
/// # Errors
/// When a class has the name of a subset.
pub fn class_rows(
    who: Who,
    names: &[String],
    images: &[Confusion],
) -> Result<Vec<Row>, ReportError> {
    let Some(pooled) = pooled(images) else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for (class, name) in std::iter::once("background")
        .chain(names.iter().map(String::as_str))
        .enumerate()
    {
        if let Some(value) = pooled.iou(class) {
            let n = images.iter().filter(|i| i.truth_pixels(class) > 0).count();
            rows.push(who.row(Subset::class(name)?, Metric::Iou, value, None, n)?);
        }
    }
    Ok(rows)
}

fn pooled(images: &[Confusion]) -> Option<Confusion> {
    let mut pooled = Confusion::new(images.first()?.classes());
    for image in images {
        pooled.merge(image).expect("one class count");
    }
    Some(pooled)
}

/// Rows of findings: `overlaps` holds the images of each finding, all the same ones in the same order, and none for an
/// image whose truth of that finding is void everywhere; `pixels` has the counts of all their pixels.
///
/// Per-image IoU and Dice over `all`, `pos` and `neg` (an empty prediction of an empty truth is 1), pooled-pixel F1,
/// image-level sensitivity and specificity of "the mask is not empty", and per finding the IoU over its positives where
/// there are several.
///
/// # Errors
/// When a finding has the name of a subset.
pub fn finding_rows(
    who: Who,
    names: &[String],
    overlaps: &[Vec<Option<Overlap>>],
    pixels: &BinaryCounts,
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>, ReportError> {
    let in_set = overlaps.first().map_or(0, Vec::len);
    let of_image = |image: usize| {
        overlaps
            .iter()
            .filter_map(move |finding| finding[image])
            .collect()
    };
    let images: Vec<Vec<Overlap>> = (0..in_set).map(of_image).collect();
    let all: Vec<Overlap> = images.iter().flatten().copied().collect();
    let mut rows = Vec::new();
    for (metric, score) in [
        (Metric::Iou, Overlap::iou as fn(&Overlap) -> f64),
        (Metric::Dice, Overlap::dice),
    ] {
        let columns = Columns::of(&images, score);
        for (subset, values) in [
            (Subset::All, columns.all),
            (Subset::Pos, columns.pos),
            (Subset::Neg, columns.neg),
        ] {
            rows.extend(who.mean_row(subset, metric, &values, bootstrap)?);
        }
    }
    let mut calls = BinaryCounts::default();
    for overlap in &all {
        calls.record(overlap.prediction > 0, overlap.is_positive());
    }
    let positive = (calls.true_positive + calls.false_negative) as usize;
    let counted = images.iter().filter(|image| !image.is_empty()).count();
    for (metric, value, n) in [
        (Metric::F1, pixels.f1(), counted),
        (Metric::Sensitivity, calls.recall(), positive),
        (
            Metric::Specificity,
            calls.specificity(),
            all.len() - positive,
        ),
    ] {
        if let Some(value) = value {
            rows.push(who.row(Subset::All, metric, value, None, n)?);
        }
    }
    if names.len() > 1 {
        for (name, overlaps) in names.iter().zip(overlaps) {
            let each = |overlap: &Option<Overlap>| overlap.iter().copied().collect();
            let images: Vec<Vec<Overlap>> = overlaps.iter().map(each).collect();
            let values = Columns::of(&images, Overlap::iou).pos;
            rows.extend(who.mean_row(Subset::class(name)?, Metric::Iou, &values, bootstrap)?);
        }
    }
    Ok(rows)
}

/// The average precision of instances of the classes `names`, with the interval of its mean; none where there is no
/// true object.
pub fn precision_of(
    split: Split,
    image_labels: ImageLabels,
    names: &[String],
    scores: &InstanceScores,
    bootstrap: &Bootstrap,
) -> Option<SplitPrecision> {
    let all = scores.average_precision();
    let ci95 = bootstrap.of_average_precision(scores);
    let (objects, found) = (scores.objects(), scores.found());
    let classes = names.iter().zip(&all.per_class).enumerate();
    let classes = classes.map(|(class, (name, value))| ClassPrecision {
        class: name.clone(),
        average_precision: *value,
        objects: objects[class],
        found: found[class],
    });
    Some(SplitPrecision {
        split,
        image_labels,
        images: scores.images() as u64,
        average_precision: all.mean?,
        ci95: ci95.map(|i| [i.low, i.high]),
        classes: classes.filter(|c| c.objects + c.found > 0).collect(),
    })
}
