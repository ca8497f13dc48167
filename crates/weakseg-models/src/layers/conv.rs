//! Convolution holding its weights; the arithmetic is `weakseg-kernels`'.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use weakseg_kernels::{
    ConvOptions, conv2d, conv2d_affine, conv2d_affine_add_relu, conv2d_relu, relu,
};

use super::Init;
use super::init::Law;

/// Two-dimensional convolution with PyTorch's weight layout `[outputs, inputs / groups, kh, kw]`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[outputs, inputs / groups, kh, kw]`.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    options: ConvOptions,
}

/// Where a convolution's weights start; the bias starts at zero unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConvInit {
    /// N(0, √(2 / (k²·outputs))): He et al., fan out. torchvision's VGG and ResNet trunks.
    NormalFanOut,
    /// The identity plus a tenth of [`NormalFanOut`](Self::NormalFanOut): as many outputs as inputs.
    NearIdentity,
    /// N(0, √(2 / (k²·inputs))): He et al., fan in. DeepLabv3+'s head.
    NormalFanIn,
    /// U(±√(6 / (k²·inputs))): He et al., uniform. smp's decoders.
    UniformFanIn,
    /// U(±√(6 / (k²·(inputs + outputs)))): Glorot. smp's segmentation head.
    Xavier,
    /// U(±1/√(k²·inputs)) for weight and bias: what PyTorch does when nobody says anything.
    Torch,
}

/// The shape of a convolution, built up by what differs from 1x1 or padded 3x3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvSpec {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
    bias: bool,
    init: ConvInit,
}

impl ConvSpec {
    /// k x k that keeps the size at stride 1.
    pub(crate) fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self {
            inputs,
            outputs,
            kernel,
            stride: 1,
            padding: kernel / 2,
            dilation: 1,
            groups: 1,
            bias: true,
            init: ConvInit::Torch,
        }
    }

    pub(crate) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Dilation with the padding that keeps the size.
    pub(crate) fn dilation(self, dilation: usize) -> Self {
        Self {
            dilation,
            padding: dilation * (self.kernel / 2),
            ..self
        }
    }

    /// Independent groups of channels; divides inputs and outputs.
    pub(crate) fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub(crate) fn no_bias(self) -> Self {
        Self {
            bias: false,
            ..self
        }
    }

    /// The same as a depthwise and a pointwise convolution.
    pub(crate) fn separated(self) -> (Self, Self) {
        let depthwise = Self {
            outputs: self.inputs,
            groups: self.inputs,
            ..self
        };
        let pointwise = Self {
            bias: self.bias,
            ..Self::new(self.inputs, self.outputs, 1).init_as(self.init)
        };
        (depthwise, pointwise)
    }

    pub(crate) fn init_as(self, init: ConvInit) -> Self {
        Self { init, ..self }
    }

    pub(crate) fn init(self, init: &Init<'_>) -> Conv2d {
        let area = self.kernel * self.kernel;
        let inputs = self.inputs / self.groups;
        let (fan_in, fan_out) = ((area * inputs) as f64, (area * self.outputs) as f64);
        let zero = Law::Constant(0.0);
        let (weight, bias) = match self.init {
            ConvInit::NormalFanOut => (
                Law::Normal {
                    std: (2.0 / fan_out).sqrt(),
                },
                zero,
            ),
            ConvInit::NearIdentity => (
                Law::NearIdentity {
                    std: 0.1 * (2.0 / fan_out).sqrt(),
                },
                zero,
            ),
            ConvInit::NormalFanIn => (
                Law::Normal {
                    std: (2.0 / fan_in).sqrt(),
                },
                zero,
            ),
            ConvInit::UniformFanIn => (
                Law::Uniform {
                    bound: (6.0 / fan_in).sqrt(),
                },
                zero,
            ),
            ConvInit::Xavier => {
                let bound = (6.0 / (fan_in + fan_out)).sqrt();
                (Law::Uniform { bound }, zero)
            }
            ConvInit::Torch => {
                let law = Law::Uniform {
                    bound: fan_in.sqrt().recip(),
                };
                (law, law)
            }
        };
        let kernel = [self.outputs, inputs, self.kernel, self.kernel];
        Conv2d {
            weight: init.param(kernel, weight),
            bias: self.bias.then(|| init.param([self.outputs], bias)),
            options: ConvOptions {
                stride: [self.stride; 2],
                padding: [self.padding; 2],
                dilation: [self.dilation; 2],
                groups: self.groups,
            },
        }
    }
}

impl Conv2d {
    /// # Shapes
    /// `[B, I, H, W]` → `[B, O, H', W']`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        conv2d(x, self.weight.val(), bias, &self.options)
    }

    /// Whether the output of x is on an autodiff device: it is where x or the weight is.
    pub(crate) fn output_is_autodiff(&self, x: &Tensor<4>) -> bool {
        x.is_autodiff() || self.weight.val().is_autodiff()
    }

    /// max([`forward`](Self::forward), 0).
    ///
    /// # Shapes
    /// As there.
    pub(crate) fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.bias {
            Some(bias) => conv2d_relu(x, self.weight.val(), bias.val(), &self.options),
            None => relu(self.forward(x)),
        }
    }

    /// [`forward`](Self::forward)·scale + shift of each channel, then ReLU if asked for, by [`conv2d_affine`]. (A bias
    /// goes into the shift, so that the values differ in their last bits.)
    ///
    /// # Shapes
    /// As there; scale and shift `[outputs]`.
    pub(crate) fn forward_affine(
        &self,
        x: Tensor<4>,
        scale: Tensor<1>,
        shift: Tensor<1>,
        relu: bool,
    ) -> Tensor<4> {
        let shift = self.shifted(&scale, shift);
        conv2d_affine(x, self.weight.val(), scale, shift, &self.options, relu)
    }

    /// max([`forward`](Self::forward)·scale + shift + shortcut, 0), by [`conv2d_affine_add_relu`].
    ///
    /// # Shapes
    /// As there; scale and shift `[outputs]`, the shortcut as the result.
    pub(crate) fn forward_affine_add_relu(
        &self,
        x: Tensor<4>,
        scale: Tensor<1>,
        shift: Tensor<1>,
        shortcut: Tensor<4>,
    ) -> Tensor<4> {
        let shift = self.shifted(&scale, shift);
        conv2d_affine_add_relu(x, self.weight.val(), scale, shift, shortcut, &self.options)
    }

    /// A shift that the bias, if any, has gone into.
    fn shifted(&self, scale: &Tensor<1>, shift: Tensor<1>) -> Tensor<1> {
        match &self.bias {
            Some(bias) => bias.val() * scale.clone() + shift,
            None => shift,
        }
    }

    /// Number of output channels.
    pub fn outputs(&self) -> usize {
        self.weight.lazy_shape()[0]
    }

    /// The same layer with `by` added to its bias, one number an output.
    ///
    /// # Panics
    /// If it has no bias, or another number of outputs.
    pub(crate) fn with_bias_moved(self, by: &[f32]) -> Self {
        let moved = |bias: Param<Tensor<1>>| {
            let (id, value) = (bias.id, bias.val());
            let by = Tensor::from_floats(by, &value.device());
            bias.transform_for_load((value + by).detach(), id)
        };
        assert!(self.bias.is_some(), "a convolution with a bias");
        // One number would be taken for all.
        assert_eq!(by.len(), self.outputs(), "a number an output");
        Self {
            bias: self.bias.map(moved),
            ..self
        }
    }

    /// The same layer with weight and bias multiplied.
    pub(crate) fn multiplied(self, weight: f32, bias: f32) -> Self {
        Self {
            weight: multiplied(self.weight, weight),
            bias: self.bias.map(|b| multiplied(b, bias)),
            options: self.options,
        }
    }
}

fn multiplied<const D: usize>(param: Param<Tensor<D>>, factor: f32) -> Param<Tensor<D>> {
    let (id, value) = (param.id, (param.val() * factor).detach());
    param.transform_for_load(value, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn relu_behind_a_convolution_is_relu_of_its_output() {
        let autodiff = Device::flex().autodiff();
        for spec in [ConvSpec::new(3, 5, 3), ConvSpec::new(3, 5, 3).no_bias()] {
            let conv = spec.init(&Init::new(&autodiff, 1));
            for (conv, device) in [(conv.valid(), Device::flex()), (conv, autodiff.clone())] {
                let values: Vec<f32> = (0..108).map(|at| (at as f32 * 0.7).cos()).collect();
                let x = Tensor::<1>::from_floats(values.as_slice(), &device);
                let x = x.reshape([1, 3, 6, 6]);
                let found = conv.forward_relu(x.clone()).into_data();
                assert_eq!(found, relu(conv.forward(x)).into_data());
                let zeros = found.iter::<f32>().filter(|value| *value == 0.0).count();
                assert!(0 < zeros && zeros < 180, "{zeros}");
            }
        }
    }
}
