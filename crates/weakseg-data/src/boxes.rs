//! Boxes around findings, `image,label,x,y,width,height`: for scoring only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule, counted, some_of};
use crate::listing::id_of;
use crate::{Case, Cases, Classes, DataError, Limits, read_image_size};

/// A rectangle around a finding, in pixels of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundingBox {
    /// Index of the finding in [`Classes::names`].
    pub label: usize,
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Extent to the right, above 0.
    pub width: f32,
    /// Extent downwards, above 0.
    pub height: f32,
}

/// A table of boxes.
pub(crate) struct Boxes {
    /// The boxes of each id.
    pub(crate) of: BTreeMap<String, Vec<BoundingBox>>,
    /// What is wrong with the table.
    pub(crate) faults: Vec<Fault>,
}

/// Reads a table of boxes. Labels are matched without regard to case; boxes of other findings are left out and noted.
pub(crate) fn read_boxes(path: &Path, classes: &Classes) -> Result<Boxes, DataError> {
    let mut table = CsvTable::read(path)?;
    let columns = table.require(&["image", "label", "x", "y", "width", "height"])?;
    let mut of: BTreeMap<String, Vec<BoundingBox>> = BTreeMap::new();
    let mut faults = std::mem::take(&mut table.faults);
    let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
    for (line, record) in &table.rows {
        let name = &record[columns[1]];
        let Some(label) = classes.index(name) else {
            *unknown.entry(name).or_default() += 1;
            continue;
        };
        let mut numbers = [0.0_f32; 4];
        let mut readable = true;
        for (number, &column) in numbers.iter_mut().zip(&columns[2..]) {
            match record[column].parse::<f32>() {
                Ok(value) if value.is_finite() => *number = value,
                _ => {
                    readable = false;
                    let problem = format!(
                        "`{}` = `{}`, expected a number",
                        table.headers[column], &record[column]
                    );
                    let error =
                        table.row_error(*line, problem, "give the box in pixels of the image");
                    faults.push(Fault::error(Rule::BoxInImage, error));
                }
            }
        }
        let [x, y, width, height] = numbers;
        if readable && !(width > 0.0 && height > 0.0) {
            readable = false;
            let error = table.row_error(
                *line,
                format!("the box is {width} wide and {height} high"),
                "give it an extent above 0, or remove it",
            );
            faults.push(Fault::error(Rule::BoxInImage, error));
        }
        if readable {
            of.entry(id_of(&record[columns[0]]).to_owned())
                .or_default()
                .push(BoundingBox {
                    label,
                    x,
                    y,
                    width,
                    height,
                });
        }
    }
    if !unknown.is_empty() {
        let count: usize = unknown.values().sum();
        let names: Vec<String> = unknown.keys().map(|&name| name.to_owned()).collect();
        let error = DataError::Set {
            path: path.to_owned(),
            problem: format!(
                "{} of findings this set has no labels for: {}",
                counted(count, "box"),
                some_of(&names)
            ),
            remedy: "they are left out of the scores; if a name is misspelt, correct it".into(),
        };
        // A table of which nothing can be used is a mistake; a few boxes of other findings are usual.
        faults.push(if of.is_empty() {
            Fault::error(Rule::CaseOfBox, error)
        } else {
            Fault::warning(Rule::CaseOfBox, error)
        });
    }
    Ok(Boxes { of, faults })
}

/// Boxes of images that are no cases.
pub(crate) fn boxes_without_case(
    path: &Path,
    boxes: &BTreeMap<String, Vec<BoundingBox>>,
    cases: &Cases,
) -> Option<Fault> {
    let known: BTreeSet<&str> = cases.ids().collect();
    let strays: Vec<String> = boxes
        .keys()
        .filter(|id| !known.contains(id.as_str()))
        .cloned()
        .collect();
    (!strays.is_empty()).then(|| {
        let error = DataError::Set {
            path: path.to_owned(),
            problem: format!(
                "boxes of {} without a case: {}",
                counted(strays.len(), "image"),
                some_of(&strays)
            ),
            remedy: "they are left out; add the images, or remove the rows".into(),
        };
        Fault::warning(Rule::CaseOfBox, error)
    })
}

/// Boxes that leave their images. An image that cannot be read is told when its pixels are.
pub(crate) fn boxes_outside(
    boxes: &BTreeMap<String, Vec<BoundingBox>>,
    cases: &Cases,
) -> Vec<Fault> {
    let limits = Limits::default();
    let mut faults = Vec::new();
    for case in &cases.cases {
        let Some(boxes) = boxes.get(&case.id) else {
            continue;
        };
        if let Ok((height, width)) = read_image_size(&case.image, &limits) {
            faults.extend(
                boxes
                    .iter()
                    .filter_map(|found| outside(case, found, height, width)),
            );
        }
    }
    faults
}

/// A box that leaves its image by more than the pixel that rounding may cost.
pub(crate) fn outside(
    case: &Case,
    found: &BoundingBox,
    height: usize,
    width: usize,
) -> Option<Fault> {
    let inside = found.x >= -1.0
        && found.y >= -1.0
        && found.x + found.width <= width as f32 + 1.0
        && found.y + found.height <= height as f32 + 1.0;
    if inside {
        return None;
    }
    let error = DataError::Set {
        path: case.image.clone(),
        problem: format!(
            "the box x {}, y {}, width {}, height {} leaves the image of {height}x{width} (height x width)",
            found.x, found.y, found.width, found.height
        ),
        remedy: "give boxes in pixels of this very image, not of a larger original".into(),
    };
    Some(Fault::error(Rule::BoxInImage, error))
}
