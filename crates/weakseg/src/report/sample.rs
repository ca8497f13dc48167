//! A made-up report for the tests of this module; none of its figures was measured.

use weakseg_data::{LabelSpace, Split};

use super::data::{DataSummary, SplitCounts};
use super::keys::{ImageLabels, Metric, Step, Subset};
use super::rows::{Report, Row, Timing};

/// A report of these rows about one finding.
pub fn report(rows: Vec<Row>) -> Report {
    let data = DataSummary::new(
        "phantom",
        LabelSpace::Findings,
        vec!["pneumothorax".to_owned()],
    );
    Report::new(data, rows, vec![]).expect("each key once")
}

/// A run as `demo` would report it: baselines, three steps, classifier, on val and test.
pub fn full() -> Report {
    use ImageLabels::{None as NoLabels, Predicted, Truth};
    use Step::{BaselineEmpty, BaselineFull, BaselinePrior, Cam, Classifier, Irn, Segmentation};
    let mut rows = Vec::new();
    for (split, half, shift) in [(Split::Val, 40, 0.012), (Split::Test, 60, 0.0)] {
        let lines = [
            (BaselineEmpty, NoLabels, 0.0, 1.0),
            (BaselineFull, NoLabels, 0.021, 0.0),
            (BaselinePrior, NoLabels, 0.118, 0.0),
            (Cam, Truth, 0.431, 1.0),
            (Cam, Predicted, 0.402, 0.95),
            (Irn, Truth, 0.506, 1.0),
            (Irn, Predicted, 0.478, 0.95),
            (Segmentation, NoLabels, 0.551, 0.933_333_333),
        ];
        for (step, labels, pos, neg) in lines {
            let pos = if step.is_baseline() { pos } else { pos + shift };
            for (metric, gain) in [(Metric::Iou, 1.0), (Metric::Dice, 1.25)] {
                let pos = pos * gain;
                let all = f64::midpoint(pos, neg);
                for (subset, value, n) in [
                    (Subset::Pos, pos, half),
                    (Subset::Neg, neg, half),
                    (Subset::All, all, 2 * half),
                ] {
                    let spread = if value == 0.0 || value == 1.0 {
                        0.0
                    } else {
                        0.055
                    };
                    let ci95 = Some([(value - spread).max(0.0), (value + spread).min(1.0)]);
                    rows.push(Row::new(
                        step, split, labels, subset, metric, value, ci95, n,
                    ));
                }
            }
        }
        for (metric, value) in [
            (Metric::F1, 0.94),
            (Metric::Auroc, 0.981),
            (Metric::Sensitivity, 0.93),
            (Metric::Specificity, 0.95),
        ] {
            let ci95 = Some([value - 0.03, (value + 0.02_f64).min(1.0)]);
            rows.push(Row::new(
                Classifier,
                split,
                NoLabels,
                Subset::All,
                metric,
                value,
                ci95,
                2 * half,
            ));
        }
    }
    let rows: Vec<Row> = rows
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("figures in range");
    let mut data = DataSummary::new(
        "phantom",
        LabelSpace::Findings,
        vec!["pneumothorax".to_owned()],
    );
    for (split, cases) in [(Split::Train, 400), (Split::Val, 80), (Split::Test, 120)] {
        let masks = if split == Split::Train { 0 } else { cases };
        *data.counts.of_mut(split) = SplitCounts {
            cases,
            positive: cases / 2,
            masks,
            boxes: 0,
        };
    }
    data.seed = Some(7);
    data.versions
        .insert("weakseg".to_owned(), "0.1.0".to_owned());
    let steps = [
        ("train-classifier", 71.2, 400),
        ("make-cams", 9.1, 600),
        ("make-ir-labels", 12.7, 400),
        ("train-irn", 38.4, 400),
        ("make-pseudo-labels", 14.9, 600),
        ("train-segmenter", 84.0, 400),
        ("evaluate", 6.3, 200),
    ];
    let timings = steps
        .iter()
        .enumerate()
        .map(|(i, &(step, seconds, cases))| Timing {
            step: step.to_owned(),
            seconds,
            cases,
            peak_rss_bytes: Some(612_000_000 + 41_000_000 * i as u64),
        })
        .collect();
    Report::new(data, rows, timings).expect("each key once")
}
