//! Average precision of instances.

use std::collections::BTreeMap;

pub use weakseg_data::TrueInstance;

use weakseg_data::Plane;

use super::{MetricError, VOID, mean};
use crate::instance::{Instance, Region};

/// Average precision of each class and their mean.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePrecision {
    /// By class; `None` of a class without a true object.
    pub per_class: Vec<Option<f64>>,
    /// Over the classes with a true object; `None` if there is no such class.
    pub mean: Option<f64>,
}

/// What was found of the objects of a set, image by image.
///
/// An instance finds the true object of its class that it overlaps best, if their intersection over union reaches
/// `iou`. Each object is found once, by the instance with the highest score; every further instance on it is a mistake
/// (PASCAL VOC's rule, Everingham et al. 2010, §4.4, with masks for boxes).
///
/// Precision is taken over all images in the order of the scores; those of [`Instance`] that a run finds are relative
/// to their image, which is as IRNet's code has it and is no confidence. Void pixels count in neither instance nor
/// object, as everywhere in [`metrics`](super); the border of VOC's objects is void.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceScores {
    iou: f64,
    classes: usize,
    images: Vec<ImageScores>,
}

/// What was found of the objects of an image: [`InstanceScores::of_image`] makes it, [`InstanceScores::push`] takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageScores {
    /// Classes that have true objects, ascending, and how many. Few of many, so those without one are left out.
    truths: Vec<(usize, u64)>,
    /// Instances: class, score, and whether an object was found.
    found: Vec<(usize, f32, bool)>,
}

impl InstanceScores {
    /// Of no image yet; `iou` above 0 and at most 1, in IRNet's and VOC's AP 0.5.
    ///
    /// # Errors
    /// [`MetricError::Share`] for another `iou`.
    pub fn new(classes: usize, iou: f64) -> Result<Self, MetricError> {
        if !(iou > 0.0 && iou <= 1.0) {
            return Err(MetricError::Share {
                what: "intersection over union",
                value: iou,
            });
        }
        Ok(Self {
            iou,
            classes,
            images: Vec::new(),
        })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// Number of true objects by class.
    pub fn objects(&self) -> Vec<u64> {
        let mut objects = vec![0; self.classes];
        for (class, number) in self.images.iter().flat_map(|image| &image.truths) {
            objects[*class] += number;
        }
        objects
    }

    /// Number of instances by class.
    pub fn found(&self) -> Vec<u64> {
        let mut found = vec![0; self.classes];
        for (class, ..) in self.images.iter().flat_map(|image| &image.found) {
            found[*class] += 1;
        }
        found
    }

    /// Adds an image; either list may be empty. A true object without a pixel that counts is none.
    ///
    /// # Errors
    /// Those of [`Self::of_image`]; the scores are then as before.
    pub fn add(&mut self, found: &[Instance], truth: &[TrueInstance]) -> Result<(), MetricError> {
        let image = self.of_image(found, truth)?;
        self.push(image)
    }

    /// Adds an image that was compared before.
    ///
    /// # Errors
    /// [`MetricError::NoClass`] if it was compared with scores of more classes; the scores are then as before.
    pub fn push(&mut self, image: ImageScores) -> Result<(), MetricError> {
        let of_truth = image.truths.iter().map(|(class, _)| *class);
        let of_found = image.found.iter().map(|(class, ..)| *class);
        let greatest = of_truth.chain(of_found).max();
        if let Some(class) = greatest.filter(|&class| class >= self.classes) {
            return Err(MetricError::NoClass {
                what: "an instance of an image",
                class,
                classes: self.classes,
            });
        }
        self.images.push(image);
        Ok(())
    }

    /// Compares what was found in an image with its true objects, as [`Self::add`] does, and adds nothing: images can
    /// be compared side by side and pushed in order, and their masks need not wait for each other.
    ///
    /// # Errors
    /// For masks of different sizes, a class that is none, or a score that is no finite number.
    pub fn of_image(
        &self,
        found: &[Instance],
        truth: &[TrueInstance],
    ) -> Result<ImageScores, MetricError> {
        self.check(found, truth)?;
        let mut order: Vec<&Instance> = found.iter().collect();
        order.sort_by(|a, b| b.score.total_cmp(&a.score));
        let area =
            |object: &TrueInstance| object.mask.as_slice().iter().filter(|&&v| v == 1).count();
        let truth: Vec<(&TrueInstance, u64)> = truth
            .iter()
            .map(|object| (object, area(object) as u64))
            .filter(|(_, area)| *area > 0)
            .collect();
        let mut taken = vec![false; truth.len()];
        let mut classes: Vec<usize> = truth.iter().map(|(object, _)| object.class).collect();
        classes.sort_unstable();
        let equal = classes.chunk_by(|a, b| a == b);
        let mut image = ImageScores {
            truths: equal.map(|of| (of[0], of.len() as u64)).collect(),
            found: Vec::with_capacity(order.len()),
        };
        for instance in order {
            let best = truth
                .iter()
                .enumerate()
                .filter(|(_, (object, _))| object.class == instance.class)
                .map(|(place, (object, area))| (iou(&instance.region, &object.mask, *area), place))
                // Of equal ones the first.
                .fold(None, |best: Option<(f64, usize)>, new| match best {
                    Some(best) if best.0 >= new.0 => Some(best),
                    _ => Some(new),
                });
            let hit = match best {
                Some((overlap, place)) if overlap >= self.iou => {
                    !std::mem::replace(&mut taken[place], true)
                }
                _ => false,
            };
            image.found.push((instance.class, instance.score, hit));
        }
        Ok(image)
    }

    fn check(&self, found: &[Instance], truth: &[TrueInstance]) -> Result<(), MetricError> {
        let classes = self.classes;
        let of_found = found
            .iter()
            .map(|i| ("an instance found", i.class, i.region.size()));
        let of_truth = truth.iter().map(|t| {
            (
                "a true instance",
                t.class,
                [t.mask.height(), t.mask.width()],
            )
        });
        let mut expected = None;
        for (what, class, size) in of_truth.chain(of_found) {
            if class >= classes {
                return Err(MetricError::NoClass {
                    what,
                    class,
                    classes,
                });
            }
            let expected = *expected.get_or_insert(size);
            if size != expected {
                return Err(MetricError::Size {
                    what,
                    expected,
                    found: size,
                });
            }
        }
        match found.iter().position(|i| !i.score.is_finite()) {
            None => Ok(()),
            Some(at) => Err(MetricError::NotFinite {
                what: "the scores of instances",
                value: found[at].score,
                at,
            }),
        }
    }

    /// The area below each class's curve of precision over recall, precision at a recall being the greatest at that
    /// recall or beyond (PASCAL VOC since 2010). 1 is perfect; a class of which nothing was found has 0.
    ///
    /// Departs from the published evaluators, which rank equal scores in the order they come in: because no threshold
    /// tells them apart, and every image's best instance has the score 1, equal scores are one point of the curve here.
    pub fn average_precision(&self) -> AveragePrecision {
        let all: Vec<usize> = (0..self.images.len()).collect();
        self.of_images(&all)
    }

    /// That of some of the images, by their places, each as often as it is named.
    ///
    /// # Panics
    /// If there is no such image, as indexing a slice does.
    pub fn of_images(&self, places: &[usize]) -> AveragePrecision {
        let mut per_class = vec![None; self.classes];
        for (class, shown) in self.shown(places) {
            per_class[class] = shown.average_precision();
        }
        AveragePrecision {
            mean: mean(per_class.iter().flatten().copied()),
            per_class,
        }
    }

    /// Its mean alone, which a bootstrap draws often: classes that the images do not show cost nothing.
    ///
    /// # Panics
    /// If there is no such image, as indexing a slice does.
    pub fn mean_of_images(&self, places: &[usize]) -> Option<f64> {
        let shown = self.shown(places).into_values();
        mean(shown.filter_map(ClassScores::average_precision))
    }

    /// The classes of some of the images, ascending.
    fn shown(&self, places: &[usize]) -> BTreeMap<usize, ClassScores> {
        let mut shown: BTreeMap<usize, ClassScores> = BTreeMap::new();
        for image in places.iter().map(|&place| &self.images[place]) {
            for &(class, number) in &image.truths {
                shown.entry(class).or_default().truths += number;
            }
            for &(class, score, hit) in &image.found {
                shown.entry(class).or_default().found.push((score, hit));
            }
        }
        shown
    }
}

/// What was found of the objects of a class.
#[derive(Default)]
struct ClassScores {
    truths: u64,
    /// Score of each instance, and whether an object was found.
    found: Vec<(f32, bool)>,
}

impl ClassScores {
    /// None of a class without a true object.
    fn average_precision(self) -> Option<f64> {
        (self.truths > 0).then(|| area(self.found, self.truths))
    }
}

/// Intersection over union, in `0.0..=1.0`, with an object of `area` pixels; void pixels count in neither.
fn iou(region: &Region, truth: &Plane<u8>, area: u64) -> f64 {
    let (mut both, mut found) = (0u64, 0u64);
    for (y, x) in region.pixels() {
        let value = truth.get(y, x);
        both += u64::from(value == 1);
        found += u64::from(value != VOID);
    }
    super::ratio(both, area + found - both).unwrap_or(0.0)
}

/// The area below the curve of precision over recall.
fn area(found: Vec<(f32, bool)>, truths: u64) -> f64 {
    let mut order = found;
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Objects found and precision from each score upwards.
    let mut points = vec![(0u64, 0.0)];
    let (mut hits, mut all) = (0u64, 0u64);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        hits += equal.iter().filter(|(_, hit)| *hit).count() as u64;
        all += equal.len() as u64;
        points.push((hits, hits as f64 / all as f64));
    }
    let (mut area, mut greatest) = (0.0, 0f64);
    for pair in points.windows(2).rev() {
        let [(before, _), (hits, precision)] = [pair[0], pair[1]];
        greatest = greatest.max(precision);
        area += (hits - before) as f64 * greatest;
    }
    area / truths as f64
}

#[cfg(test)]
mod tests;
