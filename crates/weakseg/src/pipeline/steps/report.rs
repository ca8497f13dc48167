//! Gathers every figure of the run into `report.json` and `report.html`.

use std::path::Path;

use rayon::prelude::*;
use weakseg_data::mask_store::MaskStore;
use weakseg_data::{Cases, Limits, Plane, Split, Stack, Truth, VOID, counted, label_conflict};

use super::classifier_chance;
use super::image_notes;
use super::learner::Learner;
use super::make_instances::noise;
use super::make_pseudo_labels::SCORES;
use super::scoring::read_rows;
use super::{ClassMaps, Heat, held_out, instance_figures};
use crate::config;
use crate::files::io;
use crate::metrics::Overlap;
use crate::pipeline::run_dir::REPORT;
use crate::pipeline::run_record::CONFIG;
use crate::pipeline::{Bench, StepError, finished_outputs, rule_digest};
use crate::report::gallery::{CasePictures, CaseScore, GalleryRow, choose};
use crate::report::{
    Counts, Curve, DataSummary, Report, ReportInput, RunInfo, Skipped, Table, Timing,
};
use crate::train::MetricLog;
use crate::tuning::{self, Tuning};

/// Writes `report.json` and `report.html` into the run's folder.
pub fn report(bench: &Bench<'_>, truth: &Truth, _folder: &Path) -> Result<usize, StepError> {
    let mut rows = Vec::new();
    for step in ["eval-cams", "eval-pseudo-labels", "evaluate"] {
        rows.extend(read_rows(&bench.run.folder(step))?);
    }
    let manifests = bench.run.manifests()?;
    let (mut timings, mut threads) = (Vec::new(), Vec::new());
    for manifest in &manifests {
        timings.push(Timing {
            step: manifest.step.clone(),
            seconds: manifest.seconds,
            cases: manifest.cases as u64,
            peak_rss_bytes: manifest.peak_rss_bytes,
        });
        threads.push(manifest.threads);
    }
    threads.dedup();
    let (device, versions) = bench.run.made_with(&manifests, None);
    let classes = &bench.cases.classes;
    let mut data = DataSummary::new(
        bench.data_name.clone(),
        classes.space,
        classes.names.clone(),
    );
    let (counts, unscored) = counts(bench, truth)?;
    data.counts = counts;
    data.seed = Some(bench.config.seed);
    data.versions = versions;
    data.skipped = left_out(bench.cases);
    data.warnings = set_warnings(bench.cases, truth);
    data.warnings.extend(classifier_chance::standstill(bench)?);
    data.warnings.extend(image_notes::summary(bench)?);
    for warning in unscored {
        bench.progress.warn(&format!("warning: {warning}"));
        data.warnings.push(warning);
    }
    let pseudo_labels = bench.run.folder("make-pseudo-labels");
    data.warnings.extend(noise(bench, &pseudo_labels)?);
    let (tuning, outdated) = tuning_tables(bench.run.root())?;
    data.warnings.extend(outdated);
    let seconds = timings.iter().map(|t| t.seconds).sum();
    let figures = Report::new(data, rows, timings)?;
    let [json, html] = REPORT.map(|name| bench.run.root().join(name));
    figures.write(&json)?;
    let file = bench.run.root().join(CONFIG);
    let config_toml = std::fs::read_to_string(&file).map_err(io(&file, "read"))?;
    let mut curves = Vec::new();
    for step in Learner::ALL.map(Learner::step) {
        let log = MetricLog::read(&bench.run.folder(step).join(MetricLog::FILE))?;
        curves.extend(Curve::of(&log, step));
    }
    let input = ReportInput {
        title: bench.config.title.to_owned(),
        run: RunInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device,
            // Told where it was the same all along.
            threads: match threads[..] {
                [threads] => threads,
                _ => 0,
            },
            seed: bench.config.seed,
            seconds,
        },
        report: figures,
        instances: instance_figures(bench.run.root())?,
        tuning,
        curves,
        gallery: gallery(bench, truth)?,
        config_toml,
    };
    input.write_html(&html)?;
    Ok(bench.cases.cases.len())
}

/// The tables of a run's `tuning.json`, if there is one and the run is still what was tuned; else a warning in place of
/// them.
///
/// # Errors
/// When a step's manifest or the run's settings cannot be read.
pub fn tuning_tables(run: &Path) -> Result<(Vec<Table>, Option<String>), StepError> {
    let file = run.join(tuning::FILE);
    if !file.exists() {
        return Ok((Vec::new(), None));
    }
    let tuned = match Tuning::read(&file) {
        Ok(tuned) => tuned,
        Err(error) => return Ok((Vec::new(), Some(error.to_string()))),
    };
    let outdated = |what: &str| {
        let outdated = format!(
            "{} tells of another {what} than there is now; write it anew with `weakseg tune`",
            tuning::FILE
        );
        Ok((Vec::new(), Some(outdated)))
    };
    for (name, outputs) in &tuned.inputs {
        let now = match crate::pipeline::step(name) {
            Some(step) => finished_outputs(run, step.name)?,
            None => None,
        };
        if now.is_none_or(|now| now != *outputs) {
            return outdated(name);
        }
    }
    if !tuned.rules.is_empty() {
        let config = config::load(&run.join(CONFIG), None, &[])
            .map_err(|e| StepError::Config(e.to_string()))?;
        for (section, rule) in &tuned.rules {
            if rule_digest(&config, section) != *rule {
                return outdated(&format!("rule of `{section}`"));
            }
        }
    }
    Ok((tuning::tables(&tuned), None))
}

/// What the report tells of the cases that the set leaves out.
pub(crate) fn left_out(cases: &Cases) -> Vec<Skipped> {
    let skipped = |(case, reason): &(String, String)| Skipped {
        case: case.clone(),
        step: "data".to_owned(),
        reason: reason.clone(),
    };
    cases.left_out.iter().map(skipped).collect()
}

/// What the report tells of the set's oddities, before those of images and maps.
pub(crate) fn set_warnings(cases: &Cases, truth: &Truth) -> Vec<String> {
    [cases.warnings.as_slice(), truth.warnings()].concat()
}

/// How many cases there are, and what is to be told of findings that no score knows of: their true masks are void
/// everywhere, or there are none.
fn counts(bench: &Bench<'_>, truth: &Truth) -> Result<(Counts, Vec<String>), StepError> {
    let mut counts = Counts::default();
    let mut warnings = Vec::new();
    let (mut void, mut of_cases) = (0, 0);
    let mut conflicts = Vec::new();
    for split in Split::ALL {
        let count = counts.of_mut(split);
        let mut shown = 0;
        for case in bench.cases.of(split) {
            count.cases += 1;
            count.positive += u64::from(case.is_positive());
            count.boxes += truth.boxes(&case.id).len() as u64;
            if let Some(mask) = truth.mask(&case.id)? {
                if let Some(conflict) = label_conflict(case, &bench.cases.classes, &mask) {
                    conflicts.push(format!("`{}`: {conflict}", case.id));
                }
                let void_here = mask.void_planes();
                let counts = void_here < mask.planes.channels();
                count.masks += u64::from(counts);
                shown += u64::from(counts && case.is_positive());
                void += void_here;
                of_cases += usize::from(void_here > 0);
            }
        }
        if split != Split::Train {
            warnings.extend(count.lacking(split, shown));
        }
    }
    if let Some(first) = conflicts.first() {
        warnings.push(format!(
            "true masks that say other than labels: {}, first {first}; scores go by the masks; `weakseg data verify` names them all",
            counted(conflicts.len(), "case")
        ));
    }
    if void > 0 {
        warnings.push(format!(
            "in no figure, for it is void everywhere: {} of {} (of several findings also what a case is labelled with and has no \
             file of)",
            counted(void, "true mask"),
            counted(of_cases, "case")
        ));
    }
    Ok((counts, warnings))
}

/// Rows of pictures of held-out cases: best, median, worst, false alarms.
fn gallery(bench: &Bench<'_>, truth: &Truth) -> Result<Vec<GalleryRow>, StepError> {
    let held_out = held_out(bench);
    let store = MaskStore::new(bench.run.folder("evaluate"), bench.cases.classes.clone());
    let cases = &bench.cases.cases;
    let scored: Vec<CaseScore> = held_out
        .par_iter()
        .map(|&index| {
            let prediction = store.read(&cases[index].id)?;
            let truth = truth.mask(&cases[index].id)?;
            Ok(score(
                &prediction.planes,
                truth.as_ref().map(|m| &m.planes),
                cases[index].is_positive(),
            ))
        })
        .collect::<Result<_, StepError>>()?;
    let chosen = choose(&scored, bench.config.evaluate.gallery);
    chosen
        .into_iter()
        .map(|(place, role)| {
            let case = &cases[held_out[place]];
            let maps = |folder: &Path| -> Result<Option<Plane<f32>>, StepError> {
                let heat = Heat::of(&ClassMaps::read(folder, &case.id)?);
                Ok(heat.map(|heat| heat.greatest()))
            };
            let cam = maps(&bench.run.folder("make-cams"))?;
            let irn = maps(&bench.run.folder("make-pseudo-labels").join(SCORES))?;
            let prediction = store.read(&case.id)?;
            let true_mask = truth.mask(&case.id)?;
            let image = case.read_image(&Limits::default())?;
            let note = scored[place].iou.map(|iou| format!("IoU {iou:.2}"));
            let pictures = CasePictures {
                image: &image,
                cam: cam.as_ref(),
                irn: irn.as_ref(),
                prediction: Some(&prediction.planes),
                truth: true_mask.as_ref().map(|m| &m.planes),
                classes: bench.cases.classes.len(),
            };
            Ok(GalleryRow::draw(
                &case.id,
                role,
                note.unwrap_or_default(),
                &pictures,
            )?)
        })
        .collect()
}

/// Foreground against background, whatever the classes: to choose pictures by, not to report.
fn score(prediction: &Stack<u8>, truth: Option<&Stack<u8>>, positive: bool) -> CaseScore {
    let prediction = foreground(prediction);
    let predicted = prediction.iter().filter(|&&v| v == 1).count() as u64;
    let truth = truth
        .map(foreground)
        .filter(|truth| truth.iter().any(|&v| v != VOID));
    let overlap = truth.and_then(|truth| Overlap::of(&prediction, &truth).ok());
    CaseScore {
        iou: overlap.as_ref().map(Overlap::iou),
        positive: overlap.map_or(positive, |o| o.is_positive()),
        predicted,
    }
}

/// 1 where any plane shows something, else void where one is.
fn foreground(mask: &Stack<u8>) -> Vec<u8> {
    let pixel = |at: usize| {
        let values = || (0..mask.channels()).map(|plane| mask.plane(plane)[at]);
        match values().any(|v| v != 0 && v != VOID) {
            true => 1,
            false => values().find(|&v| v == VOID).unwrap_or(0),
        }
    };
    (0..mask.height() * mask.width()).map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_nobody_knows_of_hides_no_other() {
        let planes =
            |planes: [[u8; 3]; 2]| Stack::new(2, 1, 3, planes.concat()).expect("two planes");
        let prediction = planes([[1, 1, 0], [0, 0, 1]]);
        let one_known = planes([[1, 0, 0], [VOID; 3]]);
        // What is predicted beside the known finding may be the other one.
        let expected = CaseScore {
            iou: Some(1.0),
            positive: true,
            predicted: 3,
        };
        assert_eq!(score(&prediction, Some(&one_known), true), expected);
        let none_known = planes([[VOID; 3]; 2]);
        let unscored = CaseScore {
            iou: None,
            ..expected
        };
        assert_eq!(score(&prediction, Some(&none_known), true), unscored);
        assert_eq!(score(&prediction, None, true), unscored);
    }
}
