//! What a backend must offer: the kernels of the networks and their gradients.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use crate::conv::ConvOptions;
use crate::default;
use crate::norm::NormOptions;
use crate::pairs::{self, PairLabels};
use crate::pool::PoolOptions;

/// The operations the networks call, routed at run time to the device of their inputs.
///
/// `Flex` (CPU) and CubeCL devices have kernels of their own where these pay, else the default bodies of [`Kernels`];
/// `Autodiff` has a handwritten backward made of them.
///
/// Named as this crate's functions, but where Burn's backends have such a method themselves: `convolve` (conv2d),
/// `pool_max`, `normalize` (batch norm), `rectify` (ReLU).
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
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

    /// See [`crate::conv2d_relu`].
    fn convolve_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self>;

    /// See [`crate::conv2d_affine`].
    fn convolve_affine(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        options: ConvOptions,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// See [`crate::conv2d_affine_add_relu`].
    fn convolve_affine_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self>;

    /// See [`crate::pair_sums`].
    fn pair_sums(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: PairLabels,
    ) -> FloatTensor<Self>;

    /// See [`crate::max_pool2d`].
    fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self>;

    /// See [`crate::resize_bilinear`].
    fn resize_bilinear(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self>;

    /// See [`crate::batch_norm`].
    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::channel_affine`].
    fn channel_affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// See [`crate::batch_norm_add_relu`].
    fn batch_norm_add_relu(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::channel_affine_add_relu`].
    fn channel_affine_add_relu(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`crate::gate`].
    fn gate(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::gate_add_relu`].
    fn gate_add_relu(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`crate::global_mean`].
    fn global_mean(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::resize_nearest`].
    fn resize_nearest(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self>;

    /// See [`crate::resize_nearest_join`].
    fn resize_nearest_join(x: FloatTensor<Self>, skip: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::relu()`].
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Forward and gradient kernels of one backend, without a graph. The default bodies are made of
/// the backend's own operations and are right on every backend.
pub trait Kernels: Backend {
    /// Says that a convolution with so many groups is about to read a weight which no graph will change: it will most
    /// likely be read again, and what a backend makes of it may be kept.
    fn keep_weight(_weight: &FloatTensor<Self>, _groups: usize) {}

    /// Says that a graph reads a weight: it will most likely change before it is read again.
    fn forget_weight(_weight: &FloatTensor<Self>) {}

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

    /// [`relu_forward`](Self::relu_forward) of a convolution with bias.
    fn conv2d_relu_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        default::conv2d_relu_forward::<Self>(x, weight, bias, options)
    }

    /// [`channel_affine_forward`](Self::channel_affine_forward) of a convolution without bias.
    fn conv2d_affine_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        options: ConvOptions,
        relu: bool,
    ) -> FloatTensor<Self> {
        default::conv2d_affine_forward::<Self>(x, weight, scale, shift, options, relu)
    }

    /// [`channel_affine_add_forward`](Self::channel_affine_add_forward) of a convolution without bias.
    fn conv2d_affine_add_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        default::conv2d_affine_add_forward::<Self>(x, weight, scale, shift, shortcut, options)
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

    /// Sums over pairs, `[5]`, of edges `[B, H, W]` and displacements `[B, 2, H, W]`: see [`crate::pair_sums`].
    fn pair_sums_forward(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: &PairLabels,
    ) -> FloatTensor<Self> {
        pairs::default::forward::<Self>(edge, displacement, labels)
    }

    /// Gradients with respect to the edges and the displacements, from those of the sums, `[5]`.
    fn pair_sums_backward(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: &PairLabels,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        pairs::default::backward::<Self>(edge, displacement, labels, output_gradient)
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

    /// max(y + shortcut, 0) for y of [`batch_norm_forward`](Self::batch_norm_forward) without ReLU;
    /// with it mean and biased variance.
    fn batch_norm_add_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        default::batch_norm_add_forward::<Self>(x, gamma, beta, shortcut, epsilon)
    }

    /// Gradients with respect to x, gamma, beta and the shortcut; `channels` are gamma, beta and the
    /// forward's mean and variance, `output` is the forward's.
    fn batch_norm_add_backward(
        x: FloatTensor<Self>,
        channels: [FloatTensor<Self>; 4],
        epsilon: f64,
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 4] {
        default::batch_norm_add_backward::<Self>(x, channels, epsilon, output, output_gradient)
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

    /// max(x·scale + shift + shortcut, 0).
    fn channel_affine_add_forward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::channel_affine_add_forward::<Self>(x, scale, shift, shortcut)
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

    /// x `[B, C, H, W]` times `gate` `[B, C, 1, 1]`.
    fn gate_forward(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self> {
        default::gate_forward::<Self>(x, gate)
    }

    /// max(x·gate + shortcut, 0).
    fn gate_add_forward(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::gate_add_forward::<Self>(x, gate, shortcut)
    }

    /// Gradients with respect to x and the gate.
    fn gate_backward(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        default::gate_backward::<Self>(x, gate, output_gradient)
    }

    /// The mean of each plane of x `[B, C, H, W]`: `[B, C, 1, 1]`.
    fn global_mean_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        default::global_mean_forward::<Self>(x)
    }

    /// Gradient with respect to x `[B, C, height, width]`.
    fn global_mean_backward(
        size: [usize; 2],
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::global_mean_backward::<Self>(size, output_gradient)
    }

    /// x `[B, C, H, W]` resized by repeating pixels.
    fn nearest_forward(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        default::nearest_forward::<Self>(x, size)
    }

    /// Gradient with respect to x of this shape.
    fn nearest_backward(
        shape: [usize; 4],
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        default::nearest_backward::<Self>(shape, output_gradient)
    }

    /// x resized to the size of `skip`, whose channels follow.
    fn nearest_join_forward(x: FloatTensor<Self>, skip: FloatTensor<Self>) -> FloatTensor<Self> {
        default::nearest_join_forward::<Self>(x, skip)
    }

    /// Gradients with respect to x of this shape, and `skip`.
    fn nearest_join_backward(
        shape: [usize; 4],
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        default::nearest_join_backward::<Self>(shape, output_gradient)
    }

    /// max(x, 0); a NaN stays one.
    fn relu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        default::relu_forward::<Self>(x)
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
