//! Convolutions of tensors.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorMetadata};

use super::kept;
use super::tensors::{contiguous, tensor, values};
use crate::conv::{self, ConvOptions, ConvShape, Ending, Weight};
use crate::tile::Tiles;

/// The sizes, if the kernels here serve this call: f32 and no empty tensor.
pub(super) fn conv_shape(
    x: &FloatTensor<Flex>,
    weight: &FloatTensor<Flex>,
    options: ConvOptions,
) -> Option<ConvShape> {
    let f32s = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    f32s.then(|| ConvShape::new(x.shape().dims(), weight.shape().dims(), options))?
}

/// The convolution of f32 tensors, and what follows.
pub(super) fn convolved(
    shape: &ConvShape,
    x: &FloatTensor<Flex>,
    weight: &FloatTensor<Flex>,
    ending: &Ending<'_>,
) -> FloatTensor<Flex> {
    let (x, weight) = (contiguous(x), contiguous(weight));
    let kept = kept::weights().find(&weight, shape.options.groups);
    let weight = Weight {
        values: values(&weight),
        layouts: kept.as_ref().map(|kept| &kept.layouts),
    };
    let output = conv::forward(&Tiles::chosen(), shape, values(&x), weight, ending);
    let [height, width] = shape.output_size;
    tensor(output, &[shape.batch, shape.outputs, height, width])
}
