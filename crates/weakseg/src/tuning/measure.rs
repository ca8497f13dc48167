//! From a run's maps to curves.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use weakseg_data::resize::resize_f32;
use weakseg_data::{Case, Cases, DataError, Limits, Mask, Plane, Split, Stack, Truth};

use super::Job;
use super::curve::{CaseCurves, Curve};
use super::cuts::Cuts;
use super::document::Stage;
use super::error::TuneError;
use super::material::Measured;
use crate::irn::masks::scaled;
use crate::metrics::MetricError;
use crate::pipeline::finished_folder;
use crate::pipeline::steps::ClassMaps;
use crate::predict::Predictor;

/// What is measured: a run, and the masks that it is measured with.
pub struct Source<'a> {
    /// The run.
    pub job: &'a Job<'a>,
    /// Its images and labels.
    pub cases: &'a Cases,
    /// Its masks.
    pub truth: &'a Truth,
}

impl Source<'_> {
    /// Curves of every case of a split that has a mask, at the mask's size, among `cuts`; none of findings whose mask
    /// is void everywhere, as `evaluate` has no figures of them.
    ///
    /// # Errors
    /// When a map, an image or a mask cannot be read, they do not fit, or it was asked to stop.
    pub fn measure(&self, stage: Stage, split: Split, cuts: &Cuts) -> Result<Measured, TuneError> {
        let cases: Vec<&Case> = self.cases.of(split).collect();
        let what = format!("tune: {} on {split}", stage.works());
        self.job.progress.begin(&what, cases.len() as u64);
        let curves = match stage {
            Stage::Cam => self.of_maps(&cases, cuts),
            Stage::Segmentation => self.of_network(&cases, cuts),
        };
        self.job.progress.end();
        Ok(Measured::of(curves?, self.cases.classes.len()))
    }

    /// Of class maps as `eval-cams` makes masks of them: each finding that the classifier predicts, divided by its
    /// maximum.
    fn of_maps(&self, cases: &[&Case], cuts: &Cuts) -> Result<Vec<Option<CaseCurves>>, TuneError> {
        let step = Stage::Cam.step();
        let folder = finished_folder(self.job.run, step).ok_or_else(|| TuneError::Unfinished {
            run: self.job.run.to_owned(),
            step,
        })?;
        let gate = self.job.config.cams.gate;
        let space = self.cases.classes.space;
        let over = AtomicU64::new(0);
        cases
            .par_iter()
            .map(|case| {
                if self.job.stop.asked() {
                    return Err(stopped(over.load(Ordering::Relaxed), cases.len()));
                }
                let curves = self.truth.mask(&case.id)?.map(|mask| {
                    let maps = self.class_maps(&folder, &case.id)?;
                    let (height, width) = (mask.planes.height(), mask.planes.width());
                    curves(case, &mask, |finding| {
                        let probability = maps.probabilities[finding];
                        let seen = f64::from(probability) > gate;
                        let (keys, plane) = maps.select(|class| class == finding && seen);
                        let plane = match keys.is_empty() {
                            true => Plane::filled(height, width, 0.0),
                            false => scaled(space, resize_f32(&plane, height, width)).to_plane(0),
                        };
                        let truth = mask.planes.plane(finding);
                        Curve::new(&plane, truth, probability, cuts, 0.0)
                    })
                });
                let done = over.fetch_add(1, Ordering::Relaxed) + 1;
                self.job.progress.at(done, &case.id);
                curves.transpose()
            })
            .collect()
    }

    /// The maps of a case, whole enough to be read: the file may be damaged.
    fn class_maps(&self, folder: &Path, id: &str) -> Result<ClassMaps, TuneError> {
        let maps = ClassMaps::read(folder, id)?;
        let (classes, found) = (self.cases.classes.len(), maps.probabilities.len());
        let problem = if found != classes {
            format!("{found} probabilities for {classes} findings")
        } else if maps.maps.height() * maps.maps.width() == 0 {
            "maps without pixels".to_owned()
        } else {
            return Ok(maps);
        };
        Err(TuneError::Data(DataError::Unreadable {
            path: ClassMaps::path(folder, id),
            problem,
            remedy: "make the maps again with --from make-cams".to_owned(),
        }))
    }

    /// Of the segmentation network's probabilities, as `evaluate` makes masks of them.
    fn of_network(
        &self,
        cases: &[&Case],
        cuts: &Cuts,
    ) -> Result<Vec<Option<CaseCurves>>, TuneError> {
        let config = &self.job.config.segmenter;
        let predictor = Predictor::open_with_classifier(self.job.run, &self.job.device)?;
        let mut all = Vec::with_capacity(cases.len());
        for batch in cases.chunks(config.training.batch) {
            if self.job.stop.asked() {
                return Err(stopped(all.len() as u64, cases.len()));
            }
            let mut masked = Vec::with_capacity(batch.len());
            for &case in batch {
                match self.truth.mask(&case.id)? {
                    Some(mask) => masked.push((case, mask)),
                    None => all.push(None),
                }
            }
            let images: Vec<Stack<u8>> = masked
                .iter()
                .map(|(case, _)| case.read_image(&Limits::default()))
                .collect::<Result<_, _>>()?;
            let predictions = predictor.predict(&images)?;
            let made: Vec<CaseCurves> = masked
                .par_iter()
                .zip(&predictions)
                .map(|((case, mask), prediction)| {
                    curves(case, mask, |finding| {
                        let known = prediction.probabilities.as_ref();
                        Curve::new(
                            &prediction.scores.to_plane(finding),
                            mask.planes.plane(finding),
                            known.map_or(1.0, |probabilities| probabilities[finding]),
                            cuts,
                            config.min_area as f32,
                        )
                    })
                })
                .collect::<Result<_, _>>()?;
            all.extend(made.into_iter().map(Some));
            let last = batch.last().map_or("", |case| case.id.as_str());
            self.job.progress.at(all.len() as u64, last);
        }
        Ok(all)
    }
}

/// The curves of all findings of a case of whose mask a pixel counts.
fn curves(
    case: &Case,
    mask: &Mask,
    of: impl Fn(usize) -> Result<Curve, MetricError>,
) -> Result<CaseCurves, TuneError> {
    let findings = (0..mask.planes.channels()).filter(|&finding| !mask.is_void(finding));
    let curves = findings.map(of);
    Ok(CaseCurves {
        id: case.id.clone(),
        patient: case.patient.clone(),
        positive: case.is_positive(),
        curves: curves
            .collect::<Result<_, _>>()
            .map_err(|source| TuneError::Case {
                case: case.id.clone(),
                source,
            })?,
    })
}

fn stopped(done: u64, total: usize) -> TuneError {
    TuneError::Stopped {
        done: done as usize,
        total,
        what: "cases",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::VOID;
    use weakseg_data::View;

    #[test]
    fn a_finding_whose_mask_is_void_everywhere_has_no_curve() {
        let case = Case {
            id: "a".into(),
            patient: None,
            image: "a.png".into(),
            labels: vec![true; 3],
            split: Split::Val,
            view: View::default(),
        };
        let planes = [[VOID, VOID], [VOID, 0], [1, 0]];
        let planes = planes.map(|values| Plane::new(1, 2, values.to_vec()).unwrap());
        let mask = Mask {
            planes: Stack::from_planes(&planes).unwrap(),
        };
        let map = Plane::filled(1, 2, 0.9);
        let cuts = Cuts::of_scores(&[]);
        let found = curves(&case, &mask, |finding| {
            Curve::new(&map, mask.planes.plane(finding), 1.0, &cuts, 0.0)
        });
        let truth: Vec<u64> = found
            .unwrap()
            .curves
            .iter()
            .map(|c| c.empty().truth)
            .collect();
        assert_eq!(truth, [0, 1]);
    }
}
