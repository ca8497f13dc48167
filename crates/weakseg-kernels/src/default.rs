//! Bodies made of a backend's own operations, right on every backend and for every float type.

use burn::backend::ops::{ConvOptions as BurnConvOptions, InterpolateMode, InterpolateOptions};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Slice, TensorMetadata, get_or_init_device_settings};

use crate::conv::ConvOptions;
use crate::norm::NormOptions;
use crate::ops::{Kernels, Resize};
use crate::pool::PoolOptions;

fn to_burn(options: ConvOptions) -> BurnConvOptions<2> {
    BurnConvOptions::new(
        options.stride,
        options.padding,
        options.dilation,
        options.groups,
    )
}

pub(crate) fn conv2d_forward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    options: ConvOptions,
) -> FloatTensor<B> {
    B::conv2d(x, weight, bias, to_burn(options))
}

pub(crate) fn conv2d_relu_forward<B: Kernels>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    options: ConvOptions,
) -> FloatTensor<B> {
    B::relu_forward(B::conv2d_forward(x, weight, Some(bias), options))
}

pub(crate) fn conv2d_affine_forward<B: Kernels>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    options: ConvOptions,
    relu: bool,
) -> FloatTensor<B> {
    let output = B::conv2d_forward(x, weight, None, options);
    B::channel_affine_forward(output, scale, shift, relu)
}

pub(crate) fn conv2d_affine_add_forward<B: Kernels>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    shortcut: FloatTensor<B>,
    options: ConvOptions,
) -> FloatTensor<B> {
    let output = B::conv2d_forward(x, weight, None, options);
    B::channel_affine_add_forward(output, scale, shift, shortcut)
}

pub(crate) fn conv2d_input_gradient<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    output_gradient: FloatTensor<B>,
    options: ConvOptions,
) -> FloatTensor<B> {
    B::conv2d_x_backward(x, weight, output_gradient, to_burn(options))
}

pub(crate) fn conv2d_weight_gradient<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    output_gradient: FloatTensor<B>,
    options: ConvOptions,
) -> FloatTensor<B> {
    B::conv2d_weight_backward(x, weight, output_gradient, to_burn(options))
}

pub(crate) fn conv2d_bias_gradient<B: Backend>(output_gradient: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, channels, height, width] = output_gradient.shape().dims();
    let planes = B::float_reshape(output_gradient, [batch, channels, height * width].into());
    let sums = B::float_sum_dim(B::float_sum_dim(planes, 2), 0);
    B::float_reshape(sums, [channels].into())
}

/// Pooling here has dilation 1.
const POOL_DILATION: [usize; 2] = [1, 1];

pub(crate) fn max_pool_forward<B: Backend>(
    x: FloatTensor<B>,
    options: PoolOptions,
) -> FloatTensor<B> {
    let PoolOptions {
        kernel,
        stride,
        padding,
        ceil,
    } = options;
    B::max_pool2d(x, kernel, stride, padding, POOL_DILATION, ceil)
}

pub(crate) fn max_pool_backward<B: Backend>(
    x: FloatTensor<B>,
    options: PoolOptions,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let PoolOptions {
        kernel,
        stride,
        padding,
        ceil,
    } = options;
    let int_type = get_or_init_device_settings::<B>(&x.device()).int_dtype;
    let pooled = B::max_pool2d_with_indices(
        x.clone(),
        kernel,
        stride,
        padding,
        POOL_DILATION,
        ceil,
        int_type,
    );
    B::max_pool2d_with_indices_backward(
        x,
        kernel,
        stride,
        padding,
        POOL_DILATION,
        ceil,
        output_gradient,
        pooled.indices,
    )
    .x_grad
}

fn bilinear(target: Resize) -> InterpolateOptions {
    InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(target.align_corners)
}

pub(crate) fn resize_forward<B: Backend>(x: FloatTensor<B>, target: Resize) -> FloatTensor<B> {
    B::interpolate(x, target.size, bilinear(target))
}

pub(crate) fn resize_backward<B: Backend>(
    x: FloatTensor<B>,
    target: Resize,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    B::interpolate_backward(x, output_gradient, target.size, bilinear(target))
}

fn relu_if<B: Backend>(relu: bool, x: FloatTensor<B>) -> FloatTensor<B> {
    if relu { B::relu(x) } else { x }
}

pub(crate) fn batch_norm_forward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    options: NormOptions,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let normal = B::batch_norm_train(x, gamma, beta, options.epsilon);
    let output = relu_if::<B>(options.relu, normal.output);
    (output, normal.mean, normal.variance)
}

pub(crate) fn batch_norm_backward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    options: NormOptions,
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let NormOptions { epsilon, relu } = options;
    let upstream = if relu {
        let (x, gamma, mean, variance) = (x.clone(), gamma.clone(), mean.clone(), variance.clone());
        let output = B::batch_norm(x, gamma, beta, mean, variance, epsilon);
        B::relu_backward(B::relu(output), output_gradient)
    } else {
        output_gradient
    };
    let gradients = B::batch_norm_train_backward(x, gamma, mean, variance, epsilon, upstream);
    [gradients.x_grad, gradients.gamma_grad, gradients.beta_grad]
}

/// Batch norm before a shortcut is added: ReLU comes behind the sum.
fn without_relu(epsilon: f64) -> NormOptions {
    NormOptions {
        epsilon,
        relu: false,
    }
}

pub(crate) fn batch_norm_add_forward<B: Kernels>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    shortcut: FloatTensor<B>,
    epsilon: f64,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let (normal, mean, variance) = B::batch_norm_forward(x, gamma, beta, without_relu(epsilon));
    (add_relu::<B>(normal, shortcut), mean, variance)
}

pub(crate) fn batch_norm_add_backward<B: Kernels>(
    x: FloatTensor<B>,
    [gamma, beta, mean, variance]: [FloatTensor<B>; 4],
    epsilon: f64,
    output: FloatTensor<B>,
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 4] {
    let shortcut = relu_gradient::<B>(output, output_gradient);
    let options = without_relu(epsilon);
    let [x, gamma, beta] =
        B::batch_norm_backward(x, gamma, beta, mean, variance, options, shortcut.clone());
    [x, gamma, beta, shortcut]
}

/// A `[C]` vector as `[1, C, 1, 1]`.
fn per_channel<B: Backend>(vector: FloatTensor<B>) -> FloatTensor<B> {
    let [channels] = vector.shape().dims();
    B::float_reshape(vector, [1, channels, 1, 1].into())
}

pub(crate) fn channel_affine_forward<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    relu: bool,
) -> FloatTensor<B> {
    let scaled = B::float_mul(x, per_channel::<B>(scale));
    relu_if::<B>(relu, B::float_add(scaled, per_channel::<B>(shift)))
}

pub(crate) fn channel_affine_add_forward<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    shortcut: FloatTensor<B>,
) -> FloatTensor<B> {
    let affine = channel_affine_forward::<B>(x, scale, shift, false);
    add_relu::<B>(affine, shortcut)
}

/// The gradient of x·scale + shift: what ReLU, if any, lets through.
fn channel_affine_upstream<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    relu: bool,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    if relu {
        let output = channel_affine_forward::<B>(x, scale, shift, relu);
        B::relu_backward(output, output_gradient)
    } else {
        output_gradient
    }
}

pub(crate) fn channel_affine_input_gradient<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    relu: bool,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let upstream = channel_affine_upstream::<B>(x, scale.clone(), shift, relu, output_gradient);
    B::float_mul(upstream, per_channel::<B>(scale))
}

pub(crate) fn channel_affine_parameter_gradients<B: Kernels>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    relu: bool,
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let upstream = channel_affine_upstream::<B>(x.clone(), scale, shift, relu, output_gradient);
    // The sums over images and pixels of a convolution's bias.
    [
        B::conv2d_bias_gradient(B::float_mul(upstream.clone(), x)),
        B::conv2d_bias_gradient(upstream),
    ]
}

pub(crate) fn gate_forward<B: Backend>(x: FloatTensor<B>, gate: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x, gate)
}

pub(crate) fn gate_add_forward<B: Backend>(
    x: FloatTensor<B>,
    gate: FloatTensor<B>,
    shortcut: FloatTensor<B>,
) -> FloatTensor<B> {
    add_relu::<B>(B::float_mul(x, gate), shortcut)
}

pub(crate) fn gate_backward<B: Backend>(
    x: FloatTensor<B>,
    gate: FloatTensor<B>,
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let products = B::float_mul(output_gradient.clone(), x);
    let gate_gradient = B::float_sum_dim(B::float_sum_dim(products, 3), 2);
    [B::float_mul(output_gradient, gate), gate_gradient]
}

pub(crate) fn global_mean_forward<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mean_dim(B::float_mean_dim(x, 2), 3)
}

pub(crate) fn global_mean_backward<B: Backend>(
    [height, width]: [usize; 2],
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let [batch, channels, _, _] = output_gradient.shape().dims();
    let pixels = (height * width) as f64;
    let share = B::float_div_scalar(output_gradient, pixels.into());
    // Not written out: whoever adds or multiplies reads each value as often as it counts.
    B::float_expand(share, [batch, channels, height, width].into())
}

fn nearest() -> InterpolateOptions {
    InterpolateOptions::new(InterpolateMode::Nearest).with_align_corners(false)
}

pub(crate) fn nearest_forward<B: Backend>(x: FloatTensor<B>, size: [usize; 2]) -> FloatTensor<B> {
    B::interpolate(x, size, nearest())
}

pub(crate) fn nearest_backward<B: Backend>(
    shape: [usize; 4],
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let [_, _, height, width] = output_gradient.shape().dims();
    let (device, dtype) = (output_gradient.device(), output_gradient.dtype());
    // Only its shape is read.
    let x = B::float_zeros(shape.into(), &device, dtype.into());
    B::interpolate_backward(x, output_gradient, [height, width], nearest())
}

pub(crate) fn nearest_join_forward<B: Backend>(
    x: FloatTensor<B>,
    skip: FloatTensor<B>,
) -> FloatTensor<B> {
    let [_, _, height, width] = skip.shape().dims();
    B::float_cat(vec![nearest_forward::<B>(x, [height, width]), skip], 1)
}

pub(crate) fn nearest_join_backward<B: Backend>(
    shape: [usize; 4],
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let [batch, all, height, width] = output_gradient.shape().dims();
    let part = |channels| {
        let whole = [batch, height, width].map(|length| Slice::from(0..length));
        let slices = [whole[0], channels, whole[1], whole[2]];
        B::float_slice(output_gradient.clone(), &slices)
    };
    let own = part(Slice::from(0..shape[1]));
    [
        nearest_backward::<B>(shape, own),
        part(Slice::from(shape[1]..all)),
    ]
}

pub(crate) fn relu_forward<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::relu(x)
}

fn add_relu<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    B::relu(B::float_add(a, b))
}

pub(crate) fn relu_gradient<B: Backend>(
    output: FloatTensor<B>,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    B::relu_backward(output, output_gradient)
}
