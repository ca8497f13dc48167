//! `report.html`: one file without scripts and without anything to fetch.

use std::path::Path;

use askama::Template;
use weakseg_data::Split;

use super::colour;
use super::curves::Curve;
use super::data::{DataSummary, Skipped, SplitCounts};
use super::error::ReportError;
use super::gallery::{GalleryRow, MAX_ROWS};
use super::instances::InstanceFigures;
use super::keys::Subset;
use super::plot;
use super::reading::{self, Reading};
use super::rows::{Report, Timing};
use super::table::{Cell, Table, digits, tables};

/// At most so many skipped cases are named; `report.json` has all.
const MAX_SKIPPED: usize = 50;

/// At most so many charts are drawn.
const MAX_CURVES: usize = 24;

/// At most so many classes have their colour explained.
const MAX_KEYS: usize = 24;

/// At most so many bytes of configuration are shown; `config.toml` has all.
const MAX_CONFIG: usize = 64 * 1024;

/// At most so many characters of any name are shown.
const MAX_NAME: usize = 160;

/// Which run it was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunInfo {
    /// The version of the program.
    pub version: String,
    /// The device computed on.
    pub device: String,
    /// Threads used; 0 where steps were done with different numbers, or none was noted.
    pub threads: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// Wall time of the whole run in seconds, finished steps of earlier sittings included.
    pub seconds: f64,
}

/// Everything the page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportInput {
    /// The name of the run.
    pub title: String,
    /// Which run it was.
    pub run: RunInfo,
    /// The figures.
    pub report: Report,
    /// The figures of instances, where objects were told apart and scored.
    pub instances: Option<InstanceFigures>,
    /// What a few masks bought, if `weakseg tune` has looked at the run.
    pub tuning: Vec<Table>,
    /// The training curves.
    pub curves: Vec<Curve>,
    /// The rows of pictures; the first [`MAX_ROWS`] are shown.
    pub gallery: Vec<GalleryRow>,
    /// The resolved configuration.
    pub config_toml: String,
}

impl ReportInput {
    /// The page. Its size is bounded whatever the number of cases: everything that grows with the
    /// data is cut to a fixed number, and says so.
    ///
    /// # Errors
    /// [`ReportError::Page`] when the template cannot be filled in.
    pub fn html(&self) -> Result<String, ReportError> {
        Ok(Page::of(self).render()?)
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// Those of [`ReportInput::html`], or [`ReportError::Data`] when the file cannot be written.
    pub fn write_html(&self, path: &Path) -> Result<(), ReportError> {
        Ok(weakseg_data::atomic::write(path, self.html()?.as_bytes())?)
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    run: &'a RunInfo,
    data: &'a DataSummary,
    facts: Vec<(&'static str, String)>,
    reading: Reading,
    plots: Vec<(String, String)>,
    open_tables: Vec<Table>,
    folded_tables: Vec<Table>,
    instance_tables: Vec<Table>,
    tuning: &'a [Table],
    gallery: Vec<&'a GalleryRow>,
    gallery_hidden: usize,
    ramp: String,
    keys: Vec<(String, String)>,
    curves: Vec<(String, String)>,
    timings: Vec<Cost>,
    splits: Vec<(Split, SplitCounts)>,
    skipped: &'a [Skipped],
    skipped_hidden: usize,
    config: &'a str,
    config_cut: bool,
}

/// A line of the table of costs, in words.
struct Cost {
    step: String,
    time: String,
    /// Percent of the slowest step.
    share: String,
    cases: u64,
    memory: String,
}

fn costs(timings: &[Timing]) -> Vec<Cost> {
    let slowest = timings
        .iter()
        .map(|t| t.seconds)
        .fold(f64::MIN_POSITIVE, f64::max);
    let cost = |t: &Timing| Cost {
        step: short(&t.step),
        time: duration(t.seconds),
        share: format!("{:.1}", (t.seconds / slowest * 100.0).clamp(0.0, 100.0)),
        cases: t.cases,
        memory: bytes(t.peak_rss_bytes),
    };
    timings.iter().map(cost).collect()
}

impl<'a> Page<'a> {
    fn of(input: &'a ReportInput) -> Self {
        let report = &input.report;
        let spoken = reading::spoken_for(report);
        let (open_tables, folded_tables) = split_tables(report, spoken.map(|(split, _)| split));
        let shown = input.gallery.len().min(MAX_ROWS);
        let named = report.data.skipped.len().min(MAX_SKIPPED);
        let config = cut(&input.config_toml, MAX_CONFIG);
        Page {
            title: short(&input.title),
            run: &input.run,
            data: &report.data,
            facts: facts(input),
            reading: reading::read(report),
            plots: plots(report),
            open_tables,
            folded_tables,
            instance_tables: input
                .instances
                .iter()
                .flat_map(InstanceFigures::tables)
                .collect(),
            tuning: &input.tuning,
            gallery: input.gallery[..shown].iter().collect(),
            gallery_hidden: input.gallery.len() - shown,
            ramp: ramp(),
            keys: keys(report),
            curves: input
                .curves
                .iter()
                .take(MAX_CURVES)
                .map(|curve| (curve.title.clone(), plot::lines(curve)))
                .collect(),
            timings: costs(report.timings()),
            splits: Split::ALL
                .into_iter()
                .map(|split| (split, report.data.counts.of(split)))
                .filter(|(_, counts)| counts.cases > 0)
                .collect(),
            skipped: &report.data.skipped[..named],
            skipped_hidden: report.data.skipped.len() - named,
            config,
            config_cut: config.len() < input.config_toml.len(),
        }
    }
}

fn facts(input: &ReportInput) -> Vec<(&'static str, String)> {
    let (run, data) = (&input.run, &input.report.data);
    let mut facts = vec![("Data", short(&data.name))];
    let classes = match data.classes.as_slice() {
        [] => "none".to_owned(),
        few if few.len() <= 3 => few.iter().map(|c| short(c)).collect::<Vec<_>>().join(", "),
        many => format!("{} classes", many.len()),
    };
    facts.push(("Looks for", classes));
    facts.push((
        "Device",
        match run.threads {
            0 => run.device.clone(),
            1 => format!("{}, 1 thread", run.device),
            n => format!("{}, {n} threads", run.device),
        },
    ));
    facts.push(("Seed", run.seed.to_string()));
    facts.push(("Wall time", duration(run.seconds)));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The tables of the split that speaks for the report, and the others to fold away.
fn split_tables(report: &Report, spoken: Option<Split>) -> (Vec<Table>, Vec<Table>) {
    tables(report).into_iter().partition(|table| match spoken {
        Some(split) => table.split == split,
        None => true,
    })
}

fn plots(report: &Report) -> Vec<(String, String)> {
    let Some((split, metric)) = reading::spoken_for(report) else {
        return Vec::new();
    };
    [
        (Subset::All, "all images"),
        (Subset::Pos, "images with a finding"),
    ]
    .into_iter()
    .filter_map(|(subset, words)| {
        let marks = reading::marks(report, split, metric, &subset);
        let title = format!("{}, {split}, {words}", metric.title());
        (!marks.is_empty()).then(|| (title.clone(), plot::intervals(&title, &marks)))
    })
    .collect()
}

/// The heat colours as a CSS gradient.
fn ramp() -> String {
    let stops: Vec<String> = (0..=8_u8)
        .map(|i| colour::css(colour::heat(f32::from(i) / 8.0)))
        .collect();
    format!("linear-gradient(90deg,{})", stops.join(","))
}

/// What the colours of masks mean: prediction and truth of one finding, or the first classes.
fn keys(report: &Report) -> Vec<(String, String)> {
    match report.data.classes.as_slice() {
        [_] => vec![
            ("segmentation".to_owned(), colour::css(colour::class(0))),
            ("truth".to_owned(), colour::css(colour::truth())),
        ],
        many => {
            let key = |(k, name): (usize, &String)| (short(name), colour::css(colour::class(k)));
            many.iter().enumerate().take(MAX_KEYS).map(key).collect()
        }
    }
}

/// Seconds in the form a person says them.
fn duration(seconds: f64) -> String {
    // A time is checked when it enters a report; whatever else comes reads as nothing.
    let whole = if seconds.is_finite() {
        seconds.max(0.0).round() as u64
    } else {
        0
    };
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

fn bytes(bytes: Option<u64>) -> String {
    match bytes {
        None => "–".to_owned(),
        Some(n) if n < 1 << 30 => format!("{:.0} MiB", n as f64 / f64::from(1 << 20)),
        Some(n) => format!("{:.2} GiB", n as f64 / f64::from(1 << 30)),
    }
}

/// `text` cut to [`MAX_NAME`] characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// At most `limit` bytes of `text`, cut at the end of a line or else of a character.
fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit)
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0);
    let end = text[..end].rfind('\n').map_or(end, |at| at + 1);
    &text[..end]
}

/// The runs of neighbouring columns of one metric: their title and how many they are.
fn groups(table: &Table) -> Vec<(String, usize)> {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for column in &table.columns {
        match groups.last_mut() {
            Some((title, span)) if *title == column.group => *span += 1,
            _ => groups.push((column.group.clone(), 1)),
        }
    }
    groups
}

fn has_subtitles(table: &Table) -> bool {
    table.columns.iter().any(|column| !column.title.is_empty())
}

fn interval(cell: &Cell) -> String {
    let Some([low, high]) = cell.shown_ci95() else {
        return String::new();
    };
    let [from, to] = [low, high].map(digits);
    // A dash before a sign would be read as two.
    let between = if low < 0.0 { " to " } else { "–" };
    format!("{from}{between}{to}")
}

#[cfg(test)]
mod tests {
    use super::super::gallery::{Panel, Role};
    use super::super::instances::{ClassPrecision, SplitPrecision};
    use super::super::keys::{ImageLabels, Metric, Step};
    use super::super::rows::Row;
    use super::super::standing::Standing;
    use super::super::{data, sample};
    use super::*;

    fn input(report: Report) -> ReportInput {
        ReportInput {
            title: "demo".to_owned(),
            run: RunInfo {
                device: "cpu".to_owned(),
                seconds: 12.0,
                ..RunInfo::default()
            },
            report,
            instances: None,
            tuning: vec![],
            curves: vec![],
            gallery: vec![],
            config_toml: "seed = 7\n".to_owned(),
        }
    }

    fn picture_row(id: &str) -> GalleryRow {
        let panel = Panel {
            caption: "Image".to_owned(),
            uri: Some("data:image/png;base64,AAAA".to_owned()),
        };
        GalleryRow {
            id: id.to_owned(),
            role: Role::Best,
            note: id.to_owned(),
            panels: vec![panel],
        }
    }

    #[test]
    fn a_run_of_no_cases_renders() {
        let html = input(sample::report(vec![])).html().expect("a page");
        assert!(html.contains("nothing was measured"));
        assert!(html.contains("not a medical device"));
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn everything_is_escaped() {
        const EVIL: &str = "<script>alert(1)</script>\"'&";
        let mut report = sample::full();
        report.data.name = EVIL.to_owned();
        report.data.classes = vec![EVIL.to_owned()];
        report.data.empty_masks = EVIL.to_owned();
        report
            .data
            .versions
            .insert(EVIL.to_owned(), EVIL.to_owned());
        let (case, step, reason) = (EVIL.to_owned(), EVIL.to_owned(), EVIL.to_owned());
        report
            .data
            .skipped
            .push(data::Skipped { case, step, reason });
        let mut rows = report.results().to_vec();
        let class = Subset::class(EVIL).expect("not reserved");
        let row = Row::new(
            Step::Cam,
            Split::Test,
            ImageLabels::Truth,
            class,
            Metric::Iou,
            0.5,
            None,
            3,
        );
        rows.push(row.expect("in range"));
        let mut timings = report.timings().to_vec();
        timings[0].step = EVIL.to_owned();
        let mut input = input(Report::new(report.data, rows, timings).expect("a report"));
        input.title = EVIL.to_owned();
        input.config_toml = EVIL.to_owned();
        input.run.device = EVIL.to_owned();
        input.run.version = EVIL.to_owned();
        let series = vec![super::super::curves::Series {
            name: EVIL.to_owned(),
            points: vec![[1.0, 1.0]],
        }];
        input.curves.push(Curve {
            title: EVIL.to_owned(),
            series,
        });
        let mut row = picture_row(EVIL);
        row.panels[0].caption = EVIL.to_owned();
        row.panels[0].uri = Some(EVIL.to_owned());
        input.gallery.push(row);
        let html = input.html().expect("a page");
        assert!(
            !html.contains("<script"),
            "no script of ours, none of theirs"
        );
        assert!(!html.contains("'&\""), "quotes do not end attributes");
        assert!(html.matches("alert(1)").count() >= 15, "each is still told");
    }

    #[test]
    fn objects_told_apart_have_their_own_table() {
        const TITLE: &str = "Objects of one class told apart";
        let mut input = input(sample::full());
        assert!(!input.html().expect("a page").contains(TITLE));
        let class = ClassPrecision {
            class: "<b>".to_owned(),
            average_precision: Some(0.375),
            objects: 8,
            found: 5,
        };
        input.instances = Some(InstanceFigures {
            iou: 0.5,
            results: vec![SplitPrecision {
                split: Split::Val,
                image_labels: ImageLabels::Truth,
                images: 6,
                average_precision: 0.375,
                ci95: None,
                classes: vec![class],
            }],
        });
        let html = input.html().expect("a page");
        for part in [
            TITLE,
            "Instances, val (6 images",
            "AP at IoU 0.5",
            "0.375",
            "5 found, 8 true",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("<th><b>"), "names are escaped");
    }

    #[test]
    fn warnings_stand_open_above_the_figures() {
        let mut input = input(sample::full());
        input.report.data.warnings = vec!["nothing was learned".to_owned()];
        let html = input.html().expect("a page");
        let (above, below) = html.split_once("nothing was learned").expect("told");
        assert!(!above.contains("<details") && !above.contains("<table"));
        assert!(below.contains("<h2>Every step"));
    }

    #[test]
    fn nothing_is_fetched() {
        let mut input = input(sample::full());
        input.gallery.push(picture_row("a"));
        let html = input.html().expect("a page");
        for sign in ["http:", "https:", "src=\"/", "url(", "@import", "<link"] {
            assert!(!html.contains(sign), "{sign}");
        }
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn the_size_is_bounded_with_50_000_cases() {
        let mut report = sample::full();
        report.data.skipped = (0..50_000)
            .map(|i| data::Skipped {
                case: format!("case-{i}"),
                step: "make-cams".to_owned(),
                reason: "x".repeat(5_000),
            })
            .collect();
        let mut input = input(report);
        input.gallery = (0..50_000)
            .map(|i| picture_row(&format!("case-{i}")))
            .collect();
        input.config_toml = "key = 1\n".repeat(100_000);
        let html = input.html().expect("a page");
        assert!(html.len() < 300_000, "{} bytes", html.len());
        assert_eq!(html.matches("<figure").count(), MAX_ROWS);
        assert!(html.contains("49950 more"), "what is left out is said");
        assert!(html.contains("first 64 KiB"), "what is left out is said");
    }

    #[test]
    fn a_run_below_the_empty_mask_is_marked() {
        let row = |step, value| {
            let (split, labels) = (Split::Test, ImageLabels::None);
            Row::new(
                step,
                split,
                labels,
                Subset::All,
                Metric::Iou,
                value,
                None,
                686,
            )
            .expect("in range")
        };
        let bad = vec![
            row(Step::BaselineEmpty, 0.7886),
            row(Step::Segmentation, 0.7677),
        ];
        let html = input(sample::report(bad)).html().expect("a page");
        assert!(html.contains("reading bad"), "the callout");
        assert!(html.contains("▼ below the best mask"), "the legend");
        assert!(
            !input(sample::full())
                .html()
                .expect("a page")
                .contains("reading bad")
        );
    }

    #[test]
    fn ranges_may_begin_below_0() {
        let of = |low, high| {
            interval(&Cell {
                value: 0.0,
                ci95: Some([low, high]),
                n: 0,
                standing: Standing::Alone,
            })
        };
        assert_eq!(of(0.25, 0.5), "0.250–0.500");
        assert_eq!(of(-0.25, -0.125), "-0.250 to -0.125");
        assert_eq!(of(-0.0001, 0.125), "0.000 to 0.125");
        assert_eq!(of(0.5, 0.5), "", "no width");
    }

    #[test]
    fn times_and_sizes_are_said_as_people_say_them() {
        assert_eq!(duration(3.24), "3.2 s");
        assert_eq!(duration(185.0), "3 min 05 s");
        assert_eq!(duration(7_260.0), "2 h 01 min");
        assert_eq!(bytes(Some(700 << 20)), "700 MiB");
        assert_eq!(bytes(Some(3 << 29)), "1.50 GiB");
        assert_eq!(cut("ab\ncd", 4), "ab\n");
        assert_eq!(cut("ééé", 3), "é");
    }
}
