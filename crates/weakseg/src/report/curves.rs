//! Training curves from the `metrics.jsonl` of a step.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::error::ReportError;

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// (epoch, value), epochs rising, all finite.
    pub points: Vec<[f64; 2]>,
}

/// One chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it shows, such as `train-classifier: loss`.
    pub title: String,
    /// Its lines.
    pub series: Vec<Series>,
}

/// One line of a `metrics.jsonl`; a `null` value is a figure that was not finite.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Sample {
    epoch: u64,
    split: String,
    name: String,
    value: Option<f64>,
}

/// A chart has at most so many lines, by name.
const MAX_SERIES: usize = 6;

/// A line has at most so many points; more are thinned evenly, the last kept.
const MAX_POINTS: usize = 400;

impl Curve {
    /// The charts of one step: losses, metrics, learning rates and gradient norms, one point an epoch (the mean of
    /// the epoch's samples).
    ///
    /// A last line cut off by a stop is passed over, for the run may still be going.
    ///
    /// # Errors
    /// [`ReportError::File`] or [`ReportError::MetricLine`].
    pub fn read(path: &Path, step: &str) -> Result<Vec<Self>, ReportError> {
        let file = |source| ReportError::File {
            path: path.to_owned(),
            source,
        };
        Self::parse(&std::fs::read_to_string(path).map_err(file)?, path, step)
    }

    fn parse(text: &str, path: &Path, step: &str) -> Result<Vec<Self>, ReportError> {
        let mut epochs = Samples::new();
        let whole = text.ends_with('\n');
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            if line.trim().is_empty() {
                continue;
            }
            let sample: Sample = match serde_json::from_str(line) {
                Ok(sample) => sample,
                Err(_) if lines.peek().is_none() && !whole => break,
                Err(source) => {
                    let path = path.to_owned();
                    return Err(ReportError::MetricLine {
                        path,
                        line: index + 1,
                        source,
                    });
                }
            };
            let Some(value) = sample.value.filter(|v| v.is_finite()) else {
                continue;
            };
            let key = (Chart::of(&sample.name), sample.name, sample.split);
            let sum = epochs
                .entry(key)
                .or_default()
                .entry(sample.epoch)
                .or_default();
            *sum = (sum.0 + value, sum.1 + 1);
        }
        Ok([
            Chart::Loss,
            Chart::Share,
            Chart::Metric,
            Chart::Rate,
            Chart::Norm,
        ]
        .into_iter()
        .filter_map(|chart| chart.curve(step, &epochs))
        .collect())
    }
}

/// Sum and number of the values of each epoch, by (chart, name, split).
type Samples = BTreeMap<(Chart, String, String), BTreeMap<u64, (f64, u64)>>;

/// Which chart a figure belongs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Chart {
    Loss,
    /// Of the loss, where it is a sum.
    Share,
    Metric,
    Rate,
    /// Of the gradient, whose scale would flatten every score beside it.
    Norm,
}

impl Chart {
    fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        // IRNet's loss has shares with names of their own.
        if name.starts_with("loss/") || ["affinity", "displacement"].contains(&name.as_str()) {
            Chart::Share
        } else if name.contains("loss") {
            Chart::Loss
        } else if name.starts_with("lr") || name.contains("learning_rate") {
            Chart::Rate
        } else if name == "grad_norm" {
            Chart::Norm
        } else {
            Chart::Metric
        }
    }

    fn curve(self, step: &str, epochs: &Samples) -> Option<Curve> {
        let mine = || epochs.iter().filter(|((chart, ..), _)| *chart == self);
        let first = mine().next().map(|((_, name, _), _)| name.clone())?;
        let one_name = mine().all(|((_, name, _), _)| *name == first);
        let one_split = mine()
            .map(|((_, _, split), _)| split)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            == 1;
        let series = mine()
            .take(MAX_SERIES)
            .map(|((_, name, split), means)| {
                let points: Vec<[f64; 2]> = means
                    .iter()
                    .map(|(&epoch, &(sum, n))| [epoch as f64, sum / n as f64])
                    .collect();
                let name = match (one_name, one_split) {
                    (true, _) => split.clone(),
                    (false, true) => name.clone(),
                    (false, false) => format!("{name}, {split}"),
                };
                Series {
                    name,
                    points: thin(points),
                }
            })
            .collect();
        let what = match self {
            Chart::Norm => "norm of the gradient".to_owned(),
            _ if one_name && self != Chart::Rate => first,
            Chart::Loss => "losses".to_owned(),
            Chart::Share => "shares of the loss".to_owned(),
            Chart::Metric => "metrics".to_owned(),
            Chart::Rate => "learning rate".to_owned(),
        };
        let more = match mine().count().saturating_sub(MAX_SERIES) {
            0 => String::new(),
            more => format!(" ({more} more in metrics.jsonl)"),
        };
        Some(Curve {
            title: format!("{step}: {what}{more}"),
            series,
        })
    }
}

fn thin(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let every = points.len().div_ceil(MAX_POINTS);
    if every <= 1 {
        return points;
    }
    // Counted from the end, so that the last point stays.
    let mut kept: Vec<[f64; 2]> = points.iter().rev().step_by(every).copied().collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(epoch: u64, split: &str, name: &str, value: &str) -> String {
        format!(
            r#"{{"epoch":{epoch},"step":{epoch},"split":"{split}","name":"{name}","value":{value}}}"#
        )
    }

    fn parse(text: &str) -> Result<Vec<Curve>, ReportError> {
        Curve::parse(text, Path::new("metrics.jsonl"), "train-classifier")
    }

    #[test]
    fn charts_by_kind_and_means_by_epoch() {
        let lines = [
            line(1, "train", "loss", "1.0"),
            line(1, "train", "loss", "0.5"),
            line(1, "val", "loss", "0.9"),
            line(1, "train", "lr", "0.001"),
            line(2, "train", "loss", "null"),
            line(2, "val", "f1", "0.8"),
            line(2, "train", "grad_norm", "31.0"),
        ];
        let curves = parse(&(lines.join("\n") + "\n")).expect("metrics");
        let titles: Vec<&str> = curves.iter().map(|c| c.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "train-classifier: loss",
                "train-classifier: f1",
                "train-classifier: learning rate",
                "train-classifier: norm of the gradient"
            ]
        );
        assert_eq!(
            curves[0].series[0].points,
            [[1.0, 0.75]],
            "mean; null passed over"
        );
        let names: Vec<&str> = curves[0].series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["train", "val"]);
    }

    #[test]
    fn shares_of_a_loss_have_a_chart_of_their_own_that_says_what_it_leaves_out() {
        let shares = ["a", "b", "c", "d"].map(|kind| format!("loss/{kind}"));
        let of = |split: &'static str| shares.iter().map(move |name| line(1, split, name, "0.1"));
        let lines = [
            line(1, "train", "loss", "0.4"),
            line(1, "val", "loss", "0.5"),
        ];
        let lines: Vec<String> = lines
            .into_iter()
            .chain(of("train"))
            .chain(of("val"))
            .collect();
        let curves = parse(&(lines.join("\n") + "\n")).expect("metrics");
        let charts = curves.iter().map(|c| (c.title.as_str(), c.series.len()));
        assert_eq!(
            charts.collect::<Vec<_>>(),
            [
                ("train-classifier: loss", 2),
                (
                    "train-classifier: shares of the loss (2 more in metrics.jsonl)",
                    6
                )
            ]
        );
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_a_bad_one_named() {
        let good = line(1, "train", "loss", "1.0");
        assert_eq!(parse(&format!("{good}\n{{\"epo")).expect("torn").len(), 1);
        assert_eq!(parse("").expect("nothing yet"), []);
        let error = parse(&format!("{good}\nnonsense\n{good}\n")).expect_err("a bad line");
        assert!(
            error.to_string().starts_with("metrics.jsonl, line 2: "),
            "{error}"
        );
    }

    #[test]
    fn long_runs_are_thinned_and_keep_the_end() {
        let points: Vec<[f64; 2]> = (0..100_003).map(|i| [f64::from(i), 0.0]).collect();
        let kept = thin(points);
        assert!(kept.len() <= MAX_POINTS);
        assert_eq!(kept.last(), Some(&[100_002.0, 0.0]));
    }
}
