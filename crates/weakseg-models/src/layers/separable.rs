//! Convolution in space and over channels, together or one after the other.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{BatchNorm, Conv2d, ConvSpec, Init};

/// A k x k convolution, whole or separable. In a checkpoint's keys the kind leaves no trace.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network holds four, and Module derives only for plain fields"
)]
pub enum SpatialConv {
    /// One convolution.
    Dense(Conv2d),
    /// Depthwise, then pointwise.
    Separable(SeparableConv),
}

/// Depthwise k x k, then 1x1, without anything between (Chollet 2017), under the keys of VainF's
/// `AtrousSeparableConvolution` (`body.0.weight`, `body.1.weight`).
#[derive(Module, Debug)]
pub struct SeparableConv {
    body: (Conv2d, Conv2d),
}

impl SpatialConv {
    pub(crate) fn new(init: &Init<'_>, spec: ConvSpec, separable: bool) -> Self {
        if separable {
            let (depthwise, pointwise) = spec.separated();
            Self::Separable(SeparableConv {
                body: (depthwise.init(init), pointwise.init(init)),
            })
        } else {
            Self::Dense(spec.init(init))
        }
    }

    /// # Shapes
    /// `[B, I, H, W]` → `[B, O, H', W']`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Dense(conv) => conv.forward(x),
            Self::Separable(SeparableConv {
                body: (depthwise, pointwise),
            }) => pointwise.forward(depthwise.forward(x)),
        }
    }

    /// Batch norm of [`forward`](Self::forward), and ReLU.
    ///
    /// # Shapes
    /// As there.
    pub(crate) fn forward_norm_relu(&self, norm: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Dense(conv) => norm.after(conv, x, true),
            Self::Separable(SeparableConv {
                body: (depthwise, pointwise),
            }) => norm.after(pointwise, depthwise.forward(x), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_norm_behind_either_kind_is_a_norm_of_its_output() {
        let device = Device::flex().autodiff();
        for separable in [false, true] {
            let init = Init::new(&device, 2);
            let spec = ConvSpec::new(3, 4, 3).dilation(2);
            let conv = SpatialConv::new(&init, spec, separable);
            let norm = BatchNorm::new(&init, 4).freeze();
            let values: Vec<f32> = (0..147).map(|at| (at as f32 * 0.3).sin()).collect();
            let x = Tensor::<1>::from_floats(values.as_slice(), &device).reshape([1, 3, 7, 7]);
            let found = conv.forward_norm_relu(&norm, x.clone());
            let expected = norm.forward_relu(conv.forward(x));
            let difference = (found - expected.clone()).abs().max().into_scalar::<f32>();
            assert!(difference <= 1e-6, "{difference}");
            assert!(expected.max().into_scalar::<f32>() > 0.1);
        }
    }
}
