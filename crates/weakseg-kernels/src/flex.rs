//! The CPU backend: f32 runs the kernels of this crate, other float types the default bodies.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorData, TensorMetadata};

use crate::affinity;
use crate::conv::{self, ConvOptions, ConvShape};
use crate::default;
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::path::PathIndex;
use crate::pool::{self, PoolOptions};
use crate::resize;
use crate::tile::Tiles;

/// The tensor with its values in one piece: itself where they are, a copy where not.
fn contiguous(tensor: &FloatTensor<Flex>) -> FloatTensor<Flex> {
    if tensor.as_slice::<f32>().is_some() {
        tensor.clone()
    } else {
        tensor.to_contiguous()
    }
}

/// The values of a [`contiguous`] f32 tensor.
fn values(tensor: &FloatTensor<Flex>) -> &[f32] {
    tensor
        .as_slice::<f32>()
        .expect("a contiguous f32 tensor, made so by the caller")
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape.to_vec()))
}

/// The sizes, if the kernels here serve this call: f32 and no empty tensor.
fn conv_shape(
    x: &FloatTensor<Flex>,
    weight: &FloatTensor<Flex>,
    options: ConvOptions,
) -> Option<ConvShape> {
    let f32s = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    f32s.then(|| ConvShape::new(x.shape().dims(), weight.shape().dims(), options))?
}

impl Kernels for Flex {
    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let Some(shape) = conv_shape(&x, &weight, options) else {
            return default::conv2d_forward::<Self>(x, weight, bias, options);
        };
        let (x, weight) = (contiguous(&x), contiguous(&weight));
        let bias = bias.as_ref().map(contiguous);
        let bias = bias.as_ref().map(values);
        let output = conv::forward(Tiles::detect(), &shape, values(&x), values(&weight), bias);
        let [height, width] = shape.output_size;
        tensor(output, &[shape.batch, shape.outputs, height, width])
    }

    fn conv2d_input_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let Some(shape) = conv_shape(&x, &weight, options) else {
            return default::conv2d_input_gradient::<Self>(x, weight, output_gradient, options);
        };
        let (weight, output_gradient) = (contiguous(&weight), contiguous(&output_gradient));
        let gradient = conv::input_gradient(
            Tiles::detect(),
            &shape,
            values(&weight),
            values(&output_gradient),
        );
        tensor(gradient, &x.shape().dims::<4>())
    }

    fn conv2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let Some(shape) = conv_shape(&x, &weight, options) else {
            return default::conv2d_weight_gradient::<Self>(x, weight, output_gradient, options);
        };
        let (x, output_gradient) = (contiguous(&x), contiguous(&output_gradient));
        let gradient = conv::weight_gradient(
            Tiles::detect(),
            &shape,
            values(&x),
            values(&output_gradient),
        );
        tensor(gradient, &weight.shape().dims::<4>())
    }

    fn conv2d_bias_gradient(output_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        if output_gradient.dtype() != DType::F32 {
            return default::conv2d_bias_gradient::<Self>(output_gradient);
        }
        let output_gradient = contiguous(&output_gradient);
        let [_, channels, height, width] = output_gradient.shape().dims();
        let gradient = conv::bias_gradient(values(&output_gradient), channels, height * width);
        tensor(gradient, &[channels])
    }

    fn path_affinity_forward(edge: FloatTensor<Self>, paths: &PathIndex) -> FloatTensor<Self> {
        if edge.dtype() != DType::F32 {
            return default::path_affinity_forward::<Self>(edge, paths);
        }
        let edge = contiguous(&edge);
        let dims: [usize; 3] = edge.shape().dims();
        let count = paths.sources(dims[1], dims[2]).len();
        let output = affinity::forward(values(&edge), dims, paths);
        tensor(output, &[dims[0], paths.directions().len(), count])
    }

    fn path_affinity_backward(
        edge: FloatTensor<Self>,
        paths: &PathIndex,
        affinity_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if edge.dtype() != DType::F32 {
            return default::path_affinity_backward::<Self>(edge, paths, affinity_gradient);
        }
        let (edge, upstream) = (contiguous(&edge), contiguous(&affinity_gradient));
        let dims: [usize; 3] = edge.shape().dims();
        let gradient = affinity::backward(values(&edge), dims, paths, values(&upstream));
        tensor(gradient, &dims)
    }

    fn max_pool_forward(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return default::max_pool_forward::<Self>(x, options);
        }
        let x = contiguous(&x);
        let [batch, channels, height, width] = x.shape().dims();
        let size = [height, width];
        let output = pool::forward(values(&x), batch * channels, size, &options);
        let [height, width] = options.output_size(size);
        tensor(output, &[batch, channels, height, width])
    }

    fn max_pool_backward(
        x: FloatTensor<Self>,
        options: PoolOptions,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return default::max_pool_backward::<Self>(x, options, output_gradient);
        }
        let (x, upstream) = (contiguous(&x), contiguous(&output_gradient));
        let dims: [usize; 4] = x.shape().dims();
        let [batch, channels, height, width] = dims;
        let size = [height, width];
        let upstream = values(&upstream);
        let gradient = pool::backward(values(&x), batch * channels, size, &options, upstream);
        tensor(gradient, &dims)
    }

    fn resize_forward(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return default::resize_forward::<Self>(x, target);
        }
        let x = contiguous(&x);
        let [batch, channels, height, width] = x.shape().dims();
        let (planes, size) = (batch * channels, [height, width]);
        let output = resize::forward(values(&x), planes, size, target.size, target.align_corners);
        tensor(output, &[batch, channels, target.size[0], target.size[1]])
    }

    fn resize_backward(
        x: FloatTensor<Self>,
        target: Resize,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return default::resize_backward::<Self>(x, target, output_gradient);
        }
        let upstream = contiguous(&output_gradient);
        let dims: [usize; 4] = x.shape().dims();
        let [batch, channels, height, width] = dims;
        let (planes, size) = (batch * channels, [height, width]);
        let upstream = values(&upstream);
        let gradient = resize::backward(upstream, planes, size, target.size, target.align_corners);
        tensor(gradient, &dims)
    }
}

impl NetworkOps for Flex {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d_forward(x, weight, None, options)
    }

    fn convolve_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d_forward(x, weight, Some(bias), options)
    }

    fn pair_affinity(edge: FloatTensor<Self>, paths: PathIndex) -> FloatTensor<Self> {
        Self::path_affinity_forward(edge, &paths)
    }

    fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        Self::max_pool_forward(x, options)
    }

    fn resize(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        Self::resize_forward(x, target)
    }
}
