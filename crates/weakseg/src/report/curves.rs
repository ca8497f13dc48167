//! Training curves of a step.

use std::collections::{BTreeMap, BTreeSet};

use crate::train::MetricLine;

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

/// A chart has at most so many lines, by name.
const MAX_SERIES: usize = 6;

/// A line has at most so many points; more are thinned evenly, the last kept.
const MAX_POINTS: usize = 400;

impl Curve {
    /// The charts of one step: losses, metrics, learning rates and gradient norms, one point an epoch.
    pub fn of(lines: &[MetricLine], step: &str) -> Vec<Self> {
        let mut figures = Figures::new();
        for line in lines {
            let key = (Chart::of(&line.name), line.name.clone(), line.split.clone());
            let epochs = figures.entry(key).or_default();
            epochs.insert(line.epoch, line.value);
        }
        let charts = [
            Chart::Loss,
            Chart::Share,
            Chart::Metric,
            Chart::Rate,
            Chart::Norm,
        ];
        let curves = charts.into_iter();
        curves
            .filter_map(|chart| chart.curve(step, &figures))
            .collect()
    }
}

/// The value of each epoch, by (chart, name, split).
type Figures = BTreeMap<(Chart, String, String), BTreeMap<usize, f64>>;

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

    fn curve(self, step: &str, figures: &Figures) -> Option<Curve> {
        let mine = || figures.iter().filter(|((chart, ..), _)| *chart == self);
        let first = mine().next().map(|((_, name, _), _)| name.clone())?;
        let one_name = mine().all(|((_, name, _), _)| *name == first);
        let one_split = mine()
            .map(|((_, _, split), _)| split)
            .collect::<BTreeSet<_>>()
            .len()
            == 1;
        let series = mine()
            .take(MAX_SERIES)
            .map(|((_, name, split), epochs)| {
                let points: Vec<[f64; 2]> = epochs
                    .iter()
                    .map(|(&epoch, &value)| [epoch as f64, value])
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

    fn line(epoch: usize, split: &str, name: &str, value: f64) -> MetricLine {
        MetricLine {
            epoch,
            step: 10 * epoch,
            split: split.to_owned(),
            name: name.to_owned(),
            value,
        }
    }

    fn curves(lines: &[MetricLine]) -> Vec<Curve> {
        Curve::of(lines, "train-classifier")
    }

    #[test]
    fn charts_by_kind() {
        let lines = [
            line(1, "train", "loss", 0.75),
            line(1, "val", "loss", 0.9),
            line(1, "train", "lr", 0.001),
            line(2, "train", "loss", 0.5),
            line(2, "val", "f1", 0.8),
            line(2, "train", "grad_norm", 31.0),
        ];
        let curves = curves(&lines);
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
        assert_eq!(curves[0].series[0].points, [[1.0, 0.75], [2.0, 0.5]]);
        let names: Vec<&str> = curves[0].series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["train", "val"]);
    }

    #[test]
    fn shares_of_a_loss_have_a_chart_of_their_own_that_says_what_it_leaves_out() {
        let shares = ["a", "b", "c", "d"].map(|kind| format!("loss/{kind}"));
        let of = |split: &'static str| shares.iter().map(move |name| line(1, split, name, 0.1));
        let lines = [line(1, "train", "loss", 0.4), line(1, "val", "loss", 0.5)];
        let lines: Vec<MetricLine> = lines
            .into_iter()
            .chain(of("train"))
            .chain(of("val"))
            .collect();
        let curves = curves(&lines);
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
    fn long_runs_are_thinned_and_keep_the_end() {
        let points: Vec<[f64; 2]> = (0..100_003).map(|i| [f64::from(i), 0.0]).collect();
        let kept = thin(points);
        assert!(kept.len() <= MAX_POINTS);
        assert_eq!(kept.last(), Some(&[100_002.0, 0.0]));
    }
}
