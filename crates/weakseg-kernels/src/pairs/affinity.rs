//! Affinities of pixel pairs as a backend's own operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, BoolDType, Slice, TensorMetadata, get_or_init_device_settings};

use crate::path::{PathIndex, Sources};

/// Affinities `[B, D, S]` of edges `[B, H, W]`: 1 - the largest edge on each pair's path, NaN where one of them is.
pub(super) fn forward<B: Backend>(edge: FloatTensor<B>, paths: &PathIndex) -> FloatTensor<B> {
    let [batch, height, width] = edge.shape().dims();
    let sources = paths.sources(height, width);
    let edge = marked::<B>(edge);
    let rows = paths.paths().iter().map(|path| {
        let view = |cell| B::float_slice(edge.clone(), &cell_slices(&sources, batch, cell));
        let mut worst = view(path[0]);
        for &cell in &path[1..] {
            let value = view(cell);
            let larger = B::float_greater(value.clone(), worst.clone(), bool_type::<B>(&edge));
            worst = B::float_mask_where(worst, larger, value);
        }
        B::float_reshape(worst, [batch, 1, sources.len()].into())
    });
    let worst = B::float_cat(rows.collect(), 1);
    let none = B::float_is_inf(worst.clone(), bool_type::<B>(&edge));
    let affinity = B::float_add_scalar(B::float_neg(worst), 1.0.into());
    B::float_mask_fill(affinity, none, f64::NAN.into())
}

/// Gradient with respect to the edges. Each pair's goes to the first cell of its path, from the destination on, that
/// holds the largest edge.
pub(super) fn backward<B: Backend>(
    edge: FloatTensor<B>,
    paths: &PathIndex,
    affinity_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let edge = marked::<B>(edge);
    let shape: [usize; 3] = edge.shape().dims();
    let [batch, height, width] = shape;
    let sources = paths.sources(height, width);
    let (rows, columns) = (sources.rows().len(), sources.columns().len());
    let zeros =
        |shape: [usize; 3]| B::float_zeros(shape.into(), &edge.device(), edge.dtype().into());
    let (mut gradient, nothing) = (zeros(shape), zeros([batch, rows, columns]));
    for (direction, path) in paths.paths().iter().enumerate() {
        let view = |cell| B::float_slice(edge.clone(), &cell_slices(&sources, batch, cell));
        let upstream = B::float_slice(
            affinity_gradient.clone(),
            &[
                Slice::from(0..batch),
                Slice::from(direction..direction + 1),
                Slice::from(0..sources.len()),
            ],
        );
        let upstream = B::float_neg(B::float_reshape(upstream, [batch, rows, columns].into()));
        // For each cell but the last: whether its edge is at least that of all cells behind it.
        let mut behind = view(path[path.len() - 1]);
        let mut takes = Vec::with_capacity(path.len());
        for &cell in path[..path.len() - 1].iter().rev() {
            let value = view(cell);
            let take = B::float_greater_equal(value.clone(), behind.clone(), bool_type::<B>(&edge));
            behind = B::float_mask_where(behind, take.clone(), value);
            takes.push(take);
        }
        // The first such cell takes the pair's gradient, the last cell what none took.
        let mut left = upstream;
        for &cell in path {
            let (own, rest) = match takes.pop() {
                Some(take) => (
                    B::float_mask_where(nothing.clone(), take.clone(), left.clone()),
                    B::float_mask_where(left, take, nothing.clone()),
                ),
                None => (left, nothing.clone()),
            };
            let slices = cell_slices(&sources, batch, cell);
            let sum = B::float_add(B::float_slice(gradient.clone(), &slices), own);
            gradient = B::float_slice_assign(gradient, &slices, sum);
            left = rest;
        }
    }
    gradient
}

/// Edges with an infinite one for each NaN, see [`super::line::marked`].
fn marked<B: Backend>(edge: FloatTensor<B>) -> FloatTensor<B> {
    let none = B::float_is_nan(edge.clone(), bool_type::<B>(&edge));
    B::float_mask_fill(edge, none, f64::INFINITY.into())
}

/// The sources' view of one cell of a path: `[B, rows, columns]`.
fn cell_slices(sources: &Sources, batch: usize, cell: [isize; 2]) -> [Slice; 3] {
    let [rows, columns] = sources.shifted(cell);
    [
        Slice::from(0..batch),
        Slice::from(rows),
        Slice::from(columns),
    ]
}

/// The boolean type of a tensor's device.
fn bool_type<B: Backend>(tensor: &FloatTensor<B>) -> BoolDType {
    get_or_init_device_settings::<B>(&tensor.device()).bool_dtype
}
