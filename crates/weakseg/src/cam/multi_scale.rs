//! The maps of several scales and of the mirror image, added up.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use weakseg_data::Stack;
use weakseg_data::resize::resize_f32;

use super::{Sampling, unmirror};
use crate::config::CamStep;
use crate::networks::stacks;

/// A network that looks at a batch of images, at one size after another and in a mirror.
///
/// It is asked for maps only after the classes that are wanted are known, so that those which take a backward pass a
/// class need not be made of the others.
pub trait Views {
    /// What maps are made of, kept until they are asked for.
    type Seen;
    /// Why it cannot look.
    type Error;

    /// Looks at the images at `[height, width]`, mirrored or as they are. Beside what it has seen it gives the logits
    /// `[B, C]`.
    ///
    /// # Errors
    /// The network's own.
    fn look(
        &self,
        size: [usize; 2],
        mirrored: bool,
    ) -> Result<(Self::Seen, Tensor<2>), Self::Error>;

    /// The classes whose maps are wanted of the batch, by the probability of each class in each image.
    fn wanted(&self, probabilities: &[Vec<f32>]) -> Vec<usize>;

    /// The maps `[B, classes, h, w]` of what was seen, those of mirrored images as they come.
    ///
    /// # Errors
    /// The network's own.
    fn maps(&self, seen: Self::Seen, classes: &[usize]) -> Result<Tensor<4>, Self::Error>;
}

/// What [`aggregate`] gives for a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cams {
    /// The classes that were wanted; maps have one plane for each.
    pub classes: Vec<usize>,
    /// For each image, its maps on IRNet's grid of ⌈H/4⌉ × ⌈W/4⌉: not below 0, scaled as the settings say.
    pub maps: Vec<Stack<f32>>,
    /// For each image, the probability of each class: the mean over the views of the scale nearest to 1.
    pub probabilities: Vec<Vec<f32>>,
}

/// Class maps of a batch of images of one size (reference §2.5): for each scale, relu(map) plus relu(map of the
/// mirrored image, mirrored back), resized bilinearly to IRNet's grid and added up; then scaled class by class and
/// image by image.
///
/// Maps of methods whose weights are means over the cells of the last map, and so fall with their number
/// ([`CamMethod::falls_with_cells`](super::CamMethod::falls_with_cells)), are multiplied by it, relative to the first
/// scale: else a view of half the size would count four times.
///
/// Departs from IRNet because its mirrored maps lie up to a stride beside the others: here they are brought into place
/// as `sampling` says.
///
/// # Errors
/// Those of the views.
pub fn aggregate<V: Views>(
    step: &CamStep,
    [height, width]: [usize; 2],
    sampling: Sampling,
    views: &V,
) -> Result<Cams, V::Error> {
    let Some(nearest) = nearest_to_one(&step.scales) else {
        return Ok(Cams::default());
    };
    let [rows, columns] = [height, width].map(|side| side.div_ceil(4));
    let look = |scale: f64| {
        let size = [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
        let mirrors = [false, true].into_iter().take(1 + usize::from(step.flip));
        mirrors
            .map(|mirrored| Ok((size, mirrored, views.look(size, mirrored)?)))
            .collect::<Result<Vec<_>, V::Error>>()
    };
    // Its logits say which classes are wanted, so it is looked at first; its maps wait for their turn.
    let first = look(step.scales[nearest])?;
    let probabilities = mean_probabilities(first.iter().map(|(_, _, (_, logits))| logits));
    let classes = views.wanted(&probabilities);
    if classes.is_empty() {
        return Ok(Cams {
            maps: vec![Stack::filled(0, rows, columns, 0.0); probabilities.len()],
            probabilities,
            classes,
        });
    }
    let mut first = Some(first);
    let mut cells_of_first = None;
    let mut sums: Vec<Stack<f32>> = Vec::new();
    for (place, &scale) in step.scales.iter().enumerate() {
        let seen = match first.take_if(|_| place == nearest) {
            Some(seen) => seen,
            None => look(scale)?,
        };
        let mut both: Option<Tensor<4>> = None;
        for (size, mirrored, (seen, _)) in seen {
            let mut maps = relu(views.maps(seen, &classes)?);
            if step.method.falls_with_cells() {
                let [.., h, w] = maps.dims();
                let cells = (h * w) as f64;
                let share = cells / *cells_of_first.get_or_insert(cells);
                // Of one scale not even the last bit is another.
                if share != 1.0 {
                    maps = maps.mul_scalar(share);
                }
            }
            let maps = if mirrored {
                unmirror(maps, size[1], sampling)
            } else {
                maps
            };
            both = Some(both.map_or(maps.clone(), |sum| sum + maps));
        }
        for (image, maps) in both.into_iter().flat_map(stacks).enumerate() {
            let maps = resize_f32(&maps, rows, columns);
            match sums.get_mut(image) {
                Some(sum) => sum
                    .as_mut_slice()
                    .iter_mut()
                    .zip(maps.as_slice())
                    .for_each(|(s, m)| *s += m),
                None => sums.push(maps),
            }
        }
    }
    for maps in &mut sums {
        (0..maps.channels()).for_each(|class| step.normalise.apply(maps.plane_mut(class)));
    }
    Ok(Cams {
        classes,
        maps: sums,
        probabilities,
    })
}

/// The place of the scale nearest to 1, of equal ones the first.
fn nearest_to_one(scales: &[f64]) -> Option<usize> {
    let distance = |place: &usize| (scales[*place] - 1.0).abs();
    (0..scales.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// For each image, the probability of each class: the mean over views whose logits are `[B, C]`.
fn mean_probabilities<'a>(views: impl ExactSizeIterator<Item = &'a Tensor<2>>) -> Vec<Vec<f32>> {
    let share = 1.0 / views.len() as f32;
    let mut means: Vec<Vec<f32>> = Vec::new();
    for logits in views {
        let seen = rows(sigmoid(logits.clone()));
        if means.is_empty() {
            means = seen.iter().map(|row| vec![0.0; row.len()]).collect();
        }
        for (mean, one) in means.iter_mut().zip(seen) {
            mean.iter_mut().zip(one).for_each(|(m, o)| *m += share * o);
        }
    }
    means
}

fn rows(table: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, columns] = table.dims();
    let values: Vec<f32> = table.into_data().iter::<f32>().collect();
    values.chunks(columns).map(<[f32]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cam::{CamMethod, Normalise};
    use burn::tensor::{Device, TensorData};
    use std::cell::RefCell;
    use std::convert::Infallible;

    /// Maps and logits of a view, all classes wanted.
    struct All<F>(F);

    impl<F: Fn([usize; 2], bool) -> (Tensor<4>, Tensor<2>)> Views for All<F> {
        type Seen = Tensor<4>;
        type Error = Infallible;

        fn look(
            &self,
            size: [usize; 2],
            mirrored: bool,
        ) -> Result<(Tensor<4>, Tensor<2>), Infallible> {
            Ok(self.0(size, mirrored))
        }

        fn wanted(&self, probabilities: &[Vec<f32>]) -> Vec<usize> {
            (0..probabilities[0].len()).collect()
        }

        fn maps(&self, seen: Tensor<4>, _: &[usize]) -> Result<Tensor<4>, Infallible> {
            Ok(seen)
        }
    }

    /// Of pooled cells, on IRNet's grid.
    fn cams(
        step: &CamStep,
        side: usize,
        view: impl Fn([usize; 2], bool) -> (Tensor<4>, Tensor<2>),
    ) -> Cams {
        let sampling = Sampling::Pooled;
        let Ok(cams) = aggregate(step, [side; 2], sampling, &All(view));
        cams
    }

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn settings(scales: &[f64], flip: bool, normalise: Normalise) -> CamStep {
        CamStep {
            scales: scales.to_vec(),
            flip,
            normalise,
            ..CamStep::default()
        }
    }

    /// A "network" of stride 8 that gives the mean of each 8 × 8 square of an image whose pixel (y, x) is `image(y,
    /// x)`.
    fn squares(
        image: impl Fn(f64, f64) -> f32,
        [height, width]: [usize; 2],
        mirrored: bool,
        whole: f64,
    ) -> Tensor<4> {
        let (h, w) = (height / 8, width / 8);
        let scale = whole / width as f64;
        let mut values = Vec::new();
        for y in 0..h {
            for x in 0..w {
                let x = if mirrored { w - 1 - x } else { x };
                values.push(image(
                    (8.0 * y as f64 + 4.0) * scale,
                    (8.0 * x as f64 + 4.0) * scale,
                ));
            }
        }
        tensor(values, [1, 1, h, w])
    }

    #[test]
    fn maps_have_the_shape_of_the_grid() {
        let step = settings(&[1.0, 0.5, 1.5], true, Normalise::Max);
        let ones = All(|[h, w]: [usize; 2], _| {
            (
                tensor(vec![1.0; 2 * 3 * (h / 8) * (w / 8)], [2, 3, h / 8, w / 8]),
                tensor(vec![0.0; 6], [2, 3]),
            )
        });
        let Ok(cams) = aggregate(&step, [101, 133], Sampling::Pooled, &ones);
        assert_eq!((cams.maps.len(), cams.classes), (2, vec![0, 1, 2]));
        let maps = &cams.maps[0];
        assert_eq!([maps.channels(), maps.height(), maps.width()], [3, 26, 34]);
        assert_eq!(cams.probabilities, vec![vec![0.5; 3]; 2]);
        // 3 scales × 2 views of ones, divided by their maximum 6
        assert!(
            maps.as_slice()
                .iter()
                .all(|v| (v - 6.0 / (6.0 + 1e-5)).abs() < 1e-6)
        );
    }

    /// The same network sees the same at every scale: a class weight of 1, and with Grad-CAM divided by the number of
    /// cells.
    #[test]
    fn scales_weigh_alike_whatever_the_method() {
        let of = |method: CamMethod, scales: &[f64]| {
            let step = CamStep {
                method,
                normalise: Normalise::None,
                ..settings(scales, false, Normalise::None)
            };
            let found = cams(&step, 64, |[h, w], _| {
                let (h, w) = (h / 8, w / 8);
                let value = match method.falls_with_cells() {
                    true => 1.0 / (h * w) as f32,
                    false => 1.0,
                };
                let maps = tensor(vec![value; h * w], [1, 1, h, w]);
                (maps, tensor(vec![0.0], [1, 1]))
            });
            found.maps[0].as_slice()[0]
        };
        for method in CamMethod::ALL {
            let one = of(method, &[1.0]);
            for scales in [&[1.0, 0.5][..], &[1.0, 0.5, 1.5, 2.0], &[0.5, 1.0]] {
                let share = of(method, scales) / (scales.len() as f32 * of(method, &scales[..1]));
                assert!(
                    (share - 1.0).abs() < 1e-5,
                    "{} {scales:?} {share}",
                    method.name()
                );
            }
            let expected = if method.falls_with_cells() {
                1.0 / 64.0
            } else {
                1.0
            };
            assert_eq!(one, expected, "of one scale nothing is another");
        }
    }

    /// Whatever a network sees, the map of the mirrored image is the mirrored map.
    #[test]
    fn flipping_the_image_flips_the_map() {
        let blob =
            |y: f64, x: f64| ((-(y - 20.0).powi(2) - (x - 44.0).powi(2)) / 200.0).exp() as f32;
        let of = |flipped: bool| {
            cams(
                &settings(&[1.0, 0.5], true, Normalise::Max),
                64,
                |size, mirrored| {
                    (
                        squares(blob, size, mirrored != flipped, 64.0),
                        tensor(vec![0.0], [1, 1]),
                    )
                },
            )
        };
        let (plain, flipped) = (of(false).maps.remove(0), of(true).maps.remove(0));
        for (a, b) in plain.plane(0).chunks(16).zip(flipped.plane(0).chunks(16)) {
            for (a, b) in a.iter().zip(b.iter().rev()) {
                assert!((a - b).abs() < 1e-5, "{a} and {b}");
            }
        }
        // and it points where the blob is: row 20/4, column 44/4 of the stride-4 grid, to a cell of the coarser map
        let top = plain
            .plane(0)
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .unwrap()
            .0;
        assert!(
            (top / 16).abs_diff(5) <= 1 && (top % 16).abs_diff(11) <= 1,
            "{top}"
        );
    }

    #[test]
    fn negative_evidence_does_not_add_up() {
        let calls = RefCell::new(Vec::new());
        let cams = cams(
            &settings(&[1.0], true, Normalise::None),
            8,
            |size, mirrored| {
                calls.borrow_mut().push((size, mirrored));
                let v = if mirrored { -5.0 } else { 2.0 };
                (
                    tensor(vec![v], [1, 1, 1, 1]),
                    tensor(vec![if mirrored { 1000.0 } else { -1000.0 }], [1, 1]),
                )
            },
        );
        assert_eq!(calls.into_inner(), [([8; 2], false), ([8; 2], true)]);
        assert_eq!(cams.maps[0].as_slice(), [2.0; 4]);
        assert_eq!(cams.probabilities, [[0.5]]);
    }

    /// Two images of three classes, of which the second view of scale 1 decides which are wanted.
    struct Chosen {
        asked: RefCell<Vec<(usize, Vec<usize>)>>,
        chosen: Vec<usize>,
    }

    impl Views for Chosen {
        type Seen = usize;
        type Error = String;

        fn look(&self, size: [usize; 2], mirrored: bool) -> Result<(usize, Tensor<2>), String> {
            let logit = if mirrored { 1000.0 } else { -1000.0 };
            match size {
                [24, 24] => Err("too large".to_owned()),
                [side, _] => Ok((side, tensor(vec![logit; 6], [2, 3]))),
            }
        }

        fn wanted(&self, probabilities: &[Vec<f32>]) -> Vec<usize> {
            assert_eq!(probabilities, [[0.5; 3]; 2]);
            self.chosen.clone()
        }

        fn maps(&self, side: usize, classes: &[usize]) -> Result<Tensor<4>, String> {
            self.asked.borrow_mut().push((side, classes.to_vec()));
            let of_image: Vec<f32> = classes.iter().map(|&c| (side * c) as f32).collect();
            Ok(tensor(of_image.repeat(2), [2, classes.len(), 1, 1]))
        }
    }

    #[test]
    fn only_maps_of_wanted_classes_are_made() {
        let of = |scales: &[f64], chosen: &[usize]| {
            let views = Chosen {
                asked: RefCell::default(),
                chosen: chosen.to_vec(),
            };
            let step = settings(scales, true, Normalise::None);
            let cams = aggregate(&step, [16; 2], Sampling::Pooled, &views);
            (cams, views.asked.into_inner())
        };
        let (cams, asked) = of(&[0.5, 1.0], &[2, 1]);
        let sides: Vec<usize> = asked.iter().map(|(side, _)| *side).collect();
        assert_eq!(sides, [8, 8, 16, 16], "in the order of the settings");
        assert!(asked.iter().all(|(_, classes)| classes == &[2, 1]));
        let cams = cams.expect("maps");
        assert_eq!(cams.classes, [2, 1]);
        // Two views of 8·class and two of 16·class.
        for (plane, sum) in [(0, 96.0), (1, 48.0)] {
            assert_eq!(cams.maps[1].plane(plane), [sum; 16]);
        }

        let (cams, asked) = of(&[0.5, 1.0], &[]);
        let cams = cams.expect("no maps");
        assert!(asked.is_empty() && cams.probabilities.len() == 2);
        let empty = Stack::filled(0, 4, 4, 0.0);
        assert_eq!(cams.maps, [empty.clone(), empty]);

        assert_eq!(of(&[1.0, 1.5], &[0]).0, Err("too large".to_owned()));
    }
}
