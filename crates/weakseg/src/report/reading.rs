//! The figures in plain words, each beside what a mask that looks at no image would score.

use weakseg_data::{LabelSpace, Split, counted};

use super::keys::{ImageLabels, Metric, Step, Subset};
use super::plot::Mark;
use super::rows::{Report, Row};
use super::standing::{Baselines, Standing};
use super::table::name_of;

/// One large figure at the head of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline {
    /// What it is.
    pub label: String,
    /// The figure, as text.
    pub value: String,
    /// What to read it beside.
    pub beside: String,
    /// Whether a mask that looks at no image does as well.
    pub bad: bool,
}

/// What a report says at its head: the last step of the method on the most honest split.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// The large figures.
    pub headlines: Vec<Headline>,
    /// The sentences.
    pub sentences: Vec<String>,
    /// Whether the method does not beat a trivial baseline.
    pub bad: bool,
}

/// The split and the overlap metric that speak for a report: test before val before train, but first those in which a
/// finding can be found; mIoU for exclusive classes, IoU otherwise.
pub fn spoken_for(report: &Report) -> Option<(Split, Metric)> {
    let metrics = match report.data.space {
        LabelSpace::Exclusive => [
            Metric::Miou,
            Metric::Iou,
            Metric::Dice,
            Metric::F1,
            Metric::BoxIou,
            Metric::HitRate,
        ],
        LabelSpace::Findings => [
            Metric::Iou,
            Metric::Dice,
            Metric::Miou,
            Metric::F1,
            Metric::BoxIou,
            Metric::HitRate,
        ],
    };
    let splits = [Split::Test, Split::Val, Split::Train];
    let of_any = |subsets: &[Subset]| {
        let mut pairs = splits.into_iter().flat_map(|s| metrics.map(|m| (s, m)));
        pairs.find(|&pair| {
            report.results().iter().any(|r| {
                r.step().is_method()
                    && (r.split(), r.metric()) == pair
                    && subsets.contains(r.subset())
            })
        })
    };
    let shown = match report.data.space {
        LabelSpace::Exclusive => None,
        LabelSpace::Findings => of_any(&[Subset::Pos]),
    };
    shown.or_else(|| of_any(&[Subset::All, Subset::Pos, Subset::Neg]))
}

/// The row of the last step of the method, preferring one that saw no true image labels.
fn last_step<'a>(
    report: &'a Report,
    split: Split,
    metric: Metric,
    subset: &Subset,
) -> Option<&'a Row> {
    let key = |row: &Row| {
        (
            row.step(),
            row.image_labels() != ImageLabels::Truth,
            row.image_labels(),
        )
    };
    let rows = report.results().iter().filter(|r| {
        r.step().is_method() && (r.split(), r.metric()) == (split, metric) && r.subset() == subset
    });
    rows.max_by_key(|row| key(row))
}

fn subject(step: Step) -> &'static str {
    match step {
        Step::Segmentation => "the segmentation network",
        Step::Irn => "the map after IRNet",
        _ => "the class activation map",
    }
}

/// `1 test case`, `12 test cases`.
fn cases_of(n: u64, split: Split) -> String {
    counted(n as usize, &format!("{split} case"))
}

fn interval(row: &Row) -> String {
    match row.ci95() {
        Some([low, high]) => format!(" (95 % interval {low:.3} to {high:.3})"),
        None => String::new(),
    }
}

fn beside(standing: Standing) -> String {
    match standing {
        Standing::Alone => "no trivial baseline measured".to_owned(),
        Standing::Above(step, value)
        | Standing::Unclear(step, value)
        | Standing::Level(step, value)
        | Standing::Below(step, value) => format!("{} {value:.3}", step.title().to_lowercase()),
    }
}

/// Reads a report.
pub fn read(report: &Report) -> Reading {
    let mut reading = Reading::default();
    let baselines = Baselines::of(report);
    if let Some((split, metric)) = spoken_for(report) {
        overall(report, split, metric, &baselines, &mut reading);
        with_finding(report, split, metric, &baselines, &mut reading);
        healthy(report, split, metric, &mut reading);
        pointing(report, split, &mut reading);
    }
    classifier(report, &mut reading);
    if reading.sentences.is_empty() {
        reading
            .sentences
            .push("No masks or boxes to score against: nothing was measured.".to_owned());
    }
    reading
}

fn overall(
    report: &Report,
    split: Split,
    metric: Metric,
    baselines: &Baselines<'_>,
    out: &mut Reading,
) {
    let Some(row) = last_step(report, split, metric, &Subset::All) else {
        return;
    };
    let standing = baselines.standing(row);
    let (who, name, value, n) = (subject(row.step()), metric.title(), row.value(), row.n());
    let pairs = report.data.counts_pairs();
    let scored = match pairs {
        true => format!(
            "{n} pairs of image and finding of {split} ({})",
            report.data.counts.of(split).words()
        ),
        false => cases_of(n, split),
    };
    let mut words = format!(
        "On the {scored} {who} scores {name} {value:.3}{}",
        interval(row)
    );
    let verdict = match standing {
        Standing::Above(step, best) => format!(
            ". The best mask that looks at no image, the {}, scores {best:.3}.",
            step.title().to_lowercase()
        ),
        Standing::Unclear(step, best) => format!(
            ". That is not clearly above the {}, which looks at no image and scores {best:.3}.",
            step.title().to_lowercase()
        ),
        Standing::Level(step, best) => format!(
            ". The {}, which looks at no image, scores the same {best:.3}: nothing was gained.",
            step.title().to_lowercase()
        ),
        Standing::Below(step, best) => format!(
            ". That is below the {}, which looks at no image and scores {best:.3}: on this count the method is worse than not looking.",
            step.title().to_lowercase()
        ),
        Standing::Alone => {
            ". No trivial baseline was measured, so the figure says little by itself.".to_owned()
        }
    };
    words.push_str(&verdict);
    if row.image_labels() == ImageLabels::Truth {
        words.push_str(
            " These maps saw the true image labels, which a new patient does not bring along.",
        );
    }
    if last_step(report, split, metric, &Subset::Pos).is_none()
        && report.data.space == LabelSpace::Findings
    {
        words.push_str(" None of them shows a finding: it says nothing of where one is.");
    }
    out.sentences.push(words);
    out.bad |= standing.is_bad();
    out.headlines.push(Headline {
        label: match pairs {
            true => format!("{name}, all {n} pairs of {split}"),
            false => format!("{name}, all {}", cases_of(n, split)),
        },
        value: format!("{value:.3}"),
        beside: beside(standing),
        bad: standing.is_bad(),
    });
}

fn with_finding(
    report: &Report,
    split: Split,
    metric: Metric,
    baselines: &Baselines<'_>,
    out: &mut Reading,
) {
    let Some(row) = last_step(report, split, metric, &Subset::Pos) else {
        return;
    };
    let standing = baselines.standing(row);
    let (name, value) = (metric.title(), row.value());
    let n = match (report.data.counts_pairs(), row.n()) {
        (true, 1) => "1 pair".to_owned(),
        (true, n) => format!("{n} pairs"),
        (false, n) => n.to_string(),
    };
    let mut words = format!("On the {n} with a finding the mean {name} is {value:.3}");
    let earlier: Vec<String> = [Step::Cam, Step::Irn]
        .into_iter()
        .filter(|&step| step < row.step())
        .filter_map(|step| {
            let found = report.find(step, split, ImageLabels::Predicted, &Subset::Pos, metric);
            let found = found
                .or_else(|| report.find(step, split, ImageLabels::None, &Subset::Pos, metric))?;
            Some(format!("{:.3} after {}", found.value(), step.title()))
        })
        .collect();
    if !earlier.is_empty() {
        words.push_str(&format!(" ({})", earlier.join(", ")));
    }
    match standing.words() {
        Some(remark) => words.push_str(&format!(", {remark}.")),
        None => words.push('.'),
    }
    out.sentences.push(words);
    out.bad |= standing.is_bad();
    out.headlines.push(Headline {
        label: format!("{name}, {n} with a finding"),
        value: format!("{value:.3}"),
        beside: beside(standing),
        bad: standing.is_bad(),
    });
}

/// Over healthy images a per-image IoU or Dice of one finding is 1 where nothing is predicted and 0
/// elsewhere, so its mean is the share left empty.
fn healthy(report: &Report, split: Split, metric: Metric, out: &mut Reading) {
    let per_image = matches!(metric, Metric::Iou | Metric::Dice) && report.data.classes.len() == 1;
    let row = last_step(report, split, metric, &Subset::Neg).filter(|r| per_image && r.n() > 0);
    let Some(row) = row else { return };
    let n = row.n();
    let empty = ((row.value() * n as f64).round() as u64).min(n);
    out.sentences.push(match n - empty {
        0 => format!("It leaves all {n} healthy cases empty, as an empty mask would."),
        1 => format!("It leaves {empty} of {n} healthy cases empty; 1 is a false alarm."),
        alarms => {
            format!("It leaves {empty} of {n} healthy cases empty; {alarms} are false alarms.")
        }
    });
    out.headlines.push(Headline {
        label: "healthy cases left empty".to_owned(),
        value: format!("{empty} / {n}"),
        beside: match n - empty {
            1 => "1 false alarm".to_owned(),
            alarms => format!("{alarms} false alarms"),
        },
        bad: false,
    });
}

fn pointing(report: &Report, split: Split, out: &mut Reading) {
    let row = [Subset::Pos, Subset::All]
        .iter()
        .find_map(|subset| last_step(report, split, Metric::HitRate, subset));
    let Some(row) = row.filter(|r| r.n() > 0) else {
        return;
    };
    let (n, hits) = (row.n(), (row.value() * row.n() as f64).round());
    out.sentences.push(format!(
        "It finds {hits} of {n} findings with a box, counting one as found where the map of {} peaks inside it.",
        row.step().title()
    ));
}

fn classifier(report: &Report, out: &mut Reading) {
    let row = [Split::Test, Split::Val].into_iter().find_map(|split| {
        report.results().iter().find(|r| {
            (r.step(), r.split(), r.metric()) == (Step::Classifier, split, Metric::Auroc)
                && *r.subset() == Subset::All
        })
    });
    let Some(row) = row else { return };
    let (value, n, split) = (row.value(), row.n(), row.split());
    out.sentences.push(format!(
        "The image-level classifier, which everything rests on, tells findings from healthy images with AUROC \
         {value:.3}{} on {}; chance is 0.5.",
        interval(row),
        cases_of(n, split)
    ));
    out.headlines.push(Headline {
        label: format!("classifier AUROC, {split}"),
        value: format!("{value:.3}"),
        beside: "chance 0.5".to_owned(),
        bad: value <= 0.5,
    });
}

/// The figures of one split, metric and subset, baselines first, for an interval plot.
pub fn marks(report: &Report, split: Split, metric: Metric, subset: &Subset) -> Vec<Mark> {
    let baselines = Baselines::of(report);
    let mut rows: Vec<&Row> = report
        .results()
        .iter()
        .filter(|r| (r.split(), r.metric()) == (split, metric) && r.subset() == subset)
        .filter(|r| r.step() != Step::Classifier)
        .collect();
    rows.sort_by_key(|r| (r.step(), r.image_labels()));
    rows.into_iter()
        .map(|row| Mark {
            label: name_of(row.step(), row.image_labels()),
            value: row.value(),
            ci95: row.ci95(),
            baseline: row.step().is_baseline(),
            standing: baselines.standing(row),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{sample, tables};
    use super::*;

    #[test]
    fn a_good_run_is_read_beside_its_baselines() {
        let reading = read(&sample::full());
        assert!(!reading.bad);
        let text = reading.sentences.join("\n");
        for part in [
            "On the 120 test cases the segmentation network scores IoU 0.742",
            "The best mask that looks at no image, the empty mask, scores 0.500.",
            "On the 60 with a finding the mean IoU is 0.551 (0.402 after CAM, 0.478 after IRNet).",
            "It leaves 56 of 60 healthy cases empty; 4 are false alarms.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_run_below_the_empty_mask_says_so() {
        let of_all = |step, value| row(step, Split::Test, Subset::All, value, 686);
        let report = sample::report(vec![
            of_all(Step::BaselineEmpty, 0.7886),
            of_all(Step::Segmentation, 0.7677),
        ]);
        let reading = read(&report);
        assert!(reading.bad);
        assert!(
            reading.sentences[0].contains("below the empty mask"),
            "{:?}",
            reading.sentences
        );
        assert!(reading.headlines[0].bad);
    }

    fn row(step: Step, split: Split, subset: Subset, value: f64, n: u64) -> Row {
        let row = Row::new(
            step,
            split,
            ImageLabels::None,
            subset,
            Metric::Iou,
            value,
            None,
            n,
        );
        row.expect("in range")
    }

    #[test]
    fn of_several_findings_pairs_are_counted_and_not_cases() {
        let mut report = sample::report(vec![
            row(Step::Segmentation, Split::Val, Subset::All, 0.25, 26),
            row(Step::Segmentation, Split::Val, Subset::Pos, 0.125, 3),
        ]);
        report.data.classes.push("effusion".to_owned());
        report.data.counts.val.cases = 22;
        report.data.counts.val.masks = 13;
        let Reading {
            headlines,
            sentences,
            ..
        } = read(&report);
        let text = sentences.join("\n");
        for part in [
            "On the 26 pairs of image and finding of val (13 of 22 cases have a mask) the segmentation network scores IoU 0.250",
            "On the 3 pairs with a finding the mean IoU is 0.125",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(headlines[0].label, "IoU, all 26 pairs of val");
        assert_eq!(headlines[1].label, "IoU, 3 pairs with a finding");
        let steps = &tables(&report)[0];
        assert_eq!(steps.title, "Steps, val (13 of 22 cases have a mask)");
        assert!(steps.notes[0].starts_with("n counts pairs of image and finding"));
    }

    #[test]
    fn a_split_without_a_finding_speaks_only_where_no_other_can() {
        let test = || row(Step::Segmentation, Split::Test, Subset::All, 0.6, 5);
        let val = [Subset::All, Subset::Pos].map(|s| row(Step::Cam, Split::Val, s, 0.25, 9));
        let healthy = sample::report(vec![test()]);
        assert_eq!(spoken_for(&healthy), Some((Split::Test, Metric::Iou)));
        let text = read(&healthy).sentences.join("\n");
        assert!(text.contains("None of them shows a finding"), "{text}");
        let [all, pos] = val;
        let both = sample::report(vec![test(), all, pos]);
        assert_eq!(spoken_for(&both), Some((Split::Val, Metric::Iou)));
        let text = read(&both).sentences.join("\n");
        assert!(!text.contains("None of them"), "{text}");
    }

    #[test]
    fn nothing_measured_is_said() {
        assert_eq!(read(&sample::report(vec![])).sentences.len(), 1);
    }
}
