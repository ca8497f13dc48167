//! Rows of predictions that need no network. They stand beside every score: what a step is worth is its distance from
//! the best of them (an empty mask beats every "all" figure of the paper, reference §8.3).

use rayon::prelude::*;
use weakseg_data::phantom::mean_lungs;
use weakseg_data::resize::{resize_f32, resize_nearest};
use weakseg_data::{Case, Cases, DataError, LabelSpace, Limits, Mask, Plane, Split, Stack, Truth};

use super::rows::Who;
use super::scores::{ScoreError, score_boxes, score_masks};
use crate::cam::Threshold;
use crate::config::Prior;
use crate::metrics::prior::{self, GRID};
use crate::metrics::{Bootstrap, Confusion};
use crate::report::{ImageLabels, Row, Step};

/// A prediction that is the same for every image: one plane per finding, or one of indices.
pub struct PriorMask {
    /// On the prior's grid.
    mask: Stack<u8>,
    /// One a class, above one half where the mask has it.
    maps: Vec<Plane<f32>>,
}

impl PriorMask {
    /// Builds the prior that `rule` names.
    ///
    /// [`Prior::Masks`] averages the true masks of the training split per class and cuts the mean at that of ten
    /// thresholds which overlaps them best: the strongest mask that has not seen the image. For a class without such
    /// masks, the centre.
    ///
    /// # Errors
    /// When a mask cannot be read.
    pub fn new(rule: Prior, cases: &Cases, truth: &Truth) -> Result<Self, DataError> {
        let mut mask = Stack::filled(cases.classes.mask_planes(), GRID, GRID, 0u8);
        let mut maps = Vec::new();
        for class in 0..cases.classes.len() {
            let masks = match rule {
                Prior::Masks => training_masks(class, cases, truth)?,
                Prior::Centre | Prior::Lungs => Vec::new(),
            };
            let (map, cut) = match rule {
                Prior::Masks if !masks.is_empty() => {
                    let counts = prior::counts(&masks);
                    let share = prior::best_share(&counts, &masks);
                    (prior::map(&counts, share), prior::cut(&counts, share))
                }
                Prior::Masks | Prior::Centre => above_half(centre()),
                Prior::Lungs => above_half(mean_lungs(GRID)),
            };
            let (plane, value) = place(class, cases.classes.space);
            for (out, &inside) in mask.plane_mut(plane).iter_mut().zip(cut.as_slice()) {
                if inside == 1 && *out == 0 {
                    *out = value;
                }
            }
            maps.push(map);
        }
        Ok(Self { mask, maps })
    }
}

fn above_half(map: Plane<f32>) -> (Plane<f32>, Plane<u8>) {
    let cut = map.map(|&v| u8::from(v > 0.5));
    (map, cut)
}

/// The plane of a mask that holds a class, and its value there.
fn place(class: usize, space: LabelSpace) -> (usize, u8) {
    match space {
        LabelSpace::Exclusive => (0, class as u8 + 1),
        LabelSpace::Findings => (class, 1),
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
    let (plane, value) = place(class, space);
    resize_nearest(&mask.planes.to_plane(plane), GRID, GRID).map(|&v| u8::from(v == value))
}

/// The true masks of the training images that show the class, on the prior's grid.
fn training_masks(class: usize, cases: &Cases, truth: &Truth) -> Result<Vec<Plane<u8>>, DataError> {
    let positive: Vec<_> = cases.of(Split::Train).filter(|c| c.labels[class]).collect();
    let masks: Vec<Option<Plane<u8>>> = positive
        .par_iter()
        .map(|case| {
            let mask = truth.mask(&case.id)?;
            let space = cases.classes.space;
            let counts = mask.filter(|mask| !mask.is_void(place(class, space).0));
            Ok(counts.map(|mask| small(&mask, class, space)))
        })
        .collect::<Result<_, DataError>>()?;
    Ok(masks.into_iter().flatten().collect())
}

/// The value of the full mask of a split: 1, every finding everywhere; of exclusive classes, of which a pixel has one,
/// that with the most true pixels.
fn full(split: Split, cases: &Cases, truth: &Truth) -> Result<u8, ScoreError> {
    if cases.classes.space == LabelSpace::Findings {
        return Ok(1);
    }
    let split: Vec<&Case> = cases.of(split).collect();
    let classes = cases.classes.len() + 1;
    let images: Vec<Confusion> = split
        .par_iter()
        .map(|case| {
            let mut image = Confusion::new(classes);
            if let Some(mask) = truth.mask(&case.id)? {
                let pixels = mask.planes.plane(0);
                let counted = image.add(pixels, &vec![0; pixels.len()]);
                counted.map_err(|source| ScoreError::Metric {
                    case: case.id.clone(),
                    source,
                })?;
            }
            Ok(image)
        })
        .collect::<Result<_, ScoreError>>()?;
    let mut pooled = Confusion::new(classes);
    for image in &images {
        pooled.merge(image).expect("one class count");
    }
    Ok(pooled.largest_class() as u8)
}

/// Rows of the three trivial predictions on a split: empty, full (of exclusive classes that with the most true pixels,
/// as `weakseg evaluate` has it), and the prior. For boxes, full points at the image's centre and its box is the whole
/// image.
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
    let full = full(split, cases, truth)?;
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
                Step::BaselineFull => constant(full, size),
                _ => Mask {
                    planes: Stack::from_planes(
                        &(0..planes)
                            .map(|p| resize_nearest(&prior.mask.to_plane(p), size[0], size[1]))
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
            Threshold::Fixed(0.5),
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
                    _ => Some(large(&prior.maps[finding])?),
                })
            },
        )?);
    }
    Ok(rows)
}
