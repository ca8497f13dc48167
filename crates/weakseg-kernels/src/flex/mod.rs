//! The CPU backend: f32 runs the kernels of this crate, other float types the default bodies.

mod convolution;
mod kept;
mod pair_maps;
mod passes;
mod statistics;
mod tensors;

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorMetadata};

use crate::channels::{self, Channels};
use crate::conv::{self, ConvOptions, Ending};
use crate::default;
use crate::gate;
use crate::instructions::Instructions;
use crate::nearest::{self, Growth};
use crate::norm::{self, ChannelMap, NormOptions};
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::pairs::{self, PairLabels};
use crate::pool::{self, PoolOptions};
use crate::relu::{self, gated, rectified};
use crate::resize;
use crate::route::route_to_kernels;
use crate::tile::Tiles;
use convolution::{conv_shape, convolved};
use pair_maps::{gradients_of_pairs, sums_of_pairs};
use passes::{mapped, replaced, zip_mapped};
use statistics::{batch_norm, statistic_tensors, statistics, with_relu};
use tensors::{pixels, tensor};

pub(crate) use tensors::{contiguous, elementwise_serves, own_values, owned, values};

impl Kernels for Flex {
    fn keep_weight(weight: &FloatTensor<Self>, groups: usize) {
        kept::weights().keep(weight, groups);
    }

    fn forget_weight(weight: &FloatTensor<Self>) {
        kept::weights().forget(weight);
    }

    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let Some(shape) = conv_shape(&x, &weight, options) else {
            return default::conv2d_forward::<Self>(x, weight, bias, options);
        };
        let bias = bias.as_ref().map(contiguous);
        let ending = Ending::bias(bias.as_ref().map(values));
        convolved(&shape, &x, &weight, &ending)
    }

    fn conv2d_relu_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let shape = conv_shape(&x, &weight, options);
        let Some(shape) = shape.filter(|_| elementwise_serves(&[&bias])) else {
            return default::conv2d_relu_forward::<Self>(x, weight, bias, options);
        };
        let bias = contiguous(&bias);
        let maps = vec![ChannelMap::RELU; shape.outputs];
        let ending = Ending {
            maps: Some(&maps),
            ..Ending::bias(Some(values(&bias)))
        };
        convolved(&shape, &x, &weight, &ending)
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
            return default::conv2d_affine_forward::<Self>(x, weight, scale, shift, options, relu);
        };
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
            return default::conv2d_affine_add_forward::<Self>(
                x, weight, scale, shift, shortcut, options,
            );
        };
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
        let sizes = Channels::of(output_gradient.shape().dims());
        let gradient = channels::sums(Instructions::detect(), values(&output_gradient), sizes);
        tensor(gradient, &[sizes.channels])
    }

    fn pair_sums_forward(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: &PairLabels,
    ) -> FloatTensor<Self> {
        if edge.dtype() != DType::F32 || displacement.dtype() != DType::F32 {
            return pairs::default::forward::<Self>(edge, displacement, labels);
        }
        sums_of_pairs(&edge, &displacement, labels)
    }

    fn pair_sums_backward(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: &PairLabels,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        if edge.dtype() != DType::F32 || displacement.dtype() != DType::F32 {
            return pairs::default::backward::<Self>(edge, displacement, labels, output_gradient);
        }
        gradients_of_pairs(&edge, &displacement, labels, &output_gradient)
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
        let norm = batch_norm(&x, &gamma, &beta, with_relu(epsilon));
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
        let norm = batch_norm(&x, &gamma, &beta, with_relu(epsilon));
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
