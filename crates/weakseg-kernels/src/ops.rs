//! What a backend must offer: the kernels of the networks and their gradients.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use crate::conv::ConvOptions;

/// The operations the networks call, routed at run time to the device of their inputs.
///
/// `Flex` (CPU) has its own fast bodies, CubeCL devices the backend's operations, and `Autodiff`
/// a handwritten backward made of [`Kernels`].
#[backend_extension(Flex, Cube: cfg(any(feature = "vulkan", feature = "cuda")), Autodiff)]
pub trait NetworkOps: Backend {
    /// See [`crate::conv2d`], without bias.
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self>;

    /// See [`crate::conv2d`], with bias. (Two methods because the routing takes no optional
    /// tensors.)
    fn convolve_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self>;
}

/// Forward and gradient kernels of one backend, without a graph. The default bodies are made of
/// the backend's own operations and are right on every backend.
pub trait Kernels: Backend {
    /// Cross-correlation of `x` `[B, I, H, W]` with `weight` `[O, I / groups, KH, KW]` plus
    /// `bias` `[O]`: `[B, O, OH, OW]`.
    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, bias, options.to_burn())
    }

    /// Gradient with respect to `x`, of which only the shape is read.
    fn conv2d_input_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(x, weight, output_gradient, options.to_burn())
    }

    /// Gradient with respect to `weight`, of which only the shape is read.
    fn conv2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(x, weight, output_gradient, options.to_burn())
    }

    /// Gradient with respect to the bias: the sum of `output_gradient` over images and pixels.
    fn conv2d_bias_gradient(output_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let [batch, channels, height, width] = output_gradient_shape::<Self>(&output_gradient);
        let planes = Self::float_reshape(output_gradient, [batch, channels, height * width].into());
        let rows = Self::float_sum_dim(planes, 2);
        let sum = Self::float_sum_dim(rows, 0);
        Self::float_reshape(sum, [channels].into())
    }
}

fn output_gradient_shape<B: Backend>(tensor: &FloatTensor<B>) -> [usize; 4] {
    use burn::backend::TensorMetadata;
    tensor.shape().dims()
}
