//! Tensors of the CPU backend and their f32 values.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorData, TensorMetadata};

use crate::buffers;

/// The tensor with its values in one piece: itself where they are, a copy where not.
pub(crate) fn contiguous(tensor: &FloatTensor<Flex>) -> FloatTensor<Flex> {
    if tensor.as_slice::<f32>().is_some() {
        tensor.clone()
    } else {
        tensor.to_contiguous()
    }
}

/// The values of a [`contiguous`] f32 tensor.
pub(crate) fn values(tensor: &FloatTensor<Flex>) -> &[f32] {
    tensor
        .as_slice::<f32>()
        .expect("a contiguous f32 tensor, made so by the caller")
}

/// A tensor of these values, whose memory comes back to [`buffers`] after it.
pub(crate) fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
    let data = TensorData::from_bytes(buffers::lend(values), shape.to_vec(), DType::F32);
    FloatTensor::<Flex>::from_data(data)
}

/// Whether the elementwise kernels serve this call: f32 and no empty tensor.
pub(crate) fn elementwise_serves(tensors: &[&FloatTensor<Flex>]) -> bool {
    let serves = |t: &&FloatTensor<Flex>| t.dtype() == DType::F32 && t.shape().num_elements() > 0;
    tensors.iter().all(serves)
}

/// The values of a contiguous tensor to write over, if nobody else holds them.
pub(crate) fn own_values(tensor: &mut FloatTensor<Flex>) -> Option<&mut [f32]> {
    let whole = tensor.storage::<f32>().len() == tensor.shape().num_elements();
    let free = whole && tensor.is_contiguous();
    free.then(|| tensor.try_storage_mut::<f32>())?
}

/// The tensor with its values in one piece that nobody else holds: itself or a copy.
pub(crate) fn owned(tensor_of: FloatTensor<Flex>) -> FloatTensor<Flex> {
    let mut whole = contiguous(&tensor_of);
    drop(tensor_of);
    if own_values(&mut whole).is_none() {
        let mut copy = buffers::take(whole.shape().num_elements());
        copy.copy_from_slice(values(&whole));
        whole = tensor(copy, &whole.shape());
    }
    whole
}

/// Pixels of a plane of `[B, C, H, W]`.
pub(super) fn pixels(x: &FloatTensor<Flex>) -> usize {
    let [_, _, height, width] = x.shape().dims::<4>();
    height * width
}
