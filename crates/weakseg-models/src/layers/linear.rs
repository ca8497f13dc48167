//! A linear layer with PyTorch's weight layout.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::Init;
use super::init::Law;

/// `x·weightᵀ + bias`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[outputs, inputs]`, PyTorch's layout and so the rows of a CAM's class weights.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// N(0, `std`) weights and a zero bias.
    pub(crate) fn normal(init: &Init<'_>, inputs: usize, outputs: usize, std: f64) -> Self {
        Self {
            weight: init.param([outputs, inputs], Law::Normal { std }),
            bias: init.param([outputs], Law::Constant(0.0)),
        }
    }

    /// PyTorch's default, U(±1/√inputs) for both.
    pub(crate) fn torch(init: &Init<'_>, inputs: usize, outputs: usize) -> Self {
        let law = Law::Uniform {
            bound: (inputs as f64).sqrt().recip(),
        };
        Self {
            weight: init.param([outputs, inputs], law),
            bias: init.param([outputs], law),
        }
    }

    /// # Shapes
    /// `[B, inputs]` → `[B, outputs]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}
