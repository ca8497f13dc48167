//! `weakseg evaluate`: the metrics table of predictions anybody made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use weakseg::metrics::Bootstrap;
use weakseg::progress::Progress;
use weakseg::report::{self, DataSummary, Report, Row};
use weakseg_data::{LabelSpace, MaskResize, counted};

use crate::args::Settings;
use crate::evaluation::{
    ClassList, Pairs, Reading, Scores, Void, finding_folders, png_stems, score_boxes,
    score_findings, score_instances, score_masks,
};
use crate::exit::{Done, usage};
use crate::output;

/// Score masks that anybody made, beside the trivial baselines; or instances.
///
/// Compares the index PNGs of two folders that have one name. Masks of one class may be 0/1 or 0/255. Where the truth
/// has a folder for each of several findings, these are scored together and one by one. An empty prediction of an empty
/// truth counts as 1 in per-image figures; intervals are 95 % bootstraps over images.
///
/// Instances in COCO's JSON, their masks as run lengths, are scored by average precision at an intersection over union
/// of 0.5: the area below the curve, equal scores being one point of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg evaluate --pred masks --truth SegmentationClass --classes voc
  weakseg evaluate --pred masks --truth truth --json > scores.json
  weakseg evaluate --pred masks --truth set/masks --classes mass,pneumothorax
  weakseg evaluate --pred masks --boxes boxes.csv --classes pneumonia
  weakseg evaluate --coco found.json --coco-truth instances.json

Rows of --json are those of report.json, with step `segmentation` and split `test`; of instances
it prints a document as a run's 07-eval-pseudo-labels/instances.json.")]
pub struct Evaluate {
    /// The masks to judge: NAME.png, or FINDING/NAME.png of several findings, as in predict's OUT.
    #[arg(long, value_name = "DIR")]
    pred: Option<PathBuf>,
    /// The true masks: NAME.png or FINDING/NAME.png, or NAME.mat as in `dataset/cls` of the Semantic Boundaries
    /// Dataset.
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    /// Number of classes with the background, or the names of all but the background with commas between, or voc; by
    /// default as many as the masks hold. Of findings, which may overlap and have a folder each, the names of those to
    /// score.
    #[arg(long, value_name = "N|NAMES")]
    classes: Option<ClassList>,
    /// Value of true pixels that are not scored, or none. [default: 255, unless masks are black and white]
    #[arg(long, value_name = "VALUE")]
    void: Option<Void>,
    /// Score against boxes too: a CSV of image,label,x,y,width,height in pixels.
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
    /// Bring predictions of another size to that of their truth, for boxes too: nearest. By default they are an error.
    #[arg(long, value_name = "HOW", requires = "truth")]
    resize_masks: Option<MaskResize>,
    /// Score instances instead of masks: a list of COCO's results, told by ids of images and categories, or a document
    /// with scores, told by the names of both.
    #[arg(
        long,
        value_name = "FILE",
        requires = "coco_truth",
        conflicts_with_all = ["pred", "truth", "classes", "void", "boxes", "resize_masks"]
    )]
    coco: Option<PathBuf>,
    /// The true instances: a COCO document.
    #[arg(long, value_name = "FILE", requires = "coco")]
    coco_truth: Option<PathBuf>,
    /// True masks, or images with true instances, that may lack a prediction before the program ends with exit code 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_skips: usize,
}

impl Evaluate {
    /// Scores and prints.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("evaluate")?;
        let bootstrap = Bootstrap {
            seed: settings.seed.unwrap_or_default(),
            ..Bootstrap::default()
        };
        match (&self.coco, &self.coco_truth, &self.pred) {
            (Some(coco), Some(truth), _) => self.instances(coco, truth, &bootstrap, settings),
            (_, _, Some(pred)) if self.truth.is_some() || self.boxes.is_some() => {
                self.masks(pred, &bootstrap, settings)
            }
            _ => usage(
                "name what to judge, and by what: --pred DIR with --truth DIR, --boxes FILE or both, or --coco FILE with \
                 --coco-truth FILE",
            ),
        }
    }

    fn instances(
        &self,
        coco: &Path,
        truth: &Path,
        bootstrap: &Bootstrap,
        settings: &Settings,
    ) -> Result<Done> {
        let scores = score_instances(coco, truth, bootstrap)?;
        if let Some(warning) = without_truth(scores.extra, "") {
            settings.ui.warn(&warning);
        }
        if settings.json {
            output::json(&scores.figures)?;
        } else {
            for table in scores.figures.tables() {
                output::line(table.text().trim_end())?;
            }
        }
        self.end(&scores.missing, coco, settings)
    }

    fn masks(&self, pred: &Path, bootstrap: &Bootstrap, settings: &Settings) -> Result<Done> {
        let ui = &settings.ui;
        if let Some(truth) = &self.truth {
            let folders = finding_folders(truth)?;
            if !folders.is_empty() {
                return self.findings(pred, truth, folders, bootstrap, settings);
            }
        }
        let found = match &self.truth {
            Some(truth) => Pairs::find(pred, truth)?,
            None => Pairs::alone(png_stems(pred)?),
        };
        let reading = Reading::settle(&found.pairs, self.classes.clone(), self.void, ui)?;
        let mut rows = Vec::new();
        let mut missing = found.missing;
        let name = self
            .truth
            .as_ref()
            .or(self.boxes.as_ref())
            .map_or(String::new(), |path| path.display().to_string());
        let names = reading.classes.names();
        let space = if names.len() == 1 {
            LabelSpace::Findings
        } else {
            LabelSpace::Exclusive
        };
        let mut data = summary(name, space, names, bootstrap);
        if self.truth.is_some() {
            let scores = score_masks(&found.pairs, &reading, self.resize_masks, bootstrap, ui)?;
            rows.extend(note_counts(&mut data, scores));
        }
        if let Some(file) = &self.boxes {
            // Without a folder of truth each prediction is its own, of its own size.
            let resize = self.resize_masks;
            let scores = score_boxes(pred, file, &reading, &found.pairs, resize, bootstrap)?;
            data.counts.test.boxes = scores.rows.iter().map(|row| row.n()).max().unwrap_or(0);
            rows.extend(scores.rows);
            data.warnings.extend(scores.warning);
            for stem in scores.missing {
                if !missing.contains(&stem) {
                    missing.push(stem);
                }
            }
        }
        data.warnings
            .extend(without_truth(found.extra, FALSE_ALARM));
        self.tell(data, rows, &missing, pred, settings)
    }

    /// Masks of several findings, which have folders of these names.
    fn findings(
        &self,
        pred: &Path,
        truth: &Path,
        folders: Vec<String>,
        bootstrap: &Bootstrap,
        settings: &Settings,
    ) -> Result<Done> {
        let (shown, ui) = (truth.display(), &settings.ui);
        if self.boxes.is_some() {
            return usage(format!(
                "--boxes: {shown} has a folder for each finding; boxes are scored one finding a call, with --pred DIR/FINDING \
                 --truth DIR/FINDING"
            ));
        }
        let names = match &self.classes {
            None => folders,
            Some(ClassList::Names(names)) => names.clone(),
            Some(ClassList::Count(_)) => {
                return usage(format!(
                    "--classes: {shown} has a folder for each finding ({}), not masks of several classes; name the findings to \
                     score, or none for all",
                    folders.join(", ")
                ));
            }
        };
        let (mut findings, mut missing, mut without) = (Vec::new(), Vec::new(), 0);
        for name in &names {
            let found = Pairs::find(&pred.join(name), &truth.join(name)).with_context(|| {
                format!("{shown} has a folder for each finding (--classes names those to score)")
            })?;
            missing.extend(found.missing.iter().map(|stem| format!("{name}/{stem}")));
            without += found.extra;
            findings.push((name.clone(), found));
        }
        let scores = score_findings(&findings, self.void, self.resize_masks, bootstrap, ui)?;
        let mut data = summary(shown.to_string(), LabelSpace::Findings, names, bootstrap);
        let rows = note_counts(&mut data, scores);
        data.warnings.extend(without_truth(without, FALSE_ALARM));
        self.tell(data, rows, &missing, pred, settings)
    }

    /// Prints the figures of masks.
    fn tell(
        &self,
        mut data: DataSummary,
        rows: Vec<Row>,
        missing: &[String],
        pred: &Path,
        settings: &Settings,
    ) -> Result<Done> {
        for warning in &data.warnings {
            settings.ui.warn(warning);
        }
        for stem in missing {
            data.skipped.push(report::Skipped {
                case: stem.clone(),
                step: "evaluate".to_owned(),
                reason: "no prediction".to_owned(),
            });
        }
        let report = Report::new(data, rows, Vec::new())?;
        if settings.json {
            output::json(&report)?;
        } else {
            output::line(report::text(&report).trim_end())?;
        }
        self.end(missing, pred, settings)
    }

    fn end(&self, missing: &[String], pred: &Path, settings: &Settings) -> Result<Done> {
        if missing.is_empty() {
            return Ok(Done::Whole);
        }
        let some: Vec<&str> = missing.iter().take(5).map(String::as_str).collect();
        settings.ui.warn(&format!(
            "without a prediction in {}: {} of the truth ({}{}); not in the figures",
            pred.display(),
            missing.len(),
            some.join(", "),
            if missing.len() > some.len() {
                ", …"
            } else {
                ""
            }
        ));
        Ok(if missing.len() > self.allow_skips {
            Done::Skipped
        } else {
            Done::Whole
        })
    }
}

/// Of a mask that is not scored.
const FALSE_ALARM: &str =
    " (a healthy image's truth is an empty mask; without it a false alarm costs nothing)";

/// A warning of so many predictions that have no truth, and what is to be known of these.
fn without_truth(predictions: usize, remark: &str) -> Option<String> {
    (predictions > 0).then(|| {
        format!(
            "not scored, without a truth: {}{remark}",
            counted(predictions, "prediction")
        )
    })
}

/// What was scored, but for the counts.
fn summary(
    name: String,
    space: LabelSpace,
    classes: Vec<String>,
    bootstrap: &Bootstrap,
) -> DataSummary {
    let mut data = DataSummary::new(name, space, classes);
    data.seed = Some(bootstrap.seed);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    data.versions = BTreeMap::from([("weakseg".to_owned(), version)]);
    data
}

/// Notes what masks were scored; gives the rows.
fn note_counts(data: &mut DataSummary, scores: Scores) -> Vec<Row> {
    data.counts.test.cases = scores.images;
    data.counts.test.masks = scores.images;
    data.counts.test.positive = scores.positive;
    data.warnings.extend(scores.warnings);
    scores.rows
}
