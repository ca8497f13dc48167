//! The CPU backend: f32 runs the kernels of this crate, other float types the default bodies.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorData, TensorMetadata};

use crate::affinity;
use crate::buffers;
use crate::channels::Channels;
use crate::conv::{self, ConvOptions, ConvShape, Ending};
use crate::default;
use crate::elementwise;
use crate::gate;
use crate::instructions::Instructions;
use crate::nearest::{self, Growth};
use crate::norm::{self, BatchNorm, NormOptions, Statistics, Upstream};
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::path::PathIndex;
use crate::pool::{self, PoolOptions};
use crate::relu::{self, gated, rectified};
use crate::resize;
use crate::route::route_to_kernels;
use crate::tile::Tiles;

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

/// The sizes, if the kernels here serve this call: f32 and no empty tensor.
fn conv_shape(
    x: &FloatTensor<Flex>,
    weight: &FloatTensor<Flex>,
    options: ConvOptions,
) -> Option<ConvShape> {
    let f32s = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    f32s.then(|| ConvShape::new(x.shape().dims(), weight.shape().dims(), options))?
}

/// The convolution of contiguous tensors, and what follows.
fn convolved(
    shape: &ConvShape,
    x: &FloatTensor<Flex>,
    weight: &FloatTensor<Flex>,
    ending: &Ending<'_>,
) -> FloatTensor<Flex> {
    let output = conv::forward(&Tiles::chosen(), shape, values(x), values(weight), ending);
    let [height, width] = shape.output_size;
    tensor(output, &[shape.batch, shape.outputs, height, width])
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

/// A function of each value of an f32 tensor, written over it where nobody else holds it.
fn mapped<F: Fn(f32) -> f32>(
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
fn zip_mapped<F: Fn(f32, f32) -> f32>(
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
fn replaced<R>(
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

/// Batch norm of contiguous tensors.
fn batch_norm<'a>(
    x: &FloatTensor<Flex>,
    gamma: &'a FloatTensor<Flex>,
    beta: &'a FloatTensor<Flex>,
    options: NormOptions,
) -> BatchNorm<'a> {
    BatchNorm {
        sizes: Channels::of(x.shape().dims()),
        gamma: values(gamma),
        beta: values(beta),
        options,
    }
}

/// Batch norm before a shortcut is added: ReLU comes behind the sum.
fn adding(epsilon: f64) -> NormOptions {
    NormOptions {
        epsilon,
        relu: true,
    }
}

fn statistic_tensors(statistics: &[Statistics]) -> [FloatTensor<Flex>; 2] {
    let values = |which: fn(&Statistics) -> f32| statistics.iter().map(which).collect();
    [
        values(|channel| channel.mean),
        values(|channel| channel.variance),
    ]
    .map(|values| tensor(values, &[statistics.len()]))
}

fn statistics(mean: &FloatTensor<Flex>, variance: &FloatTensor<Flex>) -> Vec<Statistics> {
    let (mean, variance) = (contiguous(mean), contiguous(variance));
    let pairs = values(&mean).iter().zip(values(&variance));
    let channel = |(&mean, &variance)| Statistics { mean, variance };
    pairs.map(channel).collect()
}

/// Pixels of a plane of `[B, C, H, W]`.
fn pixels(x: &FloatTensor<Flex>) -> usize {
    let [_, _, height, width] = x.shape().dims::<4>();
    height * width
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
        convolved(&shape, &x, &weight, &Ending::bias(bias))
    }

    fn conv2d_affine_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        options: ConvOptions,
        relu: bool,
    ) -> FloatTensor<Self> {
        let shape = conv_shape(&x, &weight, options);
        let Some(shape) = shape.filter(|_| elementwise_serves(&[&scale, &shift])) else {
            let output = Self::conv2d_forward(x, weight, None, options);
            return Self::channel_affine_forward(output, scale, shift, relu);
        };
        let (x, weight) = (contiguous(&x), contiguous(&weight));
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let maps = norm::affine(values(&scale), values(&shift), relu);
        let ending = Ending {
            maps: Some(&maps),
            ..Ending::default()
        };
        convolved(&shape, &x, &weight, &ending)
    }

    fn conv2d_affine_add_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let shape = conv_shape(&x, &weight, options);
        let Some(shape) = shape.filter(|_| elementwise_serves(&[&scale, &shift, &shortcut])) else {
            let output = Self::conv2d_forward(x, weight, None, options);
            return Self::channel_affine_add_forward(output, scale, shift, shortcut);
        };
        let (x, weight) = (contiguous(&x), contiguous(&weight));
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let shortcut = contiguous(&shortcut);
        let maps = norm::affine(values(&scale), values(&shift), true);
        let ending = Ending {
            maps: Some(&maps),
            shortcut: Some(values(&shortcut)),
            ..Ending::default()
        };
        convolved(&shape, &x, &weight, &ending)
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
            &Tiles::chosen(),
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
            &Tiles::chosen(),
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
        let planes = batch * channels;
        let output = pool::forward(Instructions::detect(), values(&x), planes, size, &options);
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
        let gradient = pool::backward(
            Instructions::detect(),
            values(&x),
            batch * channels,
            size,
            &options,
            values(&upstream),
        );
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

    fn batch_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !elementwise_serves(&[&x, &gamma, &beta]) {
            return default::batch_norm_forward::<Self>(x, gamma, beta, options);
        }
        let (x, gamma, beta) = (contiguous(&x), contiguous(&gamma), contiguous(&beta));
        let norm = batch_norm(&x, &gamma, &beta, options);
        let (output, statistics) = norm.forward(Instructions::detect(), values(&x));
        let [mean, variance] = statistic_tensors(&statistics);
        (tensor(output, &x.shape()), mean, variance)
    }

    fn batch_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        options: NormOptions,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        if !elementwise_serves(&[&x, &gamma, &beta, &output_gradient]) {
            return default::batch_norm_backward::<Self>(
                x,
                gamma,
                beta,
                mean,
                variance,
                options,
                output_gradient,
            );
        }
        let (x, gamma, beta) = (contiguous(&x), contiguous(&gamma), contiguous(&beta));
        let norm = batch_norm(&x, &gamma, &beta, options);
        let statistics = statistics(&mean, &variance);
        let (x_gradient, parameters) = replaced(output_gradient, |upstream| {
            norm.backward(Instructions::detect(), values(&x), &statistics, upstream)
        });
        let [gamma, beta] = parameters.map(|values| tensor(values, &gamma.shape()));
        [x_gradient, gamma, beta]
    }

    fn batch_norm_add_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !elementwise_serves(&[&x, &gamma, &beta, &shortcut]) {
            return default::batch_norm_add_forward::<Self>(x, gamma, beta, shortcut, epsilon);
        }
        let (x, gamma, beta) = (contiguous(&x), contiguous(&gamma), contiguous(&beta));
        let norm = batch_norm(&x, &gamma, &beta, adding(epsilon));
        let set = Instructions::detect();
        let mut output = contiguous(&shortcut);
        drop(shortcut);
        let statistics = match own_values(&mut output) {
            Some(shortcut) => norm.forward_onto(set, values(&x), shortcut),
            None => {
                let (sum, statistics) = norm.forward_with(set, values(&x), values(&output));
                output = tensor(sum, &x.shape());
                statistics
            }
        };
        let [mean, variance] = statistic_tensors(&statistics);
        (output, mean, variance)
    }

    fn batch_norm_add_backward(
        x: FloatTensor<Self>,
        channels: [FloatTensor<Self>; 4],
        epsilon: f64,
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 4] {
        let [gamma, beta, mean, variance] = &channels;
        if !elementwise_serves(&[&x, gamma, beta, &output_gradient]) {
            return default::batch_norm_add_backward::<Self>(
                x,
                channels,
                epsilon,
                output,
                output_gradient,
            );
        }
        let (x, gamma, beta) = (contiguous(&x), contiguous(gamma), contiguous(beta));
        let output = contiguous(&output);
        let norm = batch_norm(&x, &gamma, &beta, adding(epsilon));
        let statistics = statistics(mean, variance);
        let (shortcut_gradient, (x_gradient, parameters)) = replaced(output_gradient, |upstream| {
            let set = Instructions::detect();
            norm.backward_with(set, values(&x), &statistics, values(&output), upstream)
        });
        let [gamma, beta] = parameters.map(|values| tensor(values, &gamma.shape()));
        [
            tensor(x_gradient, &x.shape()),
            gamma,
            beta,
            shortcut_gradient,
        ]
    }

    fn channel_affine_forward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x, &scale, &shift]) {
            return default::channel_affine_forward::<Self>(x, scale, shift, relu);
        }
        let [_, channels, height, width] = x.shape().dims();
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let maps = norm::affine(values(&scale), values(&shift), relu);
        mapped(x, height * width, |at| {
            let map = maps[at % channels];
            move |x| map.output(x)
        })
    }

    fn channel_affine_add_forward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x, &scale, &shift, &shortcut]) {
            return default::channel_affine_add_forward::<Self>(x, scale, shift, shortcut);
        }
        let [_, channels, height, width] = x.shape().dims();
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let maps = norm::affine(values(&scale), values(&shift), true);
        zip_mapped(x, &shortcut, height * width, |at| {
            let map = maps[at % channels];
            move |x, shortcut| map.output_with(x, shortcut)
        })
    }

    fn channel_affine_input_gradient(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x, &scale, &shift, &output_gradient]) {
            return default::channel_affine_input_gradient::<Self>(
                x,
                scale,
                shift,
                relu,
                output_gradient,
            );
        }
        let [_, channels, height, width] = x.shape().dims();
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let maps = norm::affine(values(&scale), values(&shift), relu);
        zip_mapped(output_gradient, &x, height * width, |at| {
            let map = maps[at % channels];
            move |upstream, x| map.input_gradient(x, upstream)
        })
    }

    fn channel_affine_parameter_gradients(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        if !elementwise_serves(&[&x, &scale, &shift, &output_gradient]) {
            return default::channel_affine_parameter_gradients::<Self>(
                x,
                scale,
                shift,
                relu,
                output_gradient,
            );
        }
        let [_, channels, _, _] = x.shape().dims::<4>();
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let (x, upstream) = (contiguous(&x), contiguous(&output_gradient));
        let maps = norm::affine(values(&scale), values(&shift), relu);
        let sums = norm::gradient_sums(
            Instructions::detect(),
            values(&x),
            values(&upstream),
            &maps,
            Channels::of(x.shape().dims()),
        );
        [1, 0].map(|which| {
            let gradient = sums.iter().map(|sums| sums[which] as f32).collect();
            tensor(gradient, &[channels])
        })
    }

    fn gate_forward(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x, &gate]) {
            return default::gate_forward::<Self>(x, gate);
        }
        let gate = contiguous(&gate);
        let gate = values(&gate);
        let plane = pixels(&x);
        mapped(x, plane, |at| {
            let gate = gate[at];
            move |x| x * gate
        })
    }

    fn gate_add_forward(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x, &gate, &shortcut]) {
            return default::gate_add_forward::<Self>(x, gate, shortcut);
        }
        let gate = contiguous(&gate);
        let gate = values(&gate);
        // x is kept for the gate's gradient, the shortcut perhaps by nobody.
        zip_mapped(shortcut, &x, pixels(&x), |at| {
            let gate = gate[at];
            move |shortcut, x| rectified(x * gate + shortcut, 0.0)
        })
    }

    fn gate_backward(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        if !elementwise_serves(&[&x, &gate, &output_gradient]) {
            return default::gate_backward::<Self>(x, gate, output_gradient);
        }
        let (x, gate) = (contiguous(&x), contiguous(&gate));
        let (x_gradient, gate_gradient) = replaced(output_gradient, |upstream| {
            let set = Instructions::detect();
            gate::backward(set, values(&x), values(&gate), pixels(&x), upstream)
        });
        [x_gradient, tensor(gate_gradient, &gate.shape())]
    }

    fn global_mean_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x]) {
            return default::global_mean_forward::<Self>(x);
        }
        let x = contiguous(&x);
        let [batch, channels, _, _] = x.shape().dims::<4>();
        let means = gate::means(Instructions::detect(), values(&x), pixels(&x));
        tensor(means, &[batch, channels, 1, 1])
    }

    fn nearest_forward(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x]) {
            return default::nearest_forward::<Self>(x, size);
        }
        let x = contiguous(&x);
        let growth = Growth::new(x.shape().dims(), size, 0);
        let output = nearest::forward(Instructions::detect(), values(&x), &[], growth);
        tensor(output, &growth.shape())
    }

    fn nearest_backward(
        shape: [usize; 4],
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&output_gradient]) {
            return default::nearest_backward::<Self>(shape, output_gradient);
        }
        let upstream = contiguous(&output_gradient);
        let [_, _, height, width] = upstream.shape().dims();
        let growth = Growth::new(shape, [height, width], 0);
        let gradient = nearest::backward(Instructions::detect(), values(&upstream), growth);
        tensor(gradient, &shape)
    }

    fn nearest_join_forward(x: FloatTensor<Self>, skip: FloatTensor<Self>) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x, &skip]) {
            return default::nearest_join_forward::<Self>(x, skip);
        }
        let (x, skip) = (contiguous(&x), contiguous(&skip));
        let [_, joined, height, width] = skip.shape().dims();
        let growth = Growth::new(x.shape().dims(), [height, width], joined);
        let output = nearest::forward(Instructions::detect(), values(&x), values(&skip), growth);
        tensor(output, &growth.shape())
    }

    fn nearest_join_backward(
        shape: [usize; 4],
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let [images, all, height, width] = output_gradient.shape().dims();
        let joined = all - shape[1];
        if !elementwise_serves(&[&output_gradient]) || joined == 0 {
            return default::nearest_join_backward::<Self>(shape, output_gradient);
        }
        let upstream = contiguous(&output_gradient);
        let growth = Growth::new(shape, [height, width], joined);
        let gradient = nearest::backward(Instructions::detect(), values(&upstream), growth);
        let skip_gradient = nearest::skip_gradient(values(&upstream), growth);
        [
            tensor(gradient, &shape),
            tensor(skip_gradient, &[images, joined, height, width]),
        ]
    }

    fn relu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !elementwise_serves(&[&x]) {
            return default::relu_forward::<Self>(x);
        }
        mapped(x, relu::CHUNK, |_| |x| rectified(x, 0.0))
    }

    fn add_relu_forward(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        if !elementwise_serves(&[&a, &b]) {
            return default::add_relu_forward::<Self>(a, b);
        }
        zip_mapped(a, &b, relu::CHUNK, |_| |a, b| rectified(a + b, 0.0))
    }

    fn relu_gradient(
        output: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&output, &output_gradient]) {
            return default::relu_gradient::<Self>(output, output_gradient);
        }
        zip_mapped(output_gradient, &output, relu::CHUNK, |_| {
            |gradient, output| gated(output, 0.0, gradient)
        })
    }
}

route_to_kernels!(Flex);
