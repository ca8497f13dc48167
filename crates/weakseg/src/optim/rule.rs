//! The update rules, each of one parameter tensor.

use burn::tensor::Tensor;
use weakseg_kernels::{AdamStep, SgdStep, adam_update, momentum_update, sgd_update};

use super::{OptimConfig, OptimKind};

/// What the optimizer remembers of one parameter: its number of steps and up to two tensors of its size, flattened.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// Steps taken.
    pub step: u64,
    /// SGD's momentum buffer, or Adam's first moment.
    pub first: Option<Tensor<1>>,
    /// Adam's second moment.
    pub second: Option<Tensor<1>>,
}

/// One step of a parameter; `parameter` and `gradient` are without autodiff.
pub(super) fn step<const D: usize>(
    config: &OptimConfig,
    lr: f64,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    slot: &mut Slot,
) -> Tensor<D> {
    slot.step += 1;
    let shape = parameter.shape();
    let (parameter, gradient) = (parameter.flatten(0, D - 1), gradient.flatten(0, D - 1));
    let updated = match config.kind {
        OptimKind::Sgd | OptimKind::SgdReference => sgd(config, lr, parameter, gradient, slot),
        _ => adam(config, lr, parameter, gradient, slot),
    };
    updated.reshape(shape)
}

/// `torch.optim.SGD`: the buffer starts as the first gradient and is not dampened.
fn sgd(
    config: &OptimConfig,
    lr: f64,
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot,
) -> Tensor<1> {
    let step = SgdStep {
        lr,
        momentum: config.effective_momentum(),
        nesterov: config.nesterov,
        weight_decay: config.weight_decay,
    };
    if step.momentum == 0.0 {
        return sgd_update(parameter, gradient, &step);
    }
    let buffer = slot.first.take().unwrap_or_else(|| parameter.zeros_like());
    let (parameter, buffer) = momentum_update(parameter, gradient, buffer, &step);
    slot.first = Some(buffer);
    parameter
}

/// Adam (Kingma & Ba 2015, algorithm 1), AdamW (Loshchilov & Hutter 2019, algorithm 2) and RAdam (Liu et al. 2020,
/// algorithm 2), which differ in the decay and in the factor on the step.
fn adam(
    config: &OptimConfig,
    lr: f64,
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot,
) -> Tensor<1> {
    let [beta1, beta2] = config.betas;
    let t = slot.step as f64;
    let (correction1, correction2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
    let (weight_decay, shrink) = match config.kind {
        OptimKind::Adam => (config.weight_decay, 1.0),
        _ => (0.0, 1.0 - lr * config.weight_decay),
    };
    let adam = AdamStep {
        step: lr / correction1,
        root: correction2.sqrt(),
        epsilon: config.epsilon,
        betas: config.betas,
        weight_decay,
        shrink,
        adaptive: true,
    };
    let step = match (config.kind, rectification(beta2, t)) {
        // Its epsilon stands beside the root that is not corrected.
        (OptimKind::RAdam, Some(factor)) => AdamStep {
            step: adam.step * factor * adam.root,
            root: 1.0,
            ..adam
        },
        (OptimKind::RAdam, None) => AdamStep {
            adaptive: false,
            ..adam
        },
        _ => adam,
    };
    let moments = [slot.first.take(), slot.second.take()];
    let moments = moments.map(|moment| moment.unwrap_or_else(|| parameter.zeros_like()));
    let (parameter, [first, second]) = adam_update(parameter, gradient, moments, &step);
    slot.first = Some(first);
    slot.second = Some(second);
    parameter
}

/// RAdam's r_t, or `None` while the length of the approximated moving average is below 5 (reference §1.4).
fn rectification(beta2: f64, t: f64) -> Option<f64> {
    let power = beta2.powf(t);
    let longest = 2.0 / (1.0 - beta2) - 1.0;
    let length = longest - 2.0 * t * power / (1.0 - power);
    (length >= 5.0).then(|| {
        ((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length))
            .sqrt()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use serde_json::Value;

    fn trace(config: &OptimConfig, start: &[f32]) -> Vec<Vec<f32>> {
        let device = Device::flex();
        let mut parameter = Tensor::<1>::from_floats(start, &device);
        let mut slot = Slot::default();
        (0..10)
            .map(|t| {
                let wave: Vec<f32> = (0..4)
                    .map(|i| (0.8 * f64::from(t + i).cos()) as f32)
                    .collect();
                let gradient =
                    Tensor::<1>::from_floats(wave.as_slice(), &device) + parameter.clone() * 0.1;
                parameter = step(config, config.lr, parameter.clone(), gradient, &mut slot);
                parameter.to_data().try_to_vec().unwrap()
            })
            .collect()
    }

    #[test]
    fn ten_steps_equal_pytorch() {
        let oracle: Value =
            serde_json::from_str(include_str!("../../tests/oracle/optimizers.json")).unwrap();
        let numbers = |v: &Value| -> Vec<f32> {
            v.as_array()
                .unwrap()
                .iter()
                .map(|x| x.as_f64().unwrap() as f32)
                .collect()
        };
        let start = numbers(&oracle["start"]);
        for (name, config) in [
            ("sgd", OptimConfig::sgd(0.1, 0.9, 0.01)),
            ("sgd_plain", OptimConfig::sgd(0.1, 0.0, 0.0)),
            (
                "nesterov",
                OptimConfig {
                    nesterov: true,
                    ..OptimConfig::sgd(0.1, 0.9, 0.01)
                },
            ),
            ("adam", OptimConfig::adam(OptimKind::Adam, 0.05, 0.01)),
            ("adamw", OptimConfig::adam(OptimKind::AdamW, 0.05, 0.1)),
            ("radam", OptimConfig::adam(OptimKind::RAdam, 0.05, 0.1)),
        ] {
            for (t, (ours, row)) in trace(&config, &start)
                .iter()
                .zip(oracle["rule"][name].as_array().unwrap())
                .enumerate()
            {
                for (a, b) in ours.iter().zip(numbers(row)) {
                    assert!(
                        (a - b).abs() < 2e-6,
                        "{name}, step {}: {a} instead of {b}",
                        t + 1
                    );
                }
            }
        }
    }

    /// Burn's own SGD dampens by 0.1 unless told otherwise, which would show here from the second step on.
    #[test]
    fn momentum_is_not_dampened() {
        let device = Device::flex();
        let config = OptimConfig::sgd(1.0, 0.5, 0.0);
        let mut slot = Slot::default();
        let mut p = Tensor::<1>::from_floats([0.0], &device);
        for wanted in [-1.0f32, -2.5, -4.25] {
            p = step(
                &config,
                1.0,
                p,
                Tensor::from_floats([1.0], &device),
                &mut slot,
            );
            assert_eq!(p.clone().into_scalar::<f32>(), wanted);
        }
    }

    #[test]
    fn the_reference_runs_with_its_weight_decay_as_momentum() {
        let ours = OptimConfig {
            kind: OptimKind::SgdReference,
            ..OptimConfig::sgd(0.1, 0.9, 0.01)
        };
        let start = [0.5, -1.0, 2.0, 0.0];
        let said = trace(&OptimConfig::sgd(0.1, 0.01, 0.01), &start);
        assert_eq!(trace(&ours, &start), said);
        assert_ne!(said, trace(&OptimConfig::sgd(0.1, 0.9, 0.01), &start));
    }

    #[test]
    fn radam_rectifies_from_the_sixth_step() {
        assert_eq!(
            (1..8)
                .map(|t| rectification(0.999, f64::from(t)).is_some())
                .collect::<Vec<_>>(),
            [false, false, false, false, false, true, true]
        );
    }
}
