//! The maps of several scales and of the mirror image, added up.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use weakseg_data::Stack;
use weakseg_data::resize::resize_f32;
use weakseg_models::ClassifierArch;
use weakseg_models::encoder::Backbone;

use crate::config::CamStep;

/// Where a network's map cell looks on the image, which decides what a mirrored map needs to lie on the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// Cell i covers pixels s·i to s·i + s − 1 (pooling of even windows without padding, as VGG): mirroring maps cells
    /// to cells, exactly where s divides the width.
    #[default]
    Pooled,
    /// Cell i looks at pixel s·i + o (padded strided convolutions, as ResNet): mirroring shifts by W − 1 − s·(w − 1) − 2·o
    /// pixels, w being the number of cells.
    Strided {
        /// The stride s in pixels.
        stride: usize,
        /// The pixel o that the first cell looks at.
        offset: usize,
    },
}

impl Sampling {
    /// That of a classifier's layer, by its name; of a name that no stage of the trunk has, as `extra` or none at all, the
    /// last stage's.
    pub fn of(arch: ClassifierArch, layer: Option<&str>) -> Self {
        let backbone = arch.backbone();
        // SE-ResNeXt's pool has no padding: its windows begin where they look, and its cells lie two pixels on.
        let pooled_at = match backbone {
            Backbone::Vgg16 | Backbone::Vgg16Bn => return Self::Pooled,
            Backbone::SeResnext50 => 2,
            Backbone::Resnet34 | Backbone::Resnet50 => 0,
        };
        let stage = backbone
            .stage_names()
            .iter()
            .position(|name| Some(*name) == layer)
            .unwrap_or(4);
        Self::Strided {
            stride: arch.strides().reductions()[stage],
            offset: if stage == 0 { 0 } else { pooled_at },
        }
    }

    /// That of IRNet's grid on a classifier's trunk.
    pub fn of_irnet(arch: ClassifierArch) -> Self {
        Self::of(arch, Some("layer1"))
    }
}

/// The grid the maps are added up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// ⌈H/4⌉ × ⌈W/4⌉, IRNet's.
    Strided,
    /// H × W: via 16·⌈H/16⌉ × 16·⌈W/16⌉, then cut, as IRNet's `high_res`.
    Full,
}

impl Grid {
    /// The size of maps on this grid for an image of `height` × `width`.
    pub fn size(self, height: usize, width: usize) -> [usize; 2] {
        match self {
            Self::Strided => [height.div_ceil(4), width.div_ceil(4)],
            Self::Full => [height, width],
        }
    }

    fn resize(self, maps: &Stack<f32>, height: usize, width: usize) -> Stack<f32> {
        match self {
            Self::Strided => resize_f32(maps, height.div_ceil(4), width.div_ceil(4)),
            Self::Full => {
                let wide = resize_f32(maps, 16 * height.div_ceil(16), 16 * width.div_ceil(16));
                let cut = (0..wide.channels()).flat_map(|c| {
                    wide.plane(c)
                        .chunks(wide.width())
                        .take(height)
                        .flat_map(|row| row[..width].to_vec())
                        .collect::<Vec<_>>()
                });
                Stack::new(wide.channels(), height, width, cut.collect())
                    .expect("rows and columns within the stack")
            }
        }
    }
}

/// What [`cams`] gives for a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Cams {
    /// For each image, the maps of all classes on the grid that was asked for: not below 0, scaled as the settings say.
    pub strided: Vec<Stack<f32>>,
    /// For each image, the probability of each class: the mean over the views of the scale nearest to 1.
    pub probabilities: Vec<Vec<f32>>,
}

/// Class maps of a batch of square images on IRNet's stride-4 grid, by the settings' scales, flip and normalisation, for
/// a network whose cells cover whole squares ([`Sampling::Pooled`]); for ResNet ask [`aggregate`] with its stride.
///
/// `view` is asked for the images at `(size, mirrored)`, each size × size pixels, and gives the maps `[B, C, h, w]` and
/// the logits `[B, C]` of what it saw, the mirrored ones as they come.
pub fn cams(
    step: &CamStep,
    side: usize,
    mut view: impl FnMut(usize, bool) -> (Tensor<4>, Tensor<2>),
) -> Cams {
    aggregate(
        step,
        [side, side],
        Grid::Strided,
        Sampling::Pooled,
        |[size, _], mirrored| view(size, mirrored),
    )
}

/// Class maps of a batch of images of one size (reference §2.5): for each scale, relu(map) plus relu(map of the mirrored
/// image, mirrored back), resized bilinearly to the grid and added up; then scaled class by class and image by image.
///
/// `view` is asked for the images at `([height, width], mirrored)`, see [`cams`].
///
/// Departs from IRNet because its mirrored maps lie up to a stride beside the others: here they are brought into place
/// as `sampling` says.
pub fn aggregate(
    step: &CamStep,
    [height, width]: [usize; 2],
    grid: Grid,
    sampling: Sampling,
    mut view: impl FnMut([usize; 2], bool) -> (Tensor<4>, Tensor<2>),
) -> Cams {
    let nearest = step
        .scales
        .iter()
        .copied()
        .min_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()))
        .unwrap_or(1.0);
    let mut sums: Vec<Stack<f32>> = Vec::new();
    let mut probabilities: Vec<Vec<f32>> = Vec::new();
    for &scale in &step.scales {
        let size = [height, width].map(|side| ((side as f64 * scale).round() as usize).max(1));
        let views = if step.flip { 2 } else { 1 };
        let mut both: Option<Tensor<4>> = None;
        for mirrored in [false, true].into_iter().take(views) {
            let (maps, logits) = view(size, mirrored);
            let maps = relu(maps);
            let maps = if mirrored {
                unmirror(maps, size[1], sampling)
            } else {
                maps
            };
            both = Some(both.map_or(maps.clone(), |sum| sum + maps));
            if scale == nearest {
                let seen = rows(sigmoid(logits));
                let share = 1.0 / views as f32;
                if probabilities.is_empty() {
                    probabilities = vec![vec![0.0; seen.first().map_or(0, Vec::len)]; seen.len()];
                }
                for (all, one) in probabilities.iter_mut().zip(seen) {
                    all.iter_mut().zip(one).for_each(|(a, o)| *a += share * o);
                }
            }
        }
        for (place, maps) in both.into_iter().flat_map(stacks).enumerate() {
            let maps = grid.resize(&maps, height, width);
            match sums.get_mut(place) {
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
    Cams {
        strided: sums,
        probabilities,
    }
}

/// A map of the mirrored image, mirrored back into the place of the map of the image itself.
///
/// `maps` is `[B, C, h, w]` of images `image_width` pixels wide.
pub fn unmirror(maps: Tensor<4>, image_width: usize, sampling: Sampling) -> Tensor<4> {
    let [_, _, _, width] = maps.dims();
    let back = maps.flip([3]);
    let Sampling::Strided { stride, offset } = sampling else {
        return back;
    };
    // Cell i of the mirror looked at pixel W − 1 − s·(w − 1 − i) − o = s·i + o + shift: shift/s of a cell too far right.
    let shift = image_width
        .saturating_sub(1)
        .saturating_sub(stride * (width - 1) + 2 * offset);
    if shift == 0 || width < 2 {
        return back;
    }
    let share = (shift as f64 / stride as f64).min(1.0);
    // The first cell has no left neighbour: it keeps its own value.
    let left = Tensor::cat(
        vec![
            back.clone().narrow(3, 0, 1),
            back.clone().narrow(3, 0, width - 1),
        ],
        3,
    );
    back * (1.0 - share) + left * share
}

fn stacks(maps: Tensor<4>) -> Vec<Stack<f32>> {
    let [_, classes, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().iter::<f32>().collect();
    values
        .chunks(classes * height * width)
        .map(|image| {
            Stack::new(classes, height, width, image.to_vec()).expect("a chunk of that size")
        })
        .collect()
}

fn rows(table: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, columns] = table.dims();
    let values: Vec<f32> = table.into_data().iter::<f32>().collect();
    values.chunks(columns).map(<[f32]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cam::Normalise;
    use burn::tensor::{Device, TensorData};

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

    /// A "network" of stride 8 that gives the mean of each 8 × 8 square of an image whose pixel (y, x) is `image(y, x)`.
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
    fn shapes_of_both_grids() {
        for (grid, wanted) in [(Grid::Strided, [26, 34]), (Grid::Full, [101, 133])] {
            let step = settings(&[1.0, 0.5, 1.5], true, Normalise::Max);
            let cams = aggregate(&step, [101, 133], grid, Sampling::Pooled, |[h, w], _| {
                (
                    tensor(vec![1.0; 2 * 3 * (h / 8) * (w / 8)], [2, 3, h / 8, w / 8]),
                    tensor(vec![0.0; 6], [2, 3]),
                )
            });
            assert_eq!(cams.strided.len(), 2);
            let maps = &cams.strided[0];
            assert_eq!(
                [maps.channels(), maps.height(), maps.width()],
                [3, wanted[0], wanted[1]]
            );
            assert_eq!(grid.size(101, 133), wanted);
            assert_eq!(cams.probabilities, vec![vec![0.5; 3]; 2]);
            // 3 scales × 2 views of ones, divided by their maximum 6
            assert!(
                maps.as_slice()
                    .iter()
                    .all(|v| (v - 6.0 / (6.0 + 1e-5)).abs() < 1e-6)
            );
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
                        squares(blob, [size; 2], mirrored != flipped, 64.0),
                        tensor(vec![0.0], [1, 1]),
                    )
                },
            )
        };
        let (plain, flipped) = (of(false).strided.remove(0), of(true).strided.remove(0));
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

    fn at_eight(offset: usize) -> Sampling {
        Sampling::Strided { stride: 8, offset }
    }

    #[test]
    fn each_trunk_has_its_sampling() {
        let strided = |stride, offset| Sampling::Strided { stride, offset };
        for (arch, layer, expected) in [
            (ClassifierArch::Vgg16, None, Sampling::Pooled),
            (ClassifierArch::Resnet50Os8, Some("extra"), strided(8, 0)),
            (ClassifierArch::Resnet50Os8, Some("layer1"), strided(4, 0)),
            (ClassifierArch::Resnet34, None, strided(32, 0)),
            (ClassifierArch::SeResnext50, Some("stem"), strided(2, 0)),
            (ClassifierArch::SeResnext50, Some("layer2"), strided(8, 2)),
        ] {
            assert_eq!(Sampling::of(arch, layer), expected, "{arch} {layer:?}");
        }
        // Cells at 2 and 10 of 16 pixels: the mirror reads 13 and 5, three pixels beside.
        let back = unmirror(tensor(vec![13.0, 5.0], [1, 1, 1, 2]), 16, at_eight(2));
        let values: Vec<f32> = back.into_data().try_to_vec().unwrap();
        assert_eq!(values, [5.0, 10.0]);
    }

    #[test]
    fn strided_cells_are_brought_into_place() {
        // A network whose cell i reads pixel 8·i of a ramp over 24 pixels: 0, 8, 16. The mirror reads 23, 15, 7.
        let seen = tensor(vec![23.0, 15.0, 7.0], [1, 1, 1, 3]);
        let back = unmirror(seen.clone(), 24, at_eight(0));
        let values: Vec<f32> = back.into_data().try_to_vec().unwrap();
        // The border cell has no left neighbour and stays 7; the others read 8 and 16 exactly.
        assert_eq!(values, [7.0, 8.0, 16.0]);
        // 8·n + 1 pixels need no shift
        let exact = unmirror(seen.clone(), 17, at_eight(0));
        assert_eq!(
            exact.into_data().try_to_vec::<f32>().unwrap(),
            [7.0, 15.0, 23.0]
        );
        let pooled = unmirror(seen, 24, Sampling::Pooled);
        assert_eq!(
            pooled.into_data().try_to_vec::<f32>().unwrap(),
            [7.0, 15.0, 23.0]
        );
    }

    #[test]
    fn negative_evidence_does_not_add_up() {
        let mut calls = Vec::new();
        let cams = cams(
            &settings(&[1.0], true, Normalise::None),
            8,
            |size, mirrored| {
                calls.push((size, mirrored));
                let v = if mirrored { -5.0 } else { 2.0 };
                (
                    tensor(vec![v], [1, 1, 1, 1]),
                    tensor(vec![if mirrored { 1000.0 } else { -1000.0 }], [1, 1]),
                )
            },
        );
        assert_eq!(calls, [(8, false), (8, true)]);
        assert_eq!(cams.strided[0].as_slice(), [2.0; 4]);
        assert_eq!(cams.probabilities, [[0.5]]);
    }
}
