//! Batch norm with PyTorch's names and PyTorch's running variance.

use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::Tensor;
use weakseg_kernels::{
    NormOptions, batch_norm, batch_norm_add_relu, channel_affine, channel_affine_add_relu,
};

use super::init::Law;
use super::{Conv2d, Init};

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
///
/// Training steps belong on one thread: Burn averages what several threads have noted of the running statistics,
/// instead of taking their steps one after the other.
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

    /// [`forward`](Self::forward) of a convolution of x, then ReLU if asked for; with the running statistics by
    /// [`Conv2d::forward_affine`].
    ///
    /// # Shapes
    /// `[B, I, H, W]` → `[B, C, H', W']`
    pub(crate) fn after(&self, conv: &Conv2d, x: Tensor<4>, relu: bool) -> Tensor<4> {
        if self.uses_batch(conv.output_is_autodiff(&x)) {
            return self.normalize(conv.forward(x), relu);
        }
        let (scale, shift) = self.affine(&x);
        conv.forward_affine(x, scale, shift, relu)
    }

    /// max([`forward`](Self::forward) of a convolution of x + shortcut, 0), the end of a residual block; with the
    /// running statistics by [`Conv2d::forward_affine_add_relu`].
    ///
    /// # Shapes
    /// `[B, I, H, W]`, `[B, C, H', W']` → `[B, C, H', W']`
    pub(crate) fn after_add_relu(
        &self,
        conv: &Conv2d,
        x: Tensor<4>,
        shortcut: Tensor<4>,
    ) -> Tensor<4> {
        if self.uses_batch(conv.output_is_autodiff(&x)) {
            return self.forward_add_relu(conv.forward(x), shortcut);
        }
        let (scale, shift) = self.affine(&x);
        conv.forward_affine_add_relu(x, scale, shift, shortcut)
    }

    /// [`forward`](Self::forward) and ReLU in one pass.
    ///
    /// # Shapes
    /// `[B, C, H, W]` → the same
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        self.normalize(x, true)
    }

    /// max([`forward`](Self::forward) + shortcut, 0), the end of a residual block, in one pass.
    ///
    /// # Shapes
    /// `[B, C, H, W]`, the same → the same
    pub fn forward_add_relu(&self, x: Tensor<4>, shortcut: Tensor<4>) -> Tensor<4> {
        if !self.uses_batch(x.is_autodiff()) {
            let (scale, shift) = self.affine(&x);
            return channel_affine_add_relu(x, scale, shift, shortcut);
        }
        let count = Self::count(&x);
        let (gamma, beta) = (self.weight.val(), self.bias.val());
        let (output, mean, variance) = batch_norm_add_relu(x, gamma, beta, shortcut, EPSILON);
        self.note(mean, variance, count);
        output
    }

    fn normalize(&self, x: Tensor<4>, relu: bool) -> Tensor<4> {
        if !self.uses_batch(x.is_autodiff()) {
            let (scale, shift) = self.affine(&x);
            return channel_affine(x, scale, shift, relu);
        }
        let count = Self::count(&x);
        let options = NormOptions {
            epsilon: EPSILON,
            relu,
        };
        let (output, mean, variance) = batch_norm(x, self.weight.val(), self.bias.val(), &options);
        self.note(mean, variance, count);
        output
    }

    /// Whether the batch's own statistics count, on an autodiff device or another.
    fn uses_batch(&self, is_autodiff: bool) -> bool {
        is_autodiff && self.training.is_enabled()
    }

    /// Scale and shift of each channel by the running statistics.
    fn affine(&self, x: &Tensor<4>) -> (Tensor<1>, Tensor<1>) {
        let device = x.device();
        let mean = self.running_mean.value_sync().to_device(&device);
        let variance = self.running_var.value_sync().to_device(&device);
        let scale = self.weight.val() / (variance + EPSILON).sqrt();
        let shift = self.bias.val() - mean * scale.clone();
        (scale, shift)
    }

    /// Values a channel.
    fn count(x: &Tensor<4>) -> usize {
        let [batch, _, height, width] = x.dims();
        batch * height * width
    }

    /// Moves the running statistics to those of a batch of `count` values a channel.
    fn note(&self, mean: Tensor<1>, variance: Tensor<1>, count: usize) {
        // One value a channel has no unbiased variance; PyTorch refuses, we keep the biased zero.
        let unbiased = count as f64 / (count as f64 - 1.0).max(1.0);
        let blend = |running: &RunningState<Tensor<1>>, batch: Tensor<1>| {
            let kept = running.value_sync().to_device(&batch.device()) * (1.0 - MOMENTUM);
            running.update((kept + batch.detach() * MOMENTUM).detach());
        };
        blend(&self.running_mean, mean);
        blend(&self.running_var, variance * unbiased);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::ConvSpec;
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

    /// A convolution and its norm, whose parameters and statistics are none of the usual ones.
    fn conv_and_norm(device: &Device, bias: bool) -> (Conv2d, BatchNorm) {
        let spec = ConvSpec::new(3, 4, 3);
        let spec = if bias { spec } else { spec.no_bias() };
        let vector = |values: [f32; 4]| Tensor::<1>::from_floats(values, device);
        let init = Init::new(device, 5);
        let conv = spec.init(&init);
        let norm = BatchNorm {
            weight: Param::from_tensor(vector([1.5, -0.7, 0.3, 2.0])),
            bias: Param::from_tensor(vector([0.2, 0.1, -0.4, -0.1])),
            running_mean: RunningState::new(vector([0.3, -0.2, 0.1, 0.5])),
            running_var: RunningState::new(vector([0.5, 2.0, 1.3, 0.1])),
            ..BatchNorm::new(&init, 4)
        };
        (conv, norm)
    }

    fn images(channels: usize, device: &Device) -> Tensor<4> {
        let count = 2 * channels * 5 * 6;
        let values: Vec<f32> = (0..count).map(|at| (at as f32 * 0.37).sin()).collect();
        Tensor::<1>::from_floats(values.as_slice(), device).reshape([2, channels, 5, 6])
    }

    #[track_caller]
    fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
        assert_eq!(found.dims(), expected.dims());
        let (found, expected) = (values(found), values(expected));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-5, "{found} for {expected}");
        }
    }

    /// What may follow a convolution, joined to it and one after the other.
    fn both_ways(
        conv: &Conv2d,
        norm: impl Fn() -> BatchNorm,
        x: &Tensor<4>,
    ) -> [[Vec<Tensor<4>>; 2]; 3] {
        let shortcut = images(4, &x.device());
        let results = |y: Tensor<4>, norm: &BatchNorm| {
            let running = [&norm.running_mean, &norm.running_var];
            let mut all = vec![y];
            all.extend(running.map(|state| state.value_sync().inner().reshape([1, 4, 1, 1])));
            all
        };
        let pair = |joined: &dyn Fn(&BatchNorm) -> Tensor<4>,
                    apart: &dyn Fn(&BatchNorm) -> Tensor<4>| {
            let (first, second) = (norm(), norm());
            [
                results(joined(&first), &first),
                results(apart(&second), &second),
            ]
        };
        let after = |relu| {
            pair(&|norm| norm.after(conv, x.clone(), relu), &|norm| {
                norm.normalize(conv.forward(x.clone()), relu)
            })
        };
        [
            after(false),
            after(true),
            pair(
                &|norm| norm.after_add_relu(conv, x.clone(), shortcut.clone()),
                &|norm| norm.forward_add_relu(conv.forward(x.clone()), shortcut.clone()),
            ),
        ]
    }

    #[test]
    fn after_a_convolution_is_a_norm_of_its_output() {
        let (plain, autodiff) = (Device::flex(), Device::flex().autodiff());
        for bias in [false, true] {
            let (conv, _) = conv_and_norm(&autodiff, bias);
            let norm = || conv_and_norm(&autodiff, bias).1;
            let (tracked, untracked) = (images(3, &autodiff), images(3, &plain));
            let valid = both_ways(&conv.valid(), || norm().valid(), &untracked);
            let kept = values(norm().running_mean.value_sync());
            for (mode, trains, pairs) in [
                ("training", true, both_ways(&conv, norm, &tracked)),
                (
                    "frozen",
                    false,
                    both_ways(&conv, || norm().freeze(), &tracked),
                ),
                ("valid", false, valid),
                // Parameters decide where images do not.
                ("parameters", true, both_ways(&conv, norm, &untracked)),
                (
                    "frozen parameters",
                    false,
                    both_ways(&conv, || norm().freeze(), &untracked),
                ),
            ] {
                for [joined, apart] in pairs {
                    let moves = values(joined[1].clone()) != kept;
                    assert_eq!(moves, trains, "{mode}");
                    assert_eq!(joined[0].is_autodiff(), mode != "valid");
                    for (joined, apart) in joined.into_iter().zip(apart) {
                        assert_close(joined, apart);
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_through_a_frozen_norm_reach_the_convolution() {
        let device = Device::flex().autodiff();
        let (conv, norm) = conv_and_norm(&device, true);
        let norm = norm.freeze();
        let pairs = both_ways(&conv, || norm.clone(), &images(3, &device));
        for pair in pairs {
            let gradients = pair.map(|results| {
                let grads = results[0].clone().powi_scalar(2).sum().backward();
                let weight = conv.weight.val().grad(&grads).expect("weight's gradient");
                let bias = conv.bias.as_ref().expect("a bias").val();
                let bias = bias.grad(&grads).expect("bias's gradient");
                (weight * 0.01, bias * 0.01)
            });
            let [joined, apart] = gradients;
            assert!(values(joined.1.clone()).iter().any(|value| *value != 0.0));
            assert_close(joined.0, apart.0);
            assert_close(joined.1, apart.1);
        }
    }
}
