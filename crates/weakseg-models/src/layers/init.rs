//! Initial weights, drawn on the CPU so that every device starts from the same network.

use std::cell::Cell;

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The distribution one parameter starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Law {
    Constant(f32),
    /// N(0, std).
    Normal {
        std: f64,
    },
    /// U(-bound, bound).
    Uniform {
        bound: f64,
    },
    /// A kernel `[outputs, inputs, k, k]` (k odd) that passes input channel i to output channel i,
    /// plus N(0, std).
    NearIdentity {
        std: f64,
    },
}

/// Hands out parameters, each with a ChaCha8 stream of its own: the n-th parameter of a network
/// depends on the seed and n alone, not on the device nor on which parameters were used before.
#[derive(Debug)]
pub(crate) struct Init<'d> {
    device: &'d Device,
    seed: u64,
    next: Cell<u64>,
    fixed_statistics: bool,
}

impl<'d> Init<'d> {
    pub(crate) fn new(device: &'d Device, seed: u64) -> Self {
        Self {
            device,
            seed,
            next: Cell::new(0),
            fixed_statistics: false,
        }
    }

    /// Whether the batch norms made from here keep the running statistics they are loaded with.
    pub(crate) fn fixed_statistics(self, fixed_statistics: bool) -> Self {
        Self {
            fixed_statistics,
            ..self
        }
    }

    pub(crate) fn has_fixed_statistics(&self) -> bool {
        self.fixed_statistics
    }

    pub(crate) fn device(&self) -> &'d Device {
        self.device
    }

    /// A parameter filled on first use, so that a network about to load a checkpoint never draws
    /// the numbers it will overwrite.
    pub(crate) fn param<const D: usize>(&self, dims: [usize; D], law: Law) -> Param<Tensor<D>> {
        let stream = self.next.get();
        self.next.set(stream + 1);
        let seed = self.seed;
        Param::uninitialized(
            ParamId::new(),
            move |device, require_grad| {
                let data = TensorData::new(draw(seed, stream, &dims, law), dims);
                let tensor = Tensor::from_data(data, device);
                if require_grad {
                    tensor.require_grad()
                } else {
                    tensor
                }
            },
            self.device.clone(),
            true,
            Shape::from(dims),
        )
    }
}

fn draw(seed: u64, stream: u64, dims: &[usize], law: Law) -> Vec<f32> {
    let count = dims.iter().product();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    match law {
        Law::Constant(value) => vec![value; count],
        Law::Normal { std } => {
            let mut values = Vec::with_capacity(count + 1);
            while values.len() < count {
                // Box-Muller: two normals from two uniforms; 1 - u keeps the logarithm finite.
                let radius = (-2.0 * (1.0 - unit(&mut rng)).ln()).sqrt() * std;
                let (sin, cos) = (std::f64::consts::TAU * unit(&mut rng)).sin_cos();
                values.extend([(radius * cos) as f32, (radius * sin) as f32]);
            }
            values.truncate(count);
            values
        }
        Law::Uniform { bound } => (0..count)
            .map(|_| ((2.0 * unit(&mut rng) - 1.0) * bound) as f32)
            .collect(),
        Law::NearIdentity { std } => {
            let mut values = draw(seed, stream, dims, Law::Normal { std });
            let &[outputs, inputs, height, width] = dims else {
                unreachable!("only convolutions start near the identity");
            };
            let area = height * width;
            for channel in 0..outputs.min(inputs) {
                values[(channel * inputs + channel) * area + area / 2] += 1.0;
            }
            values
        }
    }
}

/// Uniform in [0, 1) from 32 random bits.
pub(super) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        (mean, variance.sqrt())
    }

    #[test]
    fn laws_have_their_moments() {
        let (mean, std) = moments(&draw(3, 0, &[20_001], Law::Normal { std: 0.5 }));
        assert!(
            mean.abs() < 0.02 && (std - 0.5).abs() < 0.01,
            "{mean} {std}"
        );
        let uniform = draw(3, 1, &[20_000], Law::Uniform { bound: 2.0 });
        let (mean, std) = moments(&uniform);
        assert!(mean.abs() < 0.05 && (std - 2.0 / 3.0_f64.sqrt()).abs() < 0.02);
        assert!(uniform.iter().all(|v| v.abs() <= 2.0));
    }

    #[test]
    fn near_the_identity_channels_pass() {
        let values = draw(1, 0, &[3, 3, 3, 3], Law::NearIdentity { std: 0.0 });
        for (at, value) in values.iter().enumerate() {
            let (output, input, tap) = (at / 27, at / 9 % 3, at % 9);
            let passed = output == input && tap == 4;
            assert_eq!(
                *value,
                f32::from(u8::from(passed)),
                "{output} {input} {tap}"
            );
        }
        let noisy = draw(1, 0, &[3, 3, 3, 3], Law::NearIdentity { std: 0.1 });
        let noise = draw(1, 0, &[81], Law::Normal { std: 0.1 });
        let difference = |at: usize| noisy[at] - values[at] - noise[at];
        assert!((0..81).all(|at| difference(at).abs() < 1e-6));
    }

    #[test]
    fn parameters_do_not_depend_on_the_order_of_use() {
        let device = Device::flex();
        let normal = Law::Normal { std: 1.0 };
        let read = |param: &Param<Tensor<1>>| -> Vec<f32> {
            param.val().into_data().try_to_vec().unwrap()
        };
        let init = Init::new(&device, 7);
        let (a, b) = (init.param([5], normal), init.param([5], normal));
        let (b_first, a_second) = (read(&b), read(&a));
        let init = Init::new(&device, 7);
        let (a, b) = (init.param([5], normal), init.param([5], normal));
        assert_eq!((read(&a), read(&b)), (a_second.clone(), b_first.clone()));
        assert_ne!(a_second, b_first);
    }
}
