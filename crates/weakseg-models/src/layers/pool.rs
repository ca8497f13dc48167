//! Pooling: the greatest value of windows, the mean of whole maps.

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::{PoolOptions, global_mean, max_pool2d};

/// Max pooling over square windows. The padding never wins.
#[derive(Module, Debug)]
pub struct MaxPool {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Pixels added on each side.
    pub padding: usize,
    /// Whether a last window that does not fit whole counts too.
    pub ceil: bool,
}

impl MaxPool {
    /// A window of `kernel` moved by `stride` over an input padded by `padding`.
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel,
            stride,
            padding,
            ceil: false,
        }
    }

    /// The same with a last window that does not fit whole, PyTorch's `ceil_mode`.
    pub fn with_ceil(self) -> Self {
        Self { ceil: true, ..self }
    }

    /// # Shapes
    /// `[B, C, H, W]` → `[B, C, ⌊(H + 2·padding − kernel) / stride⌋ + 1, …]`; rounded up with
    /// [`with_ceil`](Self::with_ceil)
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = PoolOptions {
            ceil: self.ceil,
            ..PoolOptions::new(self.kernel, self.stride, self.padding)
        };
        max_pool2d(x, &options)
    }
}

/// The mean over each whole map, PyTorch's `AdaptiveAvgPool2d(1)`.
#[derive(Module, Debug, Default)]
pub struct GlobalMean;

impl GlobalMean {
    /// # Shapes
    /// `[B, C, H, W]` → `[B, C, 1, 1]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        global_mean(x)
    }
}
