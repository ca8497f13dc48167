//! The sums and their gradient as a backend's own operations.

use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, DType, TensorData, TensorMetadata, get_or_init_device_settings};
use burn::tensor::{BoolDType, IndexingUpdateOp, Slice};

use super::labels::{PairLabels, UNSURE};
use super::{EPSILON, SUMS, affinity};

/// Kinds of pairs; the sums of their affinities have the same numbers.
const BACKGROUND: usize = 0;
const FOREGROUND: usize = 1;
const NEGATIVE: usize = 2;

/// The pairs of a batch as tensors.
struct Pairs<B: Backend> {
    /// Which are not background, not foreground, not negative, `[B, D, S]`.
    others: [BoolTensor<B>; 3],
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

impl<B: Backend> Pairs<B> {
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
        let others = masks::<B>(from, to, settings.bool_dtype).map(B::bool_not);
        let flat = B::float_reshape(displacement, [batch, 2, height * width].into());
        let from = B::float_select(flat.clone(), 2, sources.clone());
        let to = B::float_select(flat, 2, destinations.clone());
        let moved = B::float_sub(
            B::float_reshape(from, [batch, 2, 1, count].into()),
            B::float_reshape(to, [batch, 2, steps, count].into()),
        );
        let along = |axis: usize| directions.iter().map(move |d| d[axis] as f32);
        Self {
            others,
            affinity: affinity::forward::<B>(edge, paths),
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

    /// Values `[B, D, S]`, 0 for pairs of another kind. (Not by multiplication: what is no number of others would stay
    /// none.)
    fn of_kind(&self, kind: usize, values: FloatTensor<B>) -> FloatTensor<B> {
        B::float_mask_fill(values, self.others[kind].clone(), 0.0.into())
    }

    /// [`of_kind`](Self::of_kind) for values of both axes, `[B, 2, D, S]`.
    fn of_kind_on_axes(&self, kind: usize, values: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, steps, count] = self.shape;
        let others = B::bool_reshape(self.others[kind].clone(), [batch, 1, steps, count].into());
        let others = B::bool_expand(others, [batch, 2, steps, count].into());
        B::float_mask_fill(values, others, 0.0.into())
    }

    /// What foreground pairs are off by, and background pairs, `[B, 2, D, S]`.
    fn excesses(&self) -> [FloatTensor<B>; 2] {
        let near = B::float_sub(self.moved.clone(), self.direction.clone());
        [near, self.moved.clone()]
    }
}

pub(crate) fn forward<B: Backend>(
    edge: FloatTensor<B>,
    displacement: FloatTensor<B>,
    labels: &PairLabels,
) -> FloatTensor<B> {
    let pairs = Pairs::<B>::new(edge, displacement, labels);
    let [near, apart] = pairs.near_and_apart().map(B::float_log);
    let logarithms = [
        (BACKGROUND, near.clone()),
        (FOREGROUND, near),
        (NEGATIVE, apart),
    ]
    .map(|(kind, log)| B::float_neg(B::float_sum(pairs.of_kind(kind, log))));
    let [near, still] = pairs.excesses().map(B::float_abs);
    let distances = [(FOREGROUND, near), (BACKGROUND, still)]
        .map(|(kind, off)| B::float_sum(pairs.of_kind_on_axes(kind, off)));
    B::float_cat(logarithms.into_iter().chain(distances).collect(), 0)
}

pub(crate) fn backward<B: Backend>(
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
    let weighed = |kind: usize| {
        let upstream = B::float_expand(upstream(kind, &[1, 1, 1]), pairs.shape.into());
        pairs.of_kind(kind, upstream)
    };
    let positive = B::float_add(weighed(BACKGROUND), weighed(FOREGROUND));
    let of_affinity = B::float_sub(
        B::float_div(weighed(NEGATIVE), apart),
        B::float_div(positive, near),
    );
    let edge = affinity::backward::<B>(edge, labels.paths(), of_affinity);
    let [near, still] = pairs.excesses().map(B::float_sign);
    let signs = [(FOREGROUND, near, 3), (BACKGROUND, still, 4)].map(|(kind, sign, sum)| {
        let sign = B::float_mul(sign, upstream(sum, &[1, 1, 1, 1]));
        pairs.of_kind_on_axes(kind, sign)
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
