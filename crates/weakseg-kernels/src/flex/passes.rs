//! Passes over tensors that write in place what nobody else holds.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};

use super::tensors::{contiguous, own_values, tensor, values};
use crate::buffers;
use crate::elementwise;
use crate::instructions::Instructions;
use crate::norm::Upstream;

/// A function of each value of an f32 tensor, written over it where nobody else holds it.
pub(super) fn mapped<F: Fn(f32) -> f32>(
    x: FloatTensor<Flex>,
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) -> FloatTensor<Flex> {
    let mut values_of = contiguous(&x);
    drop(x);
    if let Some(x) = own_values(&mut values_of) {
        elementwise::update(Instructions::detect(), x, plane, of_plane);
        return values_of;
    }
    let output = elementwise::map(Instructions::detect(), values(&values_of), plane, of_plane);
    tensor(output, &values_of.shape())
}

/// A function of each pair of values of two f32 tensors, written over the first where nobody else
/// holds it.
pub(super) fn zip_mapped<F: Fn(f32, f32) -> f32>(
    a: FloatTensor<Flex>,
    b: &FloatTensor<Flex>,
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) -> FloatTensor<Flex> {
    let mut values_of = contiguous(&a);
    drop(a);
    let b = contiguous(b);
    if let Some(a) = own_values(&mut values_of) {
        elementwise::zip_update(Instructions::detect(), a, values(&b), plane, of_plane);
        return values_of;
    }
    let output = elementwise::zip_map(
        Instructions::detect(),
        values(&values_of),
        values(&b),
        plane,
        of_plane,
    );
    tensor(output, &values_of.shape())
}

/// What `body` makes of a gradient, in its own memory if nobody else holds it, and what it gives.
pub(super) fn replaced<R>(
    upstream: FloatTensor<Flex>,
    body: impl FnOnce(Upstream<'_>) -> R,
) -> (FloatTensor<Flex>, R) {
    let mut replaced = contiguous(&upstream);
    drop(upstream);
    if let Some(upstream) = own_values(&mut replaced) {
        let found = body(Upstream::Own(upstream));
        return (replaced, found);
    }
    let mut output = buffers::take(replaced.shape().num_elements());
    let found = body(Upstream::Other(values(&replaced), &mut output));
    (tensor(output, &replaced.shape()), found)
}
