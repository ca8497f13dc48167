//! The operations as functions of [`Tensor`], on whatever device the tensors live.

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor};

use crate::conv::ConvOptions;
use crate::norm::NormOptions;
use crate::ops::{NetworkOps, Resize};
use crate::pairs::{PairLabels, SUMS};
use crate::pool::PoolOptions;

/// Two-dimensional convolution (cross-correlation, as networks use the word).
///
/// `x` is `[B, I, H, W]`, `weight` `[O, I / groups, KH, KW]`, `bias` `[O]`; the result is
/// `[B, O, OH, OW]` with the size of [`ConvOptions::output_size`]. Differentiable in all three:
/// a gradient nobody asked for (frozen weights, the image itself) is not computed.
///
/// On the CPU the result does not depend on the number of threads. There a weight outside of any graph is kept with the
/// layouts that were made of it, for the next call; once nobody else holds it, a call with a new weight lets go of it.
///
/// # Panics
///
/// If shapes or element types do not fit each other, or the padded input is smaller than the kernel.
#[must_use]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions,
) -> Tensor<4> {
    check_conv2d(&x, &weight, bias.as_ref(), options);
    let x = x.into_dispatch();
    let weight = weight.into_dispatch();
    Tensor::from_dispatch(match bias {
        Some(bias) => {
            <Dispatch as NetworkOps>::convolve_biased(x, weight, bias.into_dispatch(), *options)
        }
        None => <Dispatch as NetworkOps>::convolve(x, weight, *options),
    })
}

/// [`relu()`] of a [`conv2d`] with bias, see [`conv2d_affine`].
///
/// # Panics
///
/// As [`conv2d`].
#[must_use]
pub fn conv2d_relu(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    options: &ConvOptions,
) -> Tensor<4> {
    check_conv2d(&x, &weight, Some(&bias), options);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::convolve_relu(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        *options,
    ))
}

/// [`channel_affine`] of a [`conv2d`] without bias: what a convolution and a batch norm with given statistics are.
///
/// On the CPU the output's values are mapped as they are written, with the bytes of the two operations; elsewhere
/// (GPUs, autodiff devices, other float types than f32) it is these two.
///
/// # Panics
///
/// As [`conv2d`], or if scale or shift has not one value for each output channel.
#[must_use]
pub fn conv2d_affine(
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    options: &ConvOptions,
    relu: bool,
) -> Tensor<4> {
    check_conv2d(&x, &weight, None, options);
    check_outputs("conv2d_affine", &weight, [&scale, &shift]);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::convolve_affine(
        x.into_dispatch(),
        weight.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        *options,
        relu,
    ))
}

/// [`channel_affine_add_relu`] of a [`conv2d`] without bias, see [`conv2d_affine`]: the end of a residual block. Behind
/// sums by Winograd's method map and shortcut take a second pass.
///
/// # Panics
///
/// As [`conv2d_affine`], or if the shortcut's shape is not the convolution's.
#[must_use]
pub fn conv2d_affine_add_relu(
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    shortcut: Tensor<4>,
    options: &ConvOptions,
) -> Tensor<4> {
    check_conv2d(&x, &weight, None, options);
    check_outputs("conv2d_affine_add_relu", &weight, [&scale, &shift]);
    let [images, _, height, width] = x.dims();
    let [outputs, _, kernel_height, kernel_width] = weight.dims();
    let [height, width] = options.output_size([height, width], [kernel_height, kernel_width]);
    assert!(
        shortcut.dims() == [images, outputs, height, width],
        "conv2d_affine_add_relu: the convolution is {:?} and its shortcut {:?}; expected equal shapes",
        [images, outputs, height, width],
        shortcut.dims()
    );
    check_types("conv2d_affine_add_relu", [x.dtype(), shortcut.dtype()]);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::convolve_affine_add(
        x.into_dispatch(),
        weight.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        shortcut.into_dispatch(),
        *options,
    ))
}

/// The sums that IRNet's losses are made of (Ahn et al. 2019, eq. 3 to 7), each over all pairs of pixels of one kind in
/// a batch:
///
/// 0. −log(a + ε) over background pairs, a being the pair's affinity, one minus the largest edge on its path, and ε
///    1e-5,
/// 1. the same over foreground pairs,
/// 2. −log(1 + ε − a) over negative pairs,
/// 3. |D(source) − D(destination) − (dy, dx)|, both axes, over foreground pairs,
/// 4. |D(source) − D(destination)|, both axes, over background pairs.
///
/// `edge` is `[B, H, W]`, probabilities from 0 to 1; `displacement` D `[B, 2, H, W]`, (dy, dx) in cells; the result is
/// `[5]`. Differentiable in both; the gradient of an affinity goes to the first cell of its path, from the destination
/// on, that holds the largest edge. On the CPU no value of a pair is ever written, and the result does not depend on
/// the number of threads; elsewhere it is what a backend makes of its tensors. A value that is no number, as an
/// infinite edge, makes the sums of its pairs none; unsure pairs do not count.
///
/// # Panics
///
/// If the labels are of maps of another shape.
#[must_use]
pub fn pair_sums(edge: Tensor<3>, displacement: Tensor<4>, labels: &PairLabels) -> Tensor<1> {
    let [batch, height, width] = edge.dims();
    let shapes = (edge.dims(), displacement.dims());
    let expected = (labels.shape(), [batch, 2, height, width]);
    assert!(
        shapes == expected,
        "pair_sums: edge and displacement are {shapes:?}; expected {expected:?} for the labels"
    );
    check_types("pair_sums", [edge.dtype(), displacement.dtype()]);
    if labels.len() == 0 {
        // No pairs: zeros with a gradient of zero, of finite maps.
        let nothing = (edge * 0.0).sum() + (displacement * 0.0).sum();
        return nothing.repeat_dim(0, SUMS);
    }
    Tensor::from_dispatch(<Dispatch as NetworkOps>::pair_sums(
        edge.into_dispatch(),
        displacement.into_dispatch(),
        labels.clone(),
    ))
}

/// Largest value of each window of x `[B, C, H, W]`: `[B, C, OH, OW]` with the size of
/// [`PoolOptions::output_size`], as PyTorch's `max_pool2d`. The gradient of a window goes to the
/// first of its largest values, row by row; a window with a NaN gives NaN.
///
/// # Panics
///
/// If a kernel or stride is 0, a padding larger than half the kernel, or no window fits.
#[must_use]
pub fn max_pool2d(x: Tensor<4>, options: &PoolOptions) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    assert!(
        options.hold() && !options.output_size([height, width]).contains(&0),
        "max_pool2d: {options:?} does not fit an input of {height}x{width} pixels; expected kernel \
         and stride of at least 1, padding of at most half the kernel, and room for one window"
    );
    Tensor::from_dispatch(<Dispatch as NetworkOps>::pool_max(
        x.into_dispatch(),
        *options,
    ))
}

/// Bilinear resizing of x `[B, C, H, W]` to `size` `[height, width]`, differentiable, as PyTorch's
/// `interpolate(mode="bilinear")`: with `align_corners` the centres of the outer pixels keep their
/// places, without it the outer edges do (the usual choice).
///
/// # Panics
///
/// If the input or the target has no pixel.
#[must_use]
pub fn resize_bilinear(x: Tensor<4>, size: [usize; 2], align_corners: bool) -> Tensor<4> {
    check_sizes("resize_bilinear", &x, size);
    let target = Resize {
        size,
        align_corners,
    };
    Tensor::from_dispatch(<Dispatch as NetworkOps>::resize_bilinear(
        x.into_dispatch(),
        target,
    ))
}

/// Batch norm of x `[B, C, H, W]` with its own statistics (Ioffe and Szegedy 2015), γ `gamma` and
/// β `beta`, both `[C]`; followed by ReLU if the options say so.
///
/// Returns y, of x's shape, and for running statistics the batch's mean and biased variance, both
/// `[C]`, from which no gradient comes. y is differentiable in x, gamma and beta.
///
/// On the CPU the statistics are summed in f64, and nothing depends on the number of threads.
///
/// # Panics
///
/// If gamma or beta has not one value for each channel.
#[must_use]
pub fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    options: &NormOptions,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    check_channels("batch_norm", &x, [&gamma, &beta]);
    let (output, mean, variance) = <Dispatch as NetworkOps>::normalize(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        *options,
    );
    (
        Tensor::from_dispatch(output),
        Tensor::from_dispatch(mean),
        Tensor::from_dispatch(variance),
    )
}

/// x·scale + shift for x `[B, C, H, W]`, scale and shift `[C]`; followed by ReLU if `relu`. This is
/// batch norm with given statistics. Differentiable in all three: a gradient nobody asked for is
/// not computed.
///
/// # Panics
///
/// If scale or shift has not one value for each channel.
#[must_use]
pub fn channel_affine(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, relu: bool) -> Tensor<4> {
    check_channels("channel_affine", &x, [&scale, &shift]);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::channel_affine(
        x.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        relu,
    ))
}

/// max(y + shortcut, 0) for y of [`batch_norm`] without ReLU: the end of a residual block in one pass.
/// Returns what [`batch_norm`] does; differentiable in x, gamma, beta and the shortcut.
///
/// # Panics
///
/// If gamma or beta has not one value for each channel, or the shortcut's shape is not x's.
#[must_use]
pub fn batch_norm_add_relu(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    shortcut: Tensor<4>,
    epsilon: f64,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    check_channels("batch_norm_add_relu", &x, [&gamma, &beta]);
    check_equal("batch_norm_add_relu", &x, &shortcut);
    let (output, mean, variance) = <Dispatch as NetworkOps>::batch_norm_add_relu(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        shortcut.into_dispatch(),
        epsilon,
    );
    (
        Tensor::from_dispatch(output),
        Tensor::from_dispatch(mean),
        Tensor::from_dispatch(variance),
    )
}

/// max(x·scale + shift + shortcut, 0), see [`channel_affine`]: the end of a residual block whose
/// statistics are given. Differentiable in all four.
///
/// # Panics
///
/// If scale or shift has not one value for each channel, or the shortcut's shape is not x's.
#[must_use]
pub fn channel_affine_add_relu(
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    shortcut: Tensor<4>,
) -> Tensor<4> {
    check_channels("channel_affine_add_relu", &x, [&scale, &shift]);
    check_equal("channel_affine_add_relu", &x, &shortcut);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::channel_affine_add_relu(
        x.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        shortcut.into_dispatch(),
    ))
}

/// x `[B, C, H, W]` times `gate` `[B, C, 1, 1]`, one number a plane: the excitation of squeeze and
/// excitation (Hu, Shen and Sun 2018). Differentiable in both.
///
/// # Panics
///
/// If the gate has not one value for each plane.
#[must_use]
pub fn gate(x: Tensor<4>, gate: Tensor<4>) -> Tensor<4> {
    check_gate("gate", &x, &gate);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::gate(
        x.into_dispatch(),
        gate.into_dispatch(),
    ))
}

/// max(x·gate + shortcut, 0): [`gate()`] at the end of a residual block, in one pass. Differentiable in
/// all three.
///
/// # Panics
///
/// If the gate has not one value for each plane, or the shortcut's shape is not x's.
#[must_use]
pub fn gate_add_relu(x: Tensor<4>, gate: Tensor<4>, shortcut: Tensor<4>) -> Tensor<4> {
    check_gate("gate_add_relu", &x, &gate);
    check_equal("gate_add_relu", &x, &shortcut);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::gate_add_relu(
        x.into_dispatch(),
        gate.into_dispatch(),
        shortcut.into_dispatch(),
    ))
}

/// The mean of each plane of x `[B, C, H, W]`: `[B, C, 1, 1]`, PyTorch's `AdaptiveAvgPool2d(1)`.
/// On the CPU summed in f64.
#[must_use]
pub fn global_mean(x: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as NetworkOps>::global_mean(x.into_dispatch()))
}

/// x `[B, C, H, W]` resized to `size` `[height, width]` by repeating pixels, as PyTorch's
/// `interpolate(mode="nearest")`: pixel i of n comes from ⌊i·m/n⌋ of m.
///
/// # Panics
///
/// If the input or the target has no pixel.
#[must_use]
pub fn resize_nearest(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    check_sizes("resize_nearest", &x, size);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::resize_nearest(
        x.into_dispatch(),
        size,
    ))
}

/// [`resize_nearest`] of x `[B, C, H, W]` to the size of `skip` `[B, S, h, w]`, whose channels follow:
/// `[B, C + S, h, w]`, what a U-Net's decoder block begins with. Differentiable in both.
///
/// # Panics
///
/// If one of them has no pixel, or their numbers of images differ.
#[must_use]
pub fn resize_nearest_join(x: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
    let [images, _, height, width] = skip.dims();
    check_sizes("resize_nearest_join", &x, [height, width]);
    assert!(
        x.dims()[0] == images,
        "resize_nearest_join: expected as many images in both, found {} and {images}",
        x.dims()[0]
    );
    check_types("resize_nearest_join", [x.dtype(), skip.dtype()]);
    Tensor::from_dispatch(<Dispatch as NetworkOps>::resize_nearest_join(
        x.into_dispatch(),
        skip.into_dispatch(),
    ))
}

/// max(x, 0) of x `[B, C, H, W]`; a NaN stays one. The gradient is 0 where x is 0, as PyTorch's.
#[must_use]
pub fn relu(x: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as NetworkOps>::rectify(x.into_dispatch()))
}

fn check_types<const N: usize>(name: &str, types: [DType; N]) {
    assert!(
        types.iter().all(|other| *other == types[0]),
        "{name}: expected tensors of one element type, found {types:?}"
    );
}

fn check_sizes(name: &str, x: &Tensor<4>, size: [usize; 2]) {
    let [_, _, height, width] = x.dims();
    assert!(
        height > 0 && width > 0 && !size.contains(&0),
        "{name}: cannot resize {height}x{width} pixels to {size:?}; expected at least one pixel in \
         both"
    );
}

fn check_gate(name: &str, x: &Tensor<4>, gate: &Tensor<4>) {
    let [images, channels, _, _] = x.dims();
    assert!(
        gate.dims() == [images, channels, 1, 1],
        "{name}: x is {:?} and its gate {:?}; expected one value for each plane",
        x.dims(),
        gate.dims()
    );
    check_types(name, [x.dtype(), gate.dtype()]);
}

fn check_equal(name: &str, a: &Tensor<4>, b: &Tensor<4>) {
    assert!(
        a.dims() == b.dims(),
        "{name}: expected two equal shapes, found {:?} and {:?}",
        a.dims(),
        b.dims()
    );
    check_types(name, [a.dtype(), b.dtype()]);
}

fn check_outputs(name: &str, weight: &Tensor<4>, vectors: [&Tensor<1>; 2]) {
    let outputs = weight.dims()[0];
    let lengths = vectors.map(|vector| vector.dims()[0]);
    assert!(
        lengths == [outputs; 2],
        "{name}: the convolution has {outputs} output channels and its vectors {lengths:?} values; expected one for each"
    );
    check_types(
        name,
        [weight.dtype(), vectors[0].dtype(), vectors[1].dtype()],
    );
}

fn check_channels(name: &str, x: &Tensor<4>, vectors: [&Tensor<1>; 2]) {
    let [_, channels, _, _] = x.dims();
    let lengths = vectors.map(|vector| vector.dims()[0]);
    assert!(
        lengths == [channels; 2],
        "{name}: x has {channels} channels and its vectors {lengths:?} values; expected one for \
         each channel"
    );
    check_types(name, [x.dtype(), vectors[0].dtype(), vectors[1].dtype()]);
}

fn check_conv2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    options: &ConvOptions,
) {
    let [_, channels, height, width] = x.dims();
    let [outputs, per_group, kernel_height, kernel_width] = weight.dims();
    assert!(
        options.groups > 0
            && options.stride.iter().all(|&s| s > 0)
            && options.dilation.iter().all(|&d| d > 0)
            && kernel_height * kernel_width > 0,
        "conv2d: stride, dilation, groups and the kernel's sides must be at least 1, found {options:?} and a kernel of \
         {kernel_height}x{kernel_width}"
    );
    check_types("conv2d", [x.dtype(), weight.dtype()]);
    assert!(
        channels == per_group * options.groups && outputs % options.groups == 0,
        "conv2d: x has {channels} channels and weight is {:?} with {} groups; expected weight \
         [outputs, channels / groups, height, width] with outputs divisible by groups",
        weight.dims(),
        options.groups
    );
    if let Some(bias) = bias {
        assert!(
            bias.dims() == [outputs],
            "conv2d: bias has {} values for {outputs} output channels",
            bias.dims()[0]
        );
        check_types("conv2d", [x.dtype(), bias.dtype()]);
    }
    let size = options.output_size([height, width], [kernel_height, kernel_width]);
    assert!(
        size[0] > 0 && size[1] > 0,
        "conv2d: the input {height}x{width} with padding {:?} is smaller than the kernel \
         {kernel_height}x{kernel_width} at dilation {:?}",
        options.padding,
        options.dilation
    );
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn convolved(kernel: usize, types: [DType; 3]) {
        let device = Device::flex();
        let zeros = |shape| Tensor::<4>::zeros(shape, &device);
        let [x, weight, bias] = types;
        let _ = conv2d(
            zeros([1, 1, 3, 3]).cast(x),
            zeros([1, 1, kernel, kernel]).cast(weight),
            Some(Tensor::<1>::zeros([1], &device).cast(bias)),
            &ConvOptions::default(),
        );
    }

    #[test]
    #[should_panic(expected = "conv2d: expected tensors of one element type, found [F32, F64]")]
    fn a_weight_is_of_the_type_of_x() {
        convolved(1, [DType::F32, DType::F64, DType::F32]);
    }

    #[test]
    #[should_panic(expected = "conv2d: expected tensors of one element type, found [F32, F64]")]
    fn a_bias_is_of_the_type_of_x() {
        convolved(1, [DType::F32, DType::F32, DType::F64]);
    }

    #[test]
    #[should_panic(expected = "a kernel of 0x0")]
    fn a_kernel_has_a_pixel() {
        assert_eq!(ConvOptions::default().output_size([3, 3], [0, 0]), [0, 0]);
        convolved(0, [DType::F32; 3]);
    }
}
