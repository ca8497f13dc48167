//! The kernels of CubeCL's backend.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, TensorMetadata};

use super::channels_last::{self, BatchNorm};
use super::precision::{self, rounded};
use super::rows::settled;
use super::{batch_norm, conv, depthwise, operation, pairs, planes, product, resize};
use crate::conv::ConvOptions;
use crate::default;
use crate::norm::NormOptions;
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::pairs::PairLabels;
use crate::pool::PoolOptions;
use crate::route::route_to_kernels;

impl Kernels for Cube {
    fn conv2d_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let output = if depthwise::serves(&x, &weight, options) {
            depthwise::output(x, weight, options)
        } else if product::serves(&x, &weight, options) {
            product::output(x, weight, options, precision::arithmetic())
        } else if precision::serves(options) {
            settled::<Self>(rounded::<Self, _>([x, weight], |[x, weight]| {
                default::conv2d_forward::<Self>(x, weight, None, options)
            }))
        } else {
            settled::<Self>(conv::forward::<Self>(x, weight, options))
        };
        match bias {
            Some(bias) => channels_last::add_per_channel::<Self>(output, bias),
            None => output,
        }
    }

    fn conv2d_input_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        if depthwise::serves(&x, &weight, options) {
            return depthwise::input_gradient(x, weight, output_gradient, options);
        }
        if product::serves(&x, &weight, options) {
            let arithmetic = precision::arithmetic();
            return product::input_gradient(x, weight, output_gradient, options, arithmetic);
        }
        // Of x only the shape is read, and its type is the result's.
        let gradient = |[x, weight, gradient]: [FloatTensor<Self>; 3]| {
            default::conv2d_input_gradient::<Self>(x, weight, gradient, options)
        };
        let tensors = [x, weight, output_gradient];
        settled::<Self>(match precision::serves(options) {
            true => rounded::<Self, _>(tensors, gradient),
            false => gradient(tensors),
        })
    }

    fn conv2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        if depthwise::serves(&x, &weight, options) {
            return depthwise::weight_gradient(x, weight, output_gradient, options);
        }
        if product::serves(&x, &weight, options) {
            let arithmetic = precision::arithmetic();
            return product::weight_gradient(x, weight, output_gradient, options, arithmetic);
        }
        let gradient = |[x, weight, gradient]: [FloatTensor<Self>; 3]| {
            default::conv2d_weight_gradient::<Self>(x, weight, gradient, options)
        };
        let tensors = [x, weight, output_gradient];
        settled::<Self>(match precision::serves(options) {
            true => rounded::<Self, _>(tensors, gradient),
            false => gradient(tensors),
        })
    }

    fn conv2d_bias_gradient(output_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        if output_gradient.dtype() != DType::F32 {
            return channels_last::channel_sums::<Self>(output_gradient);
        }
        operation::channel_sums(output_gradient)
    }

    fn pair_sums_forward(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: &PairLabels,
    ) -> FloatTensor<Self> {
        pairs::forward(edge, displacement, labels)
    }

    fn pair_sums_backward(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: &PairLabels,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        pairs::backward(edge, displacement, labels, output_gradient)
    }

    fn max_pool_forward(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        settled::<Self>(default::max_pool_forward::<Self>(x, options))
    }

    fn max_pool_backward(
        x: FloatTensor<Self>,
        options: PoolOptions,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        settled::<Self>(default::max_pool_backward::<Self>(
            x,
            options,
            output_gradient,
        ))
    }

    fn resize_forward(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        settled::<Self>(default::resize_forward::<Self>(x, target))
    }

    fn nearest_forward(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        settled::<Self>(default::nearest_forward::<Self>(x, size))
    }

    fn nearest_backward(
        shape: [usize; 4],
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        settled::<Self>(default::nearest_backward::<Self>(shape, output_gradient))
    }

    /// Burn has no bilinear backward on these devices.
    fn resize_backward(
        x: FloatTensor<Self>,
        target: Resize,
        output_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        resize::backward::<Self>(x, target, output_gradient)
    }

    fn batch_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !batch_norm::serves(&x) {
            return BatchNorm::<Self>::of(x, gamma, beta, options).output(None);
        }
        batch_norm::forward(x, gamma, beta, None, options).into()
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
        let channels = [gamma, beta, mean, variance];
        if !batch_norm::serves(&x) {
            return BatchNorm::<Self>::again(x, channels, options).gradients(output_gradient);
        }
        batch_norm::backward(x, channels, options, output_gradient)
    }

    fn batch_norm_add_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let options = NormOptions {
            epsilon,
            relu: true,
        };
        if !batch_norm::serves(&x) {
            return BatchNorm::<Self>::of(x, gamma, beta, options).output(Some(shortcut));
        }
        batch_norm::forward(x, gamma, beta, Some(shortcut), options).into()
    }

    fn channel_affine_forward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        channels_last::affine::<Self>(x, scale, shift, None, relu)
    }

    fn channel_affine_add_forward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        channels_last::affine::<Self>(x, scale, shift, Some(shortcut), true)
    }

    fn gate_forward(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self> {
        planes::gated::<Self>(x, gate, None)
    }

    fn gate_add_forward(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        planes::gated::<Self>(x, gate, Some(shortcut))
    }

    fn gate_backward(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        planes::gate_gradients::<Self>(x, gate, output_gradient)
    }

    fn global_mean_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        planes::mean::<Self>(x)
    }
}

route_to_kernels!(Cube);
