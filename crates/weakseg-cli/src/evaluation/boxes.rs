//! Scores against boxes: does the mask lie in the box, and does its own box fit?

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use weakseg::metrics::Bootstrap;
use weakseg::metrics::localisation::{Rectangle, box_iou, pointing_hit};
use weakseg::report::{Metric, Row, Step, Subset};
use weakseg_data::{DataError, MaskResize, Plane, image_id};

use super::reading::{ClassList, Reading};
use super::rows::who;
use super::{Pair, fitted, png_stems};

/// Columns of the table.
const COLUMNS: [&str; 6] = ["image", "label", "x", "y", "width", "height"];

/// One line of the table.
#[derive(Debug, Deserialize)]
struct Line {
    image: String,
    label: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Boxes of each image and class.
type Boxes = BTreeMap<(String, u8), Vec<Rectangle>>;

/// Figures of the judged masks against boxes.
pub struct BoxScores {
    /// Rows as in report.json, baselines first.
    pub rows: Vec<Row>,
    /// Images with boxes that have no prediction.
    pub missing: Vec<String>,
    /// Boxes that are left out, in words.
    pub warning: Option<String>,
}

/// Rows of `hit_rate` and `box_iou` over the findings that have boxes.
///
/// A prediction of another size than its truth is brought to it as masks are, if `truths` are there and `resize` says
/// how: boxes are in pixels of the image, whose size the truth has.
///
/// A mask's peak is any of its pixels, so its hit is the share of them inside the boxes. The full mask points at the
/// image's centre. Where the prediction is empty both figures are 0.
///
/// # Errors
/// When the table or a mask cannot be read, no label is a class, or a box lies outside its image.
pub fn score_boxes(
    pred: &Path,
    file: &Path,
    reading: &Reading,
    truths: &[Pair],
    resize: Option<MaskResize>,
    bootstrap: &Bootstrap,
) -> Result<BoxScores> {
    let preds = png_stems(pred)?;
    let truths: BTreeMap<&Path, &Pair> = truths.iter().map(|p| (p.pred.as_path(), p)).collect();
    let (mut figures, mut missing) = (
        [Figures::default(), Figures::default(), Figures::default()],
        Vec::new(),
    );
    let (boxes, warning) = read(file, &reading.classes)?;
    for ((image, class), boxes) in boxes {
        let Some(path) = preds.get(&image) else {
            missing.push(image);
            continue;
        };
        let mut mask = reading.pred(path)?;
        if let (Some(pair), Some(_)) = (truths.get(path.as_path()), resize) {
            mask = fitted(mask, &reading.truth(&pair.truth)?, pair, resize)?;
        }
        let (height, width) = (mask.height(), mask.width());
        for b in &boxes {
            // By a pixel at most, which rounding may cost.
            ensure!(
                b.x >= -1.0
                    && b.y >= -1.0
                    && b.x + b.width <= width as f64 + 1.0
                    && b.y + b.height <= height as f64 + 1.0,
                "{}: the box {:?} of `{image}` lies outside its prediction of {height}x{width} (height x width); \
                 predictions must have the image's own size, or --truth and --resize-masks nearest bring them to it",
                file.display(),
                (b.x, b.y, b.width, b.height)
            );
        }
        let judged = mask.map(|&value| f32::from(u8::from(value == class)));
        let full = Plane::from_fn(height, width, |y, x| {
            if (y, x) == (height / 2, width / 2) {
                2.0
            } else {
                1.0
            }
        });
        for (figures, map) in figures
            .iter_mut()
            .zip([&judged.map(|_| 0.0), &full, &judged])
        {
            figures
                .add(&image, map, &boxes)
                .with_context(|| path.display().to_string())?;
        }
    }
    missing.dedup();
    let mut rows = Vec::new();
    for (step, figures) in [Step::BaselineEmpty, Step::BaselineFull, Step::Segmentation]
        .into_iter()
        .zip(figures)
    {
        rows.extend(figures.rows(step, bootstrap)?);
    }
    if rows.is_empty() {
        bail!(
            "{}: no box is of an image in {}; name predictions as the images",
            file.display(),
            pred.display()
        );
    }
    Ok(BoxScores {
        rows,
        missing,
        warning,
    })
}

/// Of each image, one value a finding with boxes.
#[derive(Default)]
struct Figures {
    hits: BTreeMap<String, Vec<f64>>,
    overlaps: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    fn add(&mut self, image: &str, map: &Plane<f32>, boxes: &[Rectangle]) -> Result<()> {
        let (values, height, width) = (map.as_slice(), map.height(), map.width());
        let hit = match values.iter().all(|&value| value == 1.0) {
            // Of a map that is the same everywhere nothing is a peak; of a mask of the whole image every pixel is.
            true => Some(share_inside(height, width, boxes)),
            false => pointing_hit(values, height, width, boxes)?,
        };
        let overlap = box_iou(values, height, width, 0.5, boxes)?;
        for (figures, value) in [(&mut self.hits, hit), (&mut self.overlaps, overlap)] {
            figures.entry(image.to_owned()).or_default().extend(value);
        }
        Ok(())
    }

    fn rows(&self, step: Step, bootstrap: &Bootstrap) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (metric, values) in [
            (Metric::HitRate, &self.hits),
            (Metric::BoxIou, &self.overlaps),
        ] {
            let images: Vec<Vec<f64>> = values.values().cloned().collect();
            rows.extend(who(step).mean_row(Subset::Pos, metric, &images, bootstrap)?);
        }
        Ok(rows)
    }
}

/// Share of an image's pixels that lie in a box.
fn share_inside(height: usize, width: usize, boxes: &[Rectangle]) -> f64 {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let inside = pixels.filter(|&(y, x)| boxes.iter().any(|b| b.contains_pixel(y, x)));
    inside.count() as f64 / (height * width) as f64
}

/// Reads `image,label,x,y,width,height`. Boxes whose label is no class are left out, and told of in words.
fn read(file: &Path, classes: &ClassList) -> Result<(Boxes, Option<String>)> {
    let at = || {
        format!(
            "{}: expected a table image,label,x,y,width,height",
            file.display()
        )
    };
    let mut table = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(at)?;
    let found: Vec<String> = table
        .headers()
        .with_context(at)?
        .iter()
        .map(str::to_owned)
        .collect();
    let known = |column: &&str| found.iter().any(|name| name.eq_ignore_ascii_case(column));
    if !COLUMNS.iter().all(known) {
        return Err(DataError::Columns {
            path: file.to_owned(),
            expected: COLUMNS.map(str::to_owned).to_vec(),
            found,
        }
        .into());
    }
    let lower = found.iter().map(|name| name.to_lowercase()).collect();
    table.set_headers(lower);
    let header = table.headers().with_context(at)?.clone();
    let mut lines: Vec<(u64, Line)> = Vec::new();
    for record in table.records() {
        let record = record.with_context(at)?;
        // Spreadsheets leave rows of empty cells at the end.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let number = record.position().map_or(0, |position| position.line());
        let line = record
            .deserialize(Some(&header))
            .with_context(|| format!("{}, line {number}", file.display()))?;
        lines.push((number, line));
    }
    ensure!(
        !lines.is_empty(),
        "{}: the table has no boxes; give one a row below the header",
        file.display()
    );
    let mut labels: Vec<&str> = lines.iter().map(|(_, line)| line.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let alone = labels.len() == 1;
    labels.retain(|label| class_of(label, classes, alone).is_none());
    let strange = (!labels.is_empty()).then(|| {
        format!(
            "{}: boxes of {}, none of the classes {}",
            file.display(),
            labels.join(", "),
            classes.names().join(", ")
        )
    });
    let mut boxes = Boxes::new();
    for (number, line) in &lines {
        let Some(class) = class_of(&line.label, classes, alone) else {
            continue;
        };
        let rectangle = Rectangle {
            x: line.x,
            y: line.y,
            width: line.width,
            height: line.height,
        };
        let sound = [line.x, line.y, line.width, line.height]
            .iter()
            .all(|v| v.is_finite());
        ensure!(
            sound && line.width > 0.0 && line.height > 0.0,
            "{}, line {number}: expected a box of finite numbers with width and height above 0",
            file.display()
        );
        boxes
            .entry((image_id(&line.image).to_owned(), class))
            .or_default()
            .push(rectangle);
    }
    match strange {
        Some(words) if boxes.is_empty() => {
            bail!("{words}; give their names in order: --classes NAME,NAME,…")
        }
        _ => Ok((boxes, strange.map(|words| words + ", are left out"))),
    }
}

/// The class number of a label: a name of the list, a number, or the only class there is.
fn class_of(label: &str, classes: &ClassList, alone: bool) -> Option<u8> {
    let names = classes.names();
    let by_name = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(label))
        .map(|at| at + 1);
    let by_number = label
        .parse::<usize>()
        .ok()
        .filter(|number| (1..=names.len()).contains(number));
    let by_default = (alone && names.len() == 1).then_some(1);
    by_name
        .or(by_number)
        .or(by_default)
        .map(|class| class as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_numbers_or_the_only_class() {
        let named: ClassList = "cat,dog".parse().expect("names");
        assert_eq!(class_of("Dog", &named, false), Some(2));
        assert_eq!(class_of("1", &named, false), Some(1));
        assert_eq!(class_of("cow", &named, true), None);
        let one = ClassList::Count(2);
        assert_eq!(class_of("Pneumonia", &one, true), Some(1));
        assert_eq!(class_of("Pneumonia", &one, false), None);
    }
}
