//! Rows of predictions that need no network. They stand beside every score: what a step is worth is its distance from
//! the best of them (an empty mask beats every "all" figure of the paper, reference §8.3).

use rayon::prelude::*;
use weakseg_data::phantom::mean_lungs;
use weakseg_data::resize::{resize_f32, resize_nearest};
use weakseg_data::{Cases, DataError, LabelSpace, Limits, Mask, Plane, Split, Stack, Truth};

use super::scores::{ScoreError, Who, score_boxes, score_masks};
use crate::config::Prior;
use crate::metrics::Bootstrap;
use crate::report::{ImageLabels, Row, Step};

/// Side of the square grid on which a prior is averaged.
const GRID: usize = 128;

/// A prediction that is the same for every image: one plane per finding, or one of indices.
pub struct PriorMask(Stack<u8>, Vec<Plane<f32>>);

impl PriorMask {
    /// Builds the prior that `rule` names.
    ///
    /// [`Prior::Masks`] averages the true masks of the training split per class and cuts the mean at that of ten thresholds
    /// which overlaps them best: the strongest mask that has not seen the image. Without such masks, the centre.
    ///
    /// # Errors
    /// When a mask cannot be read.
    pub fn new(rule: Prior, cases: &Cases, truth: &Truth) -> Result<Self, DataError> {
        let planes = cases.classes.mask_planes();
        let maps: Vec<Plane<f32>> = match rule {
            Prior::Masks if truth.has_masks(Split::Train) => mean_masks(cases, truth)?,
            Prior::Masks | Prior::Centre => vec![centre(); cases.classes.len()],
            Prior::Lungs => vec![mean_lungs(GRID); cases.classes.len()],
        };
        let mut mask = Stack::filled(planes, GRID, GRID, 0u8);
        for (class, map) in maps.iter().enumerate() {
            let cut = match rule {
                Prior::Masks if truth.has_masks(Split::Train) => {
                    best_cut(class, map, cases, truth)?
                }
                _ => 0.5,
            };
            let (plane, value) = match cases.classes.space {
                LabelSpace::Exclusive => (0, class as u8 + 1),
                LabelSpace::Findings => (class, 1),
            };
            for (out, &v) in mask.plane_mut(plane).iter_mut().zip(map.as_slice()) {
                if v > cut && *out == 0 {
                    *out = value;
                }
            }
        }
        Ok(Self(mask, maps))
    }
}

/// 1 at the centre, falling to 0 at the corners.
fn centre() -> Plane<f32> {
    Plane::from_fn(GRID, GRID, |y, x| {
        let at = |v: usize| (v as f32 + 0.5) / GRID as f32 * 2.0 - 1.0;
        1.0 - (at(y).powi(2) + at(x).powi(2)).sqrt() / std::f32::consts::SQRT_2
    })
}

fn small(mask: &Mask, class: usize, space: LabelSpace) -> Plane<u8> {
    let (plane, value) = match space {
        LabelSpace::Exclusive => (0, class as u8 + 1),
        LabelSpace::Findings => (class, 1),
    };
    resize_nearest(&mask.planes.to_plane(plane), GRID, GRID).map(|&v| u8::from(v == value))
}

fn training_masks(class: usize, cases: &Cases, truth: &Truth) -> Result<Vec<Plane<u8>>, DataError> {
    let positive: Vec<_> = cases.of(Split::Train).filter(|c| c.labels[class]).collect();
    let masks: Vec<Option<Plane<u8>>> = positive
        .par_iter()
        .map(|case| {
            Ok(truth
                .mask(&case.id)?
                .map(|m| small(&m, class, cases.classes.space)))
        })
        .collect::<Result<_, DataError>>()?;
    Ok(masks.into_iter().flatten().collect())
}

fn mean_masks(cases: &Cases, truth: &Truth) -> Result<Vec<Plane<f32>>, DataError> {
    (0..cases.classes.len())
        .map(|class| {
            let masks = training_masks(class, cases, truth)?;
            let n = masks.len().max(1) as f32;
            Ok(Plane::from_fn(GRID, GRID, |y, x| {
                masks.iter().map(|m| f32::from(m.get(y, x))).sum::<f32>() / n
            }))
        })
        .collect()
}

fn best_cut(
    class: usize,
    map: &Plane<f32>,
    cases: &Cases,
    truth: &Truth,
) -> Result<f32, DataError> {
    let masks = training_masks(class, cases, truth)?;
    let top = map.as_slice().iter().copied().fold(0.0f32, f32::max);
    let score = |cut: f32| -> f64 {
        masks
            .iter()
            .map(|mask| {
                let (mut both, mut either) = (0u64, 0u64);
                for (&m, &v) in mask.as_slice().iter().zip(map.as_slice()) {
                    both += u64::from(m == 1 && v > cut);
                    either += u64::from(m == 1 || v > cut);
                }
                both as f64 / either.max(1) as f64
            })
            .sum()
    };
    let cuts = (0..10).map(|i| top * i as f32 / 10.0);
    Ok(cuts
        .map(|c| (score(c), c))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0.0, |(_, c)| c))
}

/// Rows of the three trivial predictions on a split: empty, full, and the prior. For boxes, full points at the image's
/// centre and its box is the whole image.
///
/// # Errors
/// When a mask cannot be read.
pub fn baseline_rows(
    split: Split,
    cases: &Cases,
    truth: &Truth,
    prior: &PriorMask,
    bootstrap: &Bootstrap,
) -> Result<Vec<Row>, ScoreError> {
    let planes = cases.classes.mask_planes();
    let constant = |value: u8, [h, w]: [usize; 2]| Mask {
        planes: Stack::filled(planes, h, w, value),
    };
    let mut rows = Vec::new();
    for step in [Step::BaselineEmpty, Step::BaselineFull, Step::BaselinePrior] {
        let who = Who {
            step,
            split,
            image_labels: ImageLabels::None,
        };
        rows.extend(score_masks(who, cases, truth, bootstrap, |_, size| {
            Ok(match step {
                Step::BaselineEmpty => constant(0, size),
                Step::BaselineFull => constant(1, size),
                _ => Mask {
                    planes: Stack::from_planes(
                        &(0..planes)
                            .map(|p| resize_nearest(&prior.0.to_plane(p), size[0], size[1]))
                            .collect::<Vec<_>>(),
                    )?,
                },
            })
        })?);
        let centre = centre();
        rows.extend(score_boxes(
            who,
            cases,
            truth,
            bootstrap,
            0.5,
            |case, finding| {
                let (height, width) =
                    weakseg_data::read_image_size(&case.image, &Limits::default())?;
                let large = |map: &Plane<f32>| -> Result<Plane<f32>, DataError> {
                    Ok(resize_f32(&map.clone().into_stack(), height, width).to_plane(0))
                };
                Ok(match step {
                    Step::BaselineEmpty => None,
                    // Above the threshold everywhere, with its maximum at the centre.
                    Step::BaselineFull => Some(large(&centre.map(|v| 1.0 + v))?),
                    _ => Some(large(&prior.1[finding])?),
                })
            },
        )?);
    }
    Ok(rows)
}
