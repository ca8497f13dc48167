//! `[B, C, H, W]` tensors that lie in memory as `[B, H, W, C]`, as convolutions on these devices leave them.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorMetadata};

/// `[B, H, W, C]` → `[B, C, H, W]`, as it lies.
///
/// One channel lies alike in both orders, and gets the strides of the second: with those of the first, Burn 0.22.1
/// keeps what it computes of the tensor by strides that say two orders, and reads it back by the wrong one
/// (`gradients_of_one_channel` among the tests of `weakseg-models` shows it).
pub fn planes<B: Backend>(rows: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, height, width, channels] = rows.shape().dims();
    match channels {
        1 => B::float_reshape(rows, Shape::new([batch, 1, height, width])),
        _ => B::float_permute(rows, &[0, 3, 1, 2]),
    }
}

/// What an operation of Burn's gave, one channel of it as [`planes`] has it.
#[cfg(feature = "cube")]
pub fn settled<B: Backend>(given: FloatTensor<B>) -> FloatTensor<B> {
    match given.shape()[1] {
        1 => planes::<B>(B::float_permute(given, &[0, 2, 3, 1])),
        _ => given,
    }
}
