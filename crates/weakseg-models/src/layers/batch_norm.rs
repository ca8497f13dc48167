//! Batch norm with PyTorch's names and PyTorch's running variance.

use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::Tensor;
use weakseg_kernels::{NormOptions, batch_norm, channel_affine};

use super::Init;
use super::init::Law;

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// Batch norm over `[B, C, H, W]` (Ioffe and Szegedy 2015), ε = 1e-5, momentum 0.1.
///
/// Trains (batch statistics, updating the running ones) on an autodiff device unless the layer
/// was frozen with [`Module::freeze`]; otherwise uses the running statistics.
///
/// Departs from Burn's `BatchNorm`: because checkpoints name the fields `weight` and `bias`, and
/// because PyTorch's running variance is the unbiased one (Σ(x − mean)² / (n − 1)), Burn's the
/// biased.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale γ, `[C]`.
    pub weight: Param<Tensor<1>>,
    /// Shift β, `[C]`.
    pub bias: Param<Tensor<1>>,
    /// `[C]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// `[C]`, unbiased.
    pub running_var: RunningState<Tensor<1>>,
    /// Whether batch statistics are used and noted in training; cleared by [`Module::freeze`], which
    /// fixes scale and shift as well, and by a network that is built with fixed statistics.
    pub training: Param<Flag>,
}

impl BatchNorm {
    pub(crate) fn new(init: &Init<'_>, channels: usize) -> Self {
        Self {
            weight: init.param([channels], Law::Constant(1.0)),
            bias: init.param([channels], Law::Constant(0.0)),
            running_mean: RunningState::new(Tensor::zeros([channels], init.device())),
            running_var: RunningState::new(Tensor::ones([channels], init.device())),
            training: Param::from_bool(!init.has_fixed_statistics()),
        }
    }

    /// # Shapes
    /// `[B, C, H, W]` → the same
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.normalize(x, false)
    }

    /// [`forward`](Self::forward) and ReLU in one pass.
    ///
    /// # Shapes
    /// `[B, C, H, W]` → the same
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        self.normalize(x, true)
    }

    fn normalize(&self, x: Tensor<4>, relu: bool) -> Tensor<4> {
        if x.is_autodiff() && self.training.is_enabled() {
            self.normalize_train(x, relu)
        } else {
            self.normalize_eval(x, relu)
        }
    }

    fn normalize_eval(&self, x: Tensor<4>, relu: bool) -> Tensor<4> {
        let device = x.device();
        let mean = self.running_mean.value_sync().to_device(&device);
        let variance = self.running_var.value_sync().to_device(&device);
        let scale = self.weight.val() / (variance + EPSILON).sqrt();
        let shift = self.bias.val() - mean * scale.clone();
        channel_affine(x, scale, shift, relu)
    }

    fn normalize_train(&self, x: Tensor<4>, relu: bool) -> Tensor<4> {
        let device = x.device();
        let [batch, _, height, width] = x.dims();
        let count = (batch * height * width) as f64;
        // One value a channel has no unbiased variance; PyTorch refuses, we keep the biased zero.
        let unbiased = count / (count - 1.0).max(1.0);

        let options = NormOptions {
            epsilon: EPSILON,
            relu,
        };
        let (output, mean, variance) = batch_norm(x, self.weight.val(), self.bias.val(), &options);
        let blend = |running: &RunningState<Tensor<1>>, batch: Tensor<1>| {
            let kept = running.value_sync().to_device(&device) * (1.0 - MOMENTUM);
            running.update((kept + batch.detach() * MOMENTUM).detach());
        };
        blend(&self.running_mean, mean);
        blend(&self.running_var, variance * unbiased);
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn input(device: &Device) -> Tensor<4> {
        Tensor::<1>::from_floats([1.0, 3.0, 5.0, 7.0], device).reshape([2, 1, 1, 2])
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn running_statistics_are_torchs() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm::new(&Init::new(&device, 0), 1);
        let y = values(norm.forward(input(&device)));
        assert!((y[0] + 1.341_64).abs() < 1e-3, "{y:?}");
        // mean 4, unbiased variance 20/3: 0.9·old + 0.1·new
        assert!((values(norm.running_mean.value_sync())[0] - 0.4).abs() < 1e-6);
        assert!((values(norm.running_var.value_sync())[0] - (0.9 + 2.0 / 3.0)).abs() < 1e-6);
    }

    #[test]
    fn frozen_and_valid_use_the_running_statistics() {
        let device = Device::flex().autodiff();
        let norm = BatchNorm::new(&Init::new(&device, 0), 1);
        let plain = values(norm.valid().forward(input(&Device::flex())));
        assert!((plain[3] - 7.0).abs() < 1e-3, "{plain:?}");
        let frozen = norm.freeze();
        assert_eq!(values(frozen.forward(input(&device))), plain);
        assert_eq!(values(frozen.running_mean.value_sync()), [0.0]);
    }
}
