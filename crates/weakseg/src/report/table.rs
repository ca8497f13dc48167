//! The step table: every step beside the trivial baselines, in the manner of the paper's
//! Tables 3 (radiographs: *pos* and *all*) and 4 (PASCAL VOC: mIoU).

use weakseg_data::Split;

use super::keys::{ImageLabels, Metric, Step, Subset};
use super::rows::{Report, Row};
use super::standing::{Baselines, Standing};

/// One figure in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The figure, in 0..=1, or a difference of two such, in -1..=1.
    pub value: f64,
    /// The ends of its 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// Over how many images.
    pub n: u64,
    /// Its worth beside the trivial baselines.
    pub standing: Standing,
}

impl Cell {
    /// The figure in three digits.
    pub fn digits(&self) -> String {
        digits(self.value)
    }

    /// The interval to show: none where it has no width, as that of a mask that never errs and of
    /// one that always does. No number of images makes such a figure certain.
    pub fn shown_ci95(&self) -> Option<[f64; 2]> {
        self.ci95.filter(|[low, high]| low < high)
    }
}

/// A figure in three digits; what these cannot tell from 0 has no sign.
pub fn digits(value: f64) -> String {
    let text = format!("{value:.3}");
    match text.as_str() {
        "-0.000" => "0.000".to_owned(),
        _ => text,
    }
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What several neighbouring columns share: the metric.
    pub group: String,
    /// What this one has of its own: the subset or the step.
    pub title: String,
    /// Over how many images, where all its figures agree.
    pub n: Option<u64>,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The step or the class.
    pub title: String,
    /// Which image labels were seen, or nothing.
    pub remark: String,
    /// Whether this is a mask that looks at no image.
    pub baseline: bool,
    /// A figure for each column, `None` where none was measured.
    pub cells: Vec<Option<Cell>>,
}

/// Figures of one split, ready to be rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The split measured on.
    pub split: Split,
    /// What it shows.
    pub title: String,
    /// The head of the first column.
    pub corner: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The lines, baselines first.
    pub lines: Vec<Line>,
    /// What a reader must know, such as what the marks mean.
    pub notes: Vec<String>,
}

/// At most so many classes stand in a table; the rest is in `report.json`.
pub const MAX_CLASSES: usize = 100;

/// All tables of a report: for each split (test first) the steps, then the classes, then the
/// image-level classifier.
pub fn tables(report: &Report) -> Vec<Table> {
    let baselines = Baselines::of(report);
    let mut tables = Vec::new();
    for split in [Split::Test, Split::Val, Split::Train] {
        let rows: Vec<&Row> = report
            .results()
            .iter()
            .filter(|r| r.split() == split)
            .collect();
        tables.extend(steps(report, split, &rows, &baselines));
        tables.extend(classes(report, split, &rows, &baselines));
        tables.extend(classifier(split, &rows));
    }
    tables
}

type LineKey = (Step, ImageLabels);

fn line_of(row: &Row) -> LineKey {
    (row.step(), row.image_labels())
}

fn sorted<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<K> {
    let mut keys: Vec<K> = keys.collect();
    keys.sort();
    keys.dedup();
    keys
}

fn cell(row: &Row, baselines: &Baselines<'_>) -> Cell {
    let standing = baselines.standing(row);
    Cell {
        value: row.value(),
        ci95: row.ci95(),
        n: row.n(),
        standing,
    }
}

/// Steps × (metric, pos / neg / all).
fn steps(report: &Report, split: Split, rows: &[&Row], baselines: &Baselines<'_>) -> Option<Table> {
    let rows: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|r| r.step() != Step::Classifier && !matches!(r.subset(), Subset::Class(_)))
        .collect();
    let columns = sorted(rows.iter().map(|r| (r.metric(), r.subset())));
    let lines: Vec<Line> = sorted(rows.iter().map(|r| line_of(r)))
        .into_iter()
        .map(|key| {
            let find = |&(metric, subset): &(Metric, &Subset)| {
                let found = rows
                    .iter()
                    .find(|r| line_of(r) == key && r.metric() == metric && r.subset() == subset)?;
                Some(cell(found, baselines))
            };
            line(key, columns.iter().map(find).collect())
        })
        .collect();
    let columns = columns
        .iter()
        .map(|(metric, subset)| (metric.title().to_owned(), subset.as_str().to_owned()))
        .collect();
    let counts = report.data.counts.of(split);
    let title = match counts.cases {
        0 => format!("Steps, {split}"),
        _ => format!("Steps, {split} ({})", counts.words()),
    };
    let mut table = finish(split, title, "Step", columns, lines)?;
    if report.data.counts_pairs() {
        let note = "n counts pairs of image and finding, for F1 images";
        table.notes.insert(0, note.to_owned());
    }
    Some(table)
}

/// Classes × steps, one table a metric.
fn classes(report: &Report, split: Split, rows: &[&Row], baselines: &Baselines<'_>) -> Vec<Table> {
    let of_class =
        |r: &&Row| r.step() != Step::Classifier && matches!(r.subset(), Subset::Class(_));
    let rows: Vec<&Row> = rows.iter().copied().filter(of_class).collect();
    let mut tables = Vec::new();
    for metric in sorted(rows.iter().map(|r| r.metric())) {
        let rows: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|r| r.metric() == metric)
            .collect();
        let columns = sorted(rows.iter().map(|r| line_of(r)));
        let names = class_order(report, &rows);
        let hidden = names.len().saturating_sub(MAX_CLASSES);
        let lines = names
            .iter()
            .take(MAX_CLASSES)
            .map(|name| {
                let find = |&key: &LineKey| {
                    let found = rows
                        .iter()
                        .find(|r| line_of(r) == key && r.subset().as_str() == *name)?;
                    Some(cell(found, baselines))
                };
                Line {
                    title: (*name).to_owned(),
                    remark: String::new(),
                    baseline: false,
                    cells: columns.iter().map(find).collect(),
                }
            })
            .collect();
        let columns = columns
            .iter()
            .map(|&(step, labels)| (name_of(step, labels), "".to_owned()))
            .collect();
        let title = format!("{} by class, {split}", metric.title());
        let mut table = finish(split, title, "Class", columns, lines);
        if let Some(table) = table.as_mut().filter(|_| hidden > 0) {
            table
                .notes
                .push(format!("{hidden} more classes are in report.json."));
        }
        tables.extend(table);
    }
    tables
}

/// Classes in the order of the labels; names the data does not list (background) come first.
fn class_order<'a>(report: &Report, rows: &[&'a Row]) -> Vec<&'a str> {
    let mut names = sorted(rows.iter().map(|r| r.subset().as_str()));
    names.sort_by_key(|name| report.data.classes.iter().position(|class| class == name));
    names
}

/// Findings × metrics of the image-level classifier.
fn classifier(split: Split, rows: &[&Row]) -> Option<Table> {
    let rows: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|r| r.step() == Step::Classifier)
        .collect();
    let columns = sorted(rows.iter().map(|r| r.metric()));
    let lines = sorted(rows.iter().map(|r| r.subset()))
        .into_iter()
        .take(MAX_CLASSES)
        .map(|subset| {
            let find = |&metric: &Metric| {
                let found = rows
                    .iter()
                    .find(|r| r.metric() == metric && r.subset() == subset)?;
                let (value, ci95, n) = (found.value(), found.ci95(), found.n());
                Some(Cell {
                    value,
                    ci95,
                    n,
                    standing: Standing::Alone,
                })
            };
            Line {
                title: subset.as_str().to_owned(),
                remark: String::new(),
                baseline: false,
                cells: columns.iter().map(find).collect(),
            }
        })
        .collect();
    let columns = columns
        .iter()
        .map(|m| (m.title().to_owned(), String::new()))
        .collect();
    finish(
        split,
        format!("Image-level classifier, {split}"),
        "Images",
        columns,
        lines,
    )
}

/// The name of a step in tables, with what its maps were told.
pub(super) fn name_of(step: Step, labels: ImageLabels) -> String {
    match labels.remark() {
        "" => step.title().to_owned(),
        remark => format!("{}, {remark}", step.title()),
    }
}

fn line((step, labels): LineKey, cells: Vec<Option<Cell>>) -> Line {
    Line {
        title: step.title().to_owned(),
        remark: labels.remark().to_owned(),
        baseline: step.is_baseline(),
        cells,
    }
}

fn finish(
    split: Split,
    title: String,
    corner: &str,
    columns: Vec<(String, String)>,
    lines: Vec<Line>,
) -> Option<Table> {
    if columns.is_empty() || lines.is_empty() {
        return None;
    }
    let columns: Vec<Column> = columns
        .into_iter()
        .enumerate()
        .map(|(i, (group, title))| {
            let counts = sorted(
                lines
                    .iter()
                    .filter_map(|l| l.cells[i].as_ref().map(|c| c.n)),
            );
            let n = if counts.len() == 1 {
                Some(counts[0])
            } else {
                None
            };
            Column { group, title, n }
        })
        .collect();
    let notes = legend(&lines);
    Some(Table {
        split,
        title,
        corner: corner.to_owned(),
        columns,
        lines,
        notes,
    })
}

/// What the marks mean that the cells have.
fn legend(lines: &[Line]) -> Vec<String> {
    let cells = || lines.iter().flat_map(|line| line.cells.iter().flatten());
    let mut notes = Vec::new();
    if cells().any(|cell| cell.standing.is_bad()) {
        notes.push("▼ below the best mask that looks at no image, = no better than it".to_owned());
    }
    if cells().any(|cell| matches!(cell.standing, Standing::Unclear(..))) {
        notes.push(
            "~ above the best mask that looks at no image, but the interval reaches it".to_owned(),
        );
    }
    notes
}
