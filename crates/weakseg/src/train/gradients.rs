//! Gradients of a network as a whole: their mean over micro-batches, their norm, clipping.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Tensor, TensorReadError};

/// Sums of squares are taken over so many values at a time: Burn's CPU sums longer ones in an order that depends on the
/// threads, and a clipped step must not.
const AT_ONCE: usize = 1 << 20;

/// The mean of the gradients of some micro-batches.
pub struct MeanGradients<M> {
    sum: GradientsAccumulator<M>,
    count: usize,
}

impl<M: Module> MeanGradients<M> {
    /// Of none.
    pub fn new() -> Self {
        Self {
            sum: GradientsAccumulator::new(),
            count: 0,
        }
    }

    /// Takes the gradients of one more.
    pub fn add(&mut self, network: &M, gradients: GradientsParams) {
        self.sum.accumulate(network, gradients);
        self.count += 1;
    }

    /// The mean; of one micro-batch its gradients, bit for bit.
    pub fn take(mut self, network: &M) -> GradientsParams {
        let sum = self.sum.grads();
        match self.count {
            0 | 1 => sum,
            n => scaled(network, sum, 1.0 / n as f64),
        }
    }
}

/// L2 norm over the gradients of all parameters together.
///
/// # Errors
/// If the device cannot give it: what went wrong on a GPU is said when something is read from it.
pub fn norm<M: Module>(network: &M, gradients: &GradientsParams) -> Result<f64, TensorReadError> {
    let mut squares = Squares {
        gradients,
        sums: Vec::new(),
    };
    network.visit(&mut squares);
    if squares.sums.is_empty() {
        return Ok(0.0);
    }
    let sum: f32 = Tensor::cat(squares.sums, 0).sum().try_into_scalar()?;
    Ok(f64::from(sum).sqrt())
}

/// Scales gradients of the norm `norm` down to `limit`, as `torch.nn.utils.clip_grad_norm_`; smaller ones stay.
pub fn clipped<M: Module>(
    network: &M,
    gradients: GradientsParams,
    norm: f64,
    limit: f64,
) -> GradientsParams {
    let factor = limit / (norm + 1e-6);
    match factor < 1.0 {
        true => scaled(network, gradients, factor),
        false => gradients,
    }
}

fn scaled<M: Module>(network: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    let mut scale = Scale { gradients, factor };
    network.visit(&mut scale);
    scale.gradients
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else {
            return;
        };
        let squares: Tensor<1> = gradient.inner().square().flatten(0, D - 1);
        let [length] = squares.dims();
        if length <= AT_ONCE {
            self.sums.push(squares.sum());
            return;
        }
        for start in (0..length).step_by(AT_ONCE) {
            let part = squares
                .clone()
                .narrow(0, start, AT_ONCE.min(length - start));
            self.sums.push(part.sum());
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    /// More values than are summed at once, and a tail.
    #[test]
    fn the_norm_counts_every_value_once() {
        let device = Device::flex().autodiff();
        let layer: Linear = LinearConfig::new(2, AT_ONCE / 2 + 3)
            .with_bias(false)
            .init(&device);
        let loss = (layer.weight.val() * 2.0).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        let wanted = (4.0 * (AT_ONCE + 6) as f64).sqrt();
        let found = norm(&layer, &gradients).unwrap();
        assert!((found / wanted - 1.0).abs() < 1e-6, "{found}");
        let gradients = clipped(&layer, gradients, found, 1.0);
        assert!((norm(&layer, &gradients).unwrap() - 1.0).abs() < 1e-5);
        let same = clipped(&layer, gradients, 1.0, 2.0);
        assert!((norm(&layer, &same).unwrap() - 1.0).abs() < 1e-5);
    }
}
