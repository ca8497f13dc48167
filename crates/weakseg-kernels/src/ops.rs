//! What a backend must offer: the kernels of the networks and their gradients.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use crate::conv::ConvOptions;
use crate::default;
use crate::norm::NormOptions;
use crate::path::PathIndex;
use crate::pool::PoolOptions;

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

    /// See [`crate::path_affinity`].
    fn pair_affinity(edge: FloatTensor<Self>, paths: PathIndex) -> FloatTensor<Self>;

    /// See [`crate::max_pool2d`].
    fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self>;

    /// See [`crate::resize_bilinear`].
    fn resize(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self>;

    /// See [`crate::batch_norm`].
    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::channel_affine`].
    fn affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// See [`crate::relu()`].
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::add_relu`].
    fn add_rectify(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
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
        default::conv2d_forward::<Self>(x, weight, bias, options)
    }

    /// Gradient with respect to `x`, of which only the shape is read.
    fn conv2d_input_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        default::conv2d_input_gradient::<Self>(x, weight, output_gradient, options)
    }

    /// Gradient with respect to `weight`, of which only the shape is read.
    fn conv2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        default::conv2d_weight_gradient::<Self>(x, weight, output_gradient, options)
    }

    /// Gradient with respect to the bias: the sum of `output_gradient` over images and pixels.
    fn conv2d_bias_gradient(output_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        default::conv2d_bias_gradient::<Self>(output_gradient)
    }

    /// Affinities `[B, D, S]` of edges `[B, H, W]`: 1 - the largest edge on each pair's path.
    fn path_affinity_forward(edge: FloatTensor<Self>, paths: &PathIndex) -> FloatTensor<Self> {
        default::path_affinity_forward::<Self>(edge, paths)
    }

    /// Gradient with respect to the edges. Each pair's goes to the first cell of its path that
    /// holds the largest edge.
    fn path_affinity_backward(
        edge: FloatTensor<Self>,
        paths: &PathIndex,
        affinity_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::path_affinity_backward::<Self>(edge, paths, affinity_gradient)
    }

    /// Largest values of the windows of x `[B, C, H, W]`.
    fn max_pool_forward(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        default::max_pool_forward::<Self>(x, options)
    }

    /// Gradient with respect to x. Each window's goes to its first largest value.
    fn max_pool_backward(
        x: FloatTensor<Self>,
        options: PoolOptions,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::max_pool_backward::<Self>(x, options, output_gradient)
    }

    /// x `[B, C, H, W]` resized.
    fn resize_forward(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        default::resize_forward::<Self>(x, target)
    }

    /// Gradient with respect to x, of which only the shape is read.
    fn resize_backward(
        x: FloatTensor<Self>,
        target: Resize,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::resize_backward::<Self>(x, target, output_gradient)
    }

    /// x `[B, C, H, W]` normalised with its own statistics; with it mean and biased variance, both
    /// `[C]`.
    fn batch_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        default::batch_norm_forward::<Self>(x, gamma, beta, options)
    }

    /// Gradients with respect to x, gamma and beta; mean and variance are the forward's.
    fn batch_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: NormOptions,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        default::batch_norm_backward::<Self>(
            x,
            gamma,
            beta,
            mean,
            variance,
            options,
            output_gradient,
        )
    }

    /// x·scale + shift of x `[B, C, H, W]`, scale and shift `[C]`, then ReLU if asked for.
    fn channel_affine_forward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        default::channel_affine_forward::<Self>(x, scale, shift, relu)
    }

    /// Gradient with respect to x.
    fn channel_affine_input_gradient(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::channel_affine_input_gradient::<Self>(x, scale, shift, relu, output_gradient)
    }

    /// Gradients with respect to scale and shift.
    fn channel_affine_parameter_gradients(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        default::channel_affine_parameter_gradients::<Self>(x, scale, shift, relu, output_gradient)
    }

    /// max(x, 0); a NaN stays one.
    fn relu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        default::relu_forward::<Self>(x)
    }

    /// max(a + b, 0) of equal shapes.
    fn add_relu_forward(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        default::add_relu_forward::<Self>(a, b)
    }

    /// Gradient with respect to what ReLU turned into `output`.
    fn relu_gradient(
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::relu_gradient::<Self>(output, output_gradient)
    }
}

/// What a bilinear resizing aims at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resize {
    /// Height and width of the result.
    pub size: [usize; 2],
    /// Whether the outer pixels' centres coincide (else the outer edges do).
    pub align_corners: bool,
}
