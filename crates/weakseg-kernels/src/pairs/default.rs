//! The sums and their gradient as a backend's own operations.

use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, DType, TensorData, TensorMetadata, get_or_init_device_settings};
use burn::tensor::{BoolDType, IndexingUpdateOp, Slice};

use super::labels::{PairLabels, UNSURE};
use super::{EPSILON, SUMS};
use crate::ops::Kernels;

/// The pairs of a batch as tensors.
struct Pairs<B: Backend> {
    /// Background, foreground and negative, 0 or 1, `[B, D, S]`.
    masks: [FloatTensor<B>; 3],
    /// 1 - the greatest edge on the path, `[B, D, S]`.
    affinity: FloatTensor<B>,
    /// Pixels of the sources, `[S]`, and of the destinations, `[D · S]`.
    sources: IntTensor<B>,
    destinations: IntTensor<B>,
    /// Displacement of source less destination, `[B, 2, D, S]`, and what it is to be, `[1, 2, D, 1]`.
    moved: FloatTensor<B>,
    direction: FloatTensor<B>,
    /// B, D, S.
    shape: [usize; 3],
}

/// Whether pairs of labels are background, foreground, negative, as [`super::labels::masks`] tells.
fn masks<B: Backend>(
    source: FloatTensor<B>,
    destination: FloatTensor<B>,
    dtype: BoolDType,
) -> [BoolTensor<B>; 3] {
    let is = |labels: &FloatTensor<B>, label: u32| {
        B::float_equal_elem(labels.clone(), f64::from(label).into(), dtype)
    };
    let unsure = B::bool_or(is(&source, UNSURE), is(&destination, UNSURE));
    let sure = B::bool_not(unsure);
    let (of_source, of_destination) = (is(&source, 0), is(&destination, 0));
    let background = B::bool_and(of_source.clone(), of_destination);
    let same = B::float_equal(source, destination, dtype);
    let alike = B::bool_and(sure.clone(), same.clone());
    [
        background,
        B::bool_and(alike, B::bool_not(of_source)),
        B::bool_and(sure, B::bool_not(same)),
    ]
}

impl<B: Backend + Kernels> Pairs<B> {
    fn new(edge: FloatTensor<B>, displacement: FloatTensor<B>, labels: &PairLabels) -> Self {
        let (device, dtype) = (edge.device(), edge.dtype());
        let ([batch, height, width], paths) = (labels.shape(), labels.paths());
        let of_paths = paths.sources(height, width);
        let (pixels, directions) = (of_paths.pixels(), paths.directions());
        let (count, steps) = (pixels.len(), directions.len());
        let floats = |values: Vec<f32>, shape: &[usize]| {
            let data = TensorData::new(values, shape.to_vec());
            B::float_cast(B::float_from_data(data, &device), dtype.into())
        };
        let settings = get_or_init_device_settings::<B>(&device);
        let indices = |values: Vec<i64>| {
            let length = values.len();
            let data = TensorData::new(values, [length]);
            // On the host: not every device has 64-bit integers.
            B::int_from_data(data.convert_dtype(settings.int_dtype.into()), &device)
        };
        let sources: IntTensor<B> = indices(pixels.iter().map(|p| *p as i64).collect());
        let destinations = (directions.iter()).flat_map(|direction| {
            let offset = of_paths.offset(*direction) as i64;
            pixels.iter().map(move |p| *p as i64 + offset)
        });
        let destinations: IntTensor<B> = indices(destinations.collect());
        let cells = (0..batch).flat_map(|image| labels.image(image));
        let cells = floats(
            cells.map(|label| *label as f32).collect(),
            &[batch, height * width],
        );
        let from = B::float_select(cells.clone(), 1, sources.clone());
        let from = B::float_reshape(from, [batch, 1, count].into());
        let from = B::float_expand(from, [batch, steps, count].into());
        let to = B::float_select(cells, 1, destinations.clone());
        let to = B::float_reshape(to, [batch, steps, count].into());
        let masks = masks::<B>(from, to, settings.bool_dtype)
            .map(|mask| B::bool_into_float(mask, dtype.into()));
        let flat = B::float_reshape(displacement, [batch, 2, height * width].into());
        let from = B::float_select(flat.clone(), 2, sources.clone());
        let to = B::float_select(flat, 2, destinations.clone());
        let moved = B::float_sub(
            B::float_reshape(from, [batch, 2, 1, count].into()),
            B::float_reshape(to, [batch, 2, steps, count].into()),
        );
        let along = |axis: usize| directions.iter().map(move |d| d[axis] as f32);
        Self {
            masks,
            affinity: B::path_affinity_forward(edge, paths),
            sources,
            destinations,
            moved,
            direction: floats(along(0).chain(along(1)).collect(), &[1, 2, steps, 1]),
            shape: [batch, steps, count],
        }
    }

    /// Affinity + ε, and 1 + ε - affinity.
    fn near_and_apart(&self) -> [FloatTensor<B>; 2] {
        let apart = B::float_neg(self.affinity.clone());
        [
            B::float_add_scalar(self.affinity.clone(), EPSILON.into()),
            B::float_add_scalar(apart, (1.0 + EPSILON).into()),
        ]
    }

    /// What foreground and background pairs are off by, `[B, 2, D, S]`, and the mask of each, `[B, 1, D, S]`.
    fn excesses(&self) -> [(FloatTensor<B>, FloatTensor<B>); 2] {
        let [batch, steps, count] = self.shape;
        let mask = |kind: usize| {
            B::float_reshape(self.masks[kind].clone(), [batch, 1, steps, count].into())
        };
        let near = B::float_sub(self.moved.clone(), self.direction.clone());
        [(near, mask(1)), (self.moved.clone(), mask(0))]
    }
}

pub(crate) fn forward<B: Backend + Kernels>(
    edge: FloatTensor<B>,
    displacement: FloatTensor<B>,
    labels: &PairLabels,
) -> FloatTensor<B> {
    let pairs = Pairs::<B>::new(edge, displacement, labels);
    let [near, apart] = pairs.near_and_apart().map(B::float_log);
    let [background, foreground, negative] = pairs.masks.clone();
    let logarithms = [
        (background, near.clone()),
        (foreground, near),
        (negative, apart),
    ]
    .map(|(mask, log)| B::float_neg(B::float_sum(B::float_mul(mask, log))));
    let distances = (pairs.excesses())
        .map(|(excess, mask)| B::float_sum(B::float_mul(B::float_abs(excess), mask)));
    B::float_cat(logarithms.into_iter().chain(distances).collect(), 0)
}

pub(crate) fn backward<B: Backend + Kernels>(
    edge: FloatTensor<B>,
    displacement: FloatTensor<B>,
    labels: &PairLabels,
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let (device, dtype): (_, DType) = (edge.device(), edge.dtype());
    let [batch, height, width] = labels.shape();
    let pairs = Pairs::<B>::new(edge.clone(), displacement, labels);
    let [_, steps, count] = pairs.shape;
    let upstream = |sum: usize, shape: &[usize]| {
        debug_assert!(sum < SUMS);
        let one = B::float_slice(output_gradient.clone(), &[Slice::from(sum..sum + 1)]);
        B::float_reshape(one, shape.to_vec().into())
    };
    let [near, apart] = pairs.near_and_apart();
    let [background, foreground, negative] = pairs.masks.clone();
    let weighed = |mask, sum| B::float_mul(mask, upstream(sum, &[1, 1, 1]));
    let positive = B::float_add(weighed(background, 0), weighed(foreground, 1));
    let affinity = B::float_sub(
        B::float_div(weighed(negative, 2), apart),
        B::float_div(positive, near),
    );
    let edge = B::path_affinity_backward(edge, labels.paths(), affinity);
    let [near, still] = pairs.excesses();
    let signs = [(near, 3), (still, 4)].map(|((excess, mask), sum)| {
        B::float_mul(
            B::float_mul(B::float_sign(excess), mask),
            upstream(sum, &[1, 1, 1, 1]),
        )
    });
    let [near, still] = signs;
    let signs = B::float_add(near, still);
    let of_sources = B::float_reshape(B::float_sum_dim(signs.clone(), 2), [batch, 2, count].into());
    let of_destinations = B::float_reshape(B::float_neg(signs), [batch, 2, steps * count].into());
    let flat = B::float_zeros([batch, 2, height * width].into(), &device, dtype.into());
    let add = IndexingUpdateOp::Add;
    let flat = B::float_select_assign(flat, 2, pairs.sources, of_sources, add);
    let flat = B::float_select_assign(flat, 2, pairs.destinations, of_destinations, add);
    [
        edge,
        B::float_reshape(flat, [batch, 2, height, width].into()),
    ]
}
