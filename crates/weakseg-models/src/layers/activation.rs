//! ReLU as a module, so that it takes its place (and its number) in a PyTorch `Sequential`.

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::relu;

/// `max(x, 0)`.
#[derive(Module, Debug, Default)]
pub struct Relu;

impl Relu {
    /// # Shapes
    /// any → the same
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(x)
    }
}
