//! `eval-cams`: scores of the classifier and of its maps, beside the trivial baselines.

use std::path::Path;

use weakseg_data::{Split, Truth};

use super::scoring::{bootstrap, map_rows, write_rows};
use super::{ClassMaps, indices};
use crate::irn::masks::{self, MapRule};
use crate::metrics::{LabelScores, mean};
use crate::pipeline::{Bench, StepError};
use crate::report::{ImageLabels, Metric, Row, Step, Subset};
use crate::scoring::{PriorMask, Who, baseline_rows};

/// Writes `rows.json`: the baselines, the classifier, and the maps as masks.
pub fn eval_cams(bench: &Bench<'_>, truth: &Truth, folder: &Path) -> Result<usize, StepError> {
    let cams = bench.run.folder("make-cams");
    let prior = PriorMask::new(bench.config.evaluate.prior, bench.cases, truth)?;
    let mut rows = Vec::new();
    for split in Split::ALL {
        rows.extend(baseline_rows(
            split,
            bench.cases,
            truth,
            &prior,
            &bootstrap(bench),
        )?);
    }
    for split in Split::ALL {
        rows.extend(classifier_rows(bench, &cams, split)?);
    }
    let threshold = bench.config.cams.threshold;
    let rule = MapRule {
        threshold,
        min_area: 0.0,
        min_confidence: 0.0,
    };
    let classes = &bench.cases.classes;
    rows.extend(map_rows(
        bench,
        truth,
        Step::Cam,
        &cams,
        threshold,
        |_, maps, size, allowed| {
            let (keys, planes) = maps.select(allowed);
            Ok(masks::mask(classes, &keys, &planes, size, &rule))
        },
    )?);
    write_rows(folder, &rows)?;
    Ok(bench.cases.cases.len())
}

fn classifier_rows(bench: &Bench<'_>, cams: &Path, split: Split) -> Result<Vec<Row>, StepError> {
    let gate = bench.config.cams.gate as f32;
    let mut scores = LabelScores::new(bench.cases.classes.len());
    for index in indices(bench, split) {
        let case = &bench.cases.cases[index];
        let maps = ClassMaps::read(cams, &case.id)?;
        scores
            .push(&maps.probabilities, &case.labels)
            .map_err(|e| StepError::Other(format!("case {}: {e}", case.id)))?;
    }
    let who = Who {
        step: Step::Classifier,
        split,
        image_labels: ImageLabels::None,
    };
    let over_classes =
        |of: &dyn Fn(usize) -> Option<f64>| mean((0..scores.classes()).filter_map(of));
    let bootstrap = bootstrap(bench);
    let interval = |figure: &dyn Fn(&LabelScores) -> Option<f64>| {
        let interval = bootstrap.of_labels(&scores, figure);
        interval.map(|i| [i.low, i.high])
    };
    let figures = [
        (
            Metric::Auroc,
            scores.mean_auroc(),
            interval(&|s| s.mean_auroc()),
        ),
        (
            Metric::F1,
            scores.mean_f1(gate),
            interval(&|s| s.mean_f1(gate)),
        ),
        (
            Metric::Sensitivity,
            over_classes(&|class| scores.sensitivity(class, gate)),
            None,
        ),
        (
            Metric::Specificity,
            over_classes(&|class| scores.specificity(class, gate)),
            None,
        ),
    ];
    let mut rows = Vec::new();
    for (metric, value, interval) in figures {
        if let Some(value) = value {
            rows.push(who.row(Subset::All, metric, value, interval, scores.len())?);
        }
    }
    Ok(rows)
}
