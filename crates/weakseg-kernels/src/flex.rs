//! The CPU backend: f32 runs the kernels of this crate, other float types the default bodies.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DType, Flex, TensorData, TensorMetadata};

use crate::affinity;
use crate::conv::{self, ConvOptions, ConvShape};
use crate::default;
use crate::elementwise;
use crate::norm::{self, BatchNorm, NormOptions};
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::path::PathIndex;
use crate::pool::{self, PoolOptions};
use crate::relu::{self, gated, rectified};
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

/// Whether the elementwise kernels serve this call: f32 and no empty tensor.
fn elementwise_serves(tensors: &[&FloatTensor<Flex>]) -> bool {
    let serves = |t: &&FloatTensor<Flex>| t.dtype() == DType::F32 && t.shape().num_elements() > 0;
    tensors.iter().all(serves)
}

/// The values of a contiguous tensor to write over, if nobody else holds them.
fn own_values(tensor: &mut FloatTensor<Flex>) -> Option<&mut [f32]> {
    let whole = tensor.storage::<f32>().len() == tensor.shape().num_elements();
    let free = whole && tensor.is_contiguous();
    free.then(|| tensor.try_storage_mut::<f32>())?
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
        elementwise::update(x, plane, of_plane);
        return values_of;
    }
    let output = elementwise::map(values(&values_of), plane, of_plane);
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
        elementwise::zip_update(a, values(&b), plane, of_plane);
        return values_of;
    }
    let output = elementwise::zip_map(values(&values_of), values(&b), plane, of_plane);
    tensor(output, &values_of.shape())
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

    fn batch_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !elementwise_serves(&[&x, &gamma, &beta]) {
            return default::batch_norm_forward::<Self>(x, gamma, beta, options);
        }
        let [_, channels, height, width] = x.shape().dims();
        let plane = height * width;
        let (x, gamma, beta) = (contiguous(&x), contiguous(&gamma), contiguous(&beta));
        let [mean, variance] = norm::statistics(values(&x), channels, plane);
        let norm = BatchNorm {
            gamma: values(&gamma),
            beta: values(&beta),
            mean: &mean,
            variance: &variance,
            options,
        };
        let maps = norm.maps();
        let output = mapped(x, plane, |at| {
            let map = maps[at % channels];
            move |x| map.output(x)
        });
        let statistic = |values| tensor(values, &[channels]);
        (output, statistic(mean), statistic(variance))
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
        let [batch, channels, height, width] = x.shape().dims();
        let plane = height * width;
        let (x, gamma, beta) = (contiguous(&x), contiguous(&gamma), contiguous(&beta));
        let upstream = contiguous(&output_gradient);
        drop(output_gradient);
        let norm = BatchNorm {
            gamma: values(&gamma),
            beta: values(&beta),
            mean: values(&mean),
            variance: values(&variance),
            options,
        };
        let sums = norm::gradient_sums(values(&x), values(&upstream), &norm.maps(), plane);
        let gradients = norm.input_gradients(&sums, batch * plane);
        let x_gradient = zip_mapped(upstream, &x, plane, |at| {
            let gradient = gradients[at % channels];
            move |upstream, x| gradient.of(x, upstream)
        });
        let [gamma, beta] = norm.parameter_gradients(&sums);
        [
            x_gradient,
            tensor(gamma, &[channels]),
            tensor(beta, &[channels]),
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
        let [_, channels, height, width] = x.shape().dims();
        let (scale, shift) = (contiguous(&scale), contiguous(&shift));
        let (x, upstream) = (contiguous(&x), contiguous(&output_gradient));
        let maps = norm::affine(values(&scale), values(&shift), relu);
        let sums = norm::gradient_sums(values(&x), values(&upstream), &maps, height * width);
        [1, 0].map(|which| {
            let gradient = sums.iter().map(|sums| sums[which] as f32).collect();
            tensor(gradient, &[channels])
        })
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

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        Self::batch_norm_forward(x, gamma, beta, options)
    }

    fn affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        Self::channel_affine_forward(x, scale, shift, relu)
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::relu_forward(x)
    }

    fn add_rectify(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::add_relu_forward(a, b)
    }
}
