//! `report.json`: every figure of a run, in a form that scripts rely on.
//!
//! A [`Row`] is one figure with its keys; a [`Report`] is all rows with what they were measured
//! on. No value is ever NaN or infinite: a metric that is not defined has no row.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use weakseg_data::Split;

use super::data::DataSummary;
use super::error::ReportError;
use super::keys::{ImageLabels, Metric, Step, Subset};
use crate::format::format_of;

/// The version of the format, the first key of every `report.json`.
pub const FORMAT: u32 = 1;

/// One figure. Made by [`Row::new`] only, so that it is finite and in range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record")]
pub struct Row {
    step: Step,
    split: Split,
    image_labels: ImageLabels,
    subset: Subset,
    metric: Metric,
    value: f64,
    ci95: Option<[f64; 2]>,
    n: u64,
}

/// A row as read, before it is believed.
#[derive(Deserialize)]
struct Record {
    step: Step,
    split: Split,
    image_labels: ImageLabels,
    subset: Subset,
    metric: Metric,
    value: f64,
    ci95: Option<[f64; 2]>,
    n: u64,
}

impl TryFrom<Record> for Row {
    type Error = ReportError;

    fn try_from(r: Record) -> Result<Self, ReportError> {
        Row::new(
            r.step,
            r.split,
            r.image_labels,
            r.subset,
            r.metric,
            r.value,
            r.ci95,
            r.n,
        )
    }
}

/// Rounding may carry a mean or a quantile this far over an end of 0..=1; it is then cut there.
const ROUNDING: f64 = 1e-9;

impl Row {
    /// One figure: `value` in 0..=1, its 95 % interval if there is one, over `n` images, pixels'
    /// classes or boxes.
    ///
    /// # Errors
    /// [`ReportError::NotFinite`], [`ReportError::OutOfRange`] or [`ReportError::Interval`].
    pub fn new(
        step: Step,
        split: Split,
        image_labels: ImageLabels,
        subset: Subset,
        metric: Metric,
        value: f64,
        ci95: Option<[f64; 2]>,
        n: u64,
    ) -> Result<Self, ReportError> {
        let mut row = Row {
            step,
            split,
            image_labels,
            subset,
            metric,
            value,
            ci95,
            n,
        };
        row.value = row.proportion("value", value)?;
        if let Some([low, high]) = ci95 {
            let ends = [
                row.proportion("ci95 low", low)?,
                row.proportion("ci95 high", high)?,
            ];
            if ends[0] > ends[1] {
                return Err(ReportError::Interval {
                    row: row.to_string(),
                    low,
                    high,
                });
            }
            row.ci95 = Some(ends);
        }
        Ok(row)
    }

    fn proportion(&self, what: &'static str, value: f64) -> Result<f64, ReportError> {
        if !value.is_finite() {
            return Err(ReportError::NotFinite {
                row: self.to_string(),
                what,
                value,
            });
        }
        if !(-ROUNDING..=1.0 + ROUNDING).contains(&value) {
            return Err(ReportError::OutOfRange {
                row: self.to_string(),
                what,
                value,
            });
        }
        Ok(value.clamp(0.0, 1.0))
    }

    /// Who is scored.
    pub fn step(&self) -> Step {
        self.step
    }

    /// On which split.
    pub fn split(&self) -> Split {
        self.split
    }

    /// Which image labels the maps saw.
    pub fn image_labels(&self) -> ImageLabels {
        self.image_labels
    }

    /// Over which images or class.
    pub fn subset(&self) -> &Subset {
        &self.subset
    }

    /// What was measured.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The figure, in 0..=1.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The ends of the 95 % interval.
    pub fn ci95(&self) -> Option<[f64; 2]> {
        self.ci95
    }

    /// How many images, or things, were measured.
    pub fn n(&self) -> u64 {
        self.n
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.metric.title(), self.step.title())?;
        if self.image_labels != ImageLabels::None {
            write!(f, " ({})", self.image_labels.remark())?;
        }
        write!(f, " on {} of {}", self.subset.as_str(), self.split)
    }
}

/// What one step of the run cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The step, by its verb: `train-classifier`, `make-cams`, …
    pub step: String,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Cases worked on.
    pub cases: u64,
    /// Greatest resident memory of the process during the step; `null` where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
}

/// Every figure of a run: what `report.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    format: u32,
    /// What the figures were measured on, and by which rules.
    pub data: DataSummary,
    results: Vec<Row>,
    timings: Vec<Timing>,
}

impl Report {
    /// A report of these rows, each key once.
    ///
    /// # Errors
    /// [`ReportError::Duplicate`] or [`ReportError::Timing`].
    pub fn new(
        data: DataSummary,
        results: Vec<Row>,
        timings: Vec<Timing>,
    ) -> Result<Self, ReportError> {
        let report = Report {
            format: FORMAT,
            data,
            results,
            timings,
        };
        report.check()?;
        Ok(report)
    }

    fn check(&self) -> Result<(), ReportError> {
        let mut seen = HashSet::new();
        for row in &self.results {
            let key = (
                row.step,
                row.split,
                row.image_labels,
                &row.subset,
                row.metric,
            );
            if !seen.insert(key) {
                return Err(ReportError::Duplicate {
                    row: row.to_string(),
                });
            }
        }
        match self
            .timings
            .iter()
            .find(|t| !(t.seconds.is_finite() && t.seconds >= 0.0))
        {
            Some(t) => Err(ReportError::Timing {
                step: t.step.clone(),
                seconds: t.seconds,
            }),
            None => Ok(()),
        }
    }

    /// The rows, in the order they were given.
    pub fn results(&self) -> &[Row] {
        &self.results
    }

    /// The cost of each step, in the order of the run.
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }

    /// The row with these keys.
    pub fn find(
        &self,
        step: Step,
        split: Split,
        labels: ImageLabels,
        subset: &Subset,
        metric: Metric,
    ) -> Option<&Row> {
        self.results.iter().find(|r| {
            (r.step, r.split, r.image_labels, r.metric) == (step, split, labels, metric)
                && r.subset == *subset
        })
    }

    /// Reads a `report.json`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a report, states another format, or holds a figure
    /// that [`Row::new`] or [`Report::new`] would refuse.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let json = |source| ReportError::Json {
            path: path.to_owned(),
            source,
        };
        let file = |source| ReportError::File {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(file)?;
        let found = format_of(text.as_bytes()).map_err(json)?;
        if found != u64::from(FORMAT) {
            return Err(ReportError::Format {
                path: path.to_owned(),
                found,
                expected: FORMAT,
            });
        }
        let report: Report = serde_json::from_str(&text).map_err(json)?;
        report.check()?;
        Ok(report)
    }

    /// Writes a `report.json`, whole or not at all.
    ///
    /// # Errors
    /// [`ReportError::Data`] when the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let json = |source| ReportError::Json {
            path: path.to_owned(),
            source,
        };
        let mut text = serde_json::to_string_pretty(self).map_err(json)?;
        text.push('\n');
        Ok(weakseg_data::atomic::write_durably(path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use weakseg_data::LabelSpace;

    use super::super::data::Skipped;
    use super::super::sample;
    use super::*;

    fn row(value: f64, ci95: Option<[f64; 2]>) -> Result<Row, ReportError> {
        let (step, split, labels) = (Step::Cam, Split::Val, ImageLabels::Predicted);
        Row::new(
            step,
            split,
            labels,
            Subset::All,
            Metric::Iou,
            value,
            ci95,
            8,
        )
    }

    /// The contract, to the letter: keys, their order, and the words of the enums.
    #[test]
    fn golden_json() {
        let class = Subset::class("left lung").expect("not reserved");
        let rows = vec![
            Row::new(
                Step::BaselineEmpty,
                Split::Test,
                ImageLabels::None,
                Subset::All,
                Metric::Iou,
                0.5,
                Some([0.375, 0.625]),
                16,
            ),
            Row::new(
                Step::Cam,
                Split::Val,
                ImageLabels::Truth,
                class,
                Metric::HitRate,
                1.0,
                None,
                8,
            ),
        ];
        let rows = rows
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .expect("in range");
        let mut data = DataSummary::new(
            "phantom",
            LabelSpace::Findings,
            vec!["left lung".to_owned()],
        );
        data.counts.test.cases = 16;
        data.seed = Some(7);
        data.versions
            .insert("weakseg".to_owned(), "0.1.0".to_owned());
        data.skipped.push(Skipped {
            case: "a".to_owned(),
            step: "make-cams".to_owned(),
            reason: "unreadable".to_owned(),
        });
        data.warnings.push("no test split".to_owned());
        let timing = Timing {
            step: "make-cams".to_owned(),
            seconds: 1.5,
            cases: 16,
            peak_rss_bytes: Some(1024),
        };
        let report = Report::new(data, rows, vec![timing]).expect("each key once");
        let none = r#"{"cases":0,"positive":0,"masks":0,"boxes":0}"#;
        let expected = [
            r#"{"format":1,"data":{"name":"phantom","empty_masks":"per-image metrics count an empty prediction "#,
            r#"of an empty truth as 1 and any other prediction of an empty truth as 0","#,
            r#""space":"findings","classes":["left lung"],"#,
            &format!(r#""counts":{{"train":{none},"val":{none},"#),
            r#""test":{"cases":16,"positive":0,"masks":0,"boxes":0}},"#,
            r#""seed":7,"versions":{"weakseg":"0.1.0"},"#,
            r#""skipped":[{"case":"a","step":"make-cams","reason":"unreadable"}],"warnings":["no test split"]},"#,
            r#""results":[{"step":"baseline-empty","split":"test","image_labels":"none","subset":"all","#,
            r#""metric":"iou","value":0.5,"ci95":[0.375,0.625],"n":16},"#,
            r#"{"step":"cam","split":"val","image_labels":"truth","subset":"left lung","#,
            r#""metric":"hit_rate","value":1.0,"ci95":null,"n":8}],"#,
            r#""timings":[{"step":"make-cams","seconds":1.5,"cases":16,"peak_rss_bytes":1024}]}"#,
        ]
        .concat();
        let written = serde_json::to_string(&report).expect("a report is JSON");
        assert_eq!(written, expected);
        assert_eq!(
            serde_json::from_str::<Report>(&written).expect("its own JSON"),
            report
        );
    }

    #[test]
    fn figures_that_are_none_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(
                row(value, None),
                Err(ReportError::NotFinite { .. })
            ));
            assert!(matches!(
                row(0.5, Some([value, 0.6])),
                Err(ReportError::NotFinite { .. })
            ));
            assert!(matches!(
                row(0.5, Some([0.4, value])),
                Err(ReportError::NotFinite { .. })
            ));
        }
        assert!(matches!(
            row(1.7, None),
            Err(ReportError::OutOfRange { .. })
        ));
        assert!(matches!(
            row(0.5, Some([-0.1, 0.6])),
            Err(ReportError::OutOfRange { .. })
        ));
        assert!(matches!(
            row(0.5, Some([0.6, 0.4])),
            Err(ReportError::Interval { .. })
        ));
        assert_eq!(row(1.0 + 1e-12, None).expect("rounding").value(), 1.0);
        assert_eq!(
            row(f64::NAN, None).expect_err("not a figure").to_string(),
            "IoU of CAM (predicted labels) on all of val: value is NaN, expected a finite number; leave the row out \
             where the metric is not defined"
        );
    }

    #[test]
    fn the_same_refusals_when_reading() {
        let json = serde_json::to_string(&row(0.5, None).expect("in range")).expect("JSON");
        for bad in ["1.5", "null", "1e999", "\"NaN\""] {
            let json = json.replace("0.5", bad);
            assert!(serde_json::from_str::<Row>(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_key_given_twice_and_a_negative_time_are_refused() {
        let (a, b) = (
            row(0.5, None).expect("in range"),
            row(0.6, None).expect("in range"),
        );
        let data = sample::full().data;
        let twice = Report::new(data.clone(), vec![a, b], vec![]);
        assert!(matches!(twice, Err(ReportError::Duplicate { .. })));
        let (step, cases, peak_rss_bytes) = ("cam".to_owned(), 1, None);
        let timing = Timing {
            step,
            seconds: -1.0,
            cases,
            peak_rss_bytes,
        };
        let late = Report::new(data, vec![], vec![timing]);
        assert!(matches!(late, Err(ReportError::Timing { .. })));
    }

    #[test]
    fn written_whole_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        let report = sample::full();
        report.write(&path).expect("written");
        report.write(&path).expect("written over");
        assert!(
            Report::read(&path).expect("read") == report,
            "to the last bit"
        );
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1,
            "nothing left beside"
        );

        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).expect("written");
        let error = Report::read(&path).expect_err("another format").to_string();
        assert!(error.contains("report format 2, expected 1"), "{error}");
        std::fs::write(&path, &text[..text.len() / 2]).expect("written");
        assert!(matches!(Report::read(&path), Err(ReportError::Json { .. })));
        let missing = Report::read(&folder.path().join("none.json"));
        assert!(matches!(missing, Err(ReportError::File { .. })));
    }
}
