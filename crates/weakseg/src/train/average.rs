//! The exponential moving average of a network's weights.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use weakseg_models::weights::parameters;

/// The average after one more optimizer step, without autodiff; `average` is none before the first step, whose weights
/// it then is. Equals `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`.
///
/// Parameters become `decay` · average + (1 − `decay`) · network. Running statistics of batch norm are copied from the
/// network as they are: they are moving averages already, and PyTorch does the same (`use_buffers=False`).
pub fn averaged<M: Module>(average: Option<M>, network: &M, decay: f64) -> M {
    // Settles running statistics that the last forward pass has left pending.
    let now = network.valid();
    let Some(average) = average else {
        return now;
    };
    let mut values = Values::default();
    now.visit(&mut values);
    let copied = parameters(&now)
        .into_iter()
        .filter(|parameter| !parameter.trainable)
        .map(|parameter| parameter.id)
        .collect();
    average.map(&mut Blend {
        values: values.0,
        copied,
        share: 1.0 - decay,
    })
}

#[derive(Default)]
struct Values(HashMap<ParamId, Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().inner();
        self.0.insert(param.id, value.flatten(0, D - 1));
    }
}

struct Blend {
    values: HashMap<ParamId, Tensor<1>>,
    copied: HashSet<ParamId>,
    share: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let now = self
            .values
            .remove(&param.id)
            .expect("the average has the network's parameters");
        let (id, old, mapper) = param.consume();
        let now = now.reshape(old.shape());
        let new = match self.copied.contains(&id) {
            true => now,
            false => old.clone() + (now - old) * self.share,
        };
        Param::from_mapped_value(id, new, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::RunningState;
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Net {
        weight: Param<Tensor<1>>,
        frozen: Param<Tensor<1>>,
        running_mean: RunningState<Tensor<1>>,
    }

    fn net(weight: f32, mean: f32, device: &Device) -> Net {
        let of = |value: f32| Tensor::<1>::from_floats([value], device);
        Net {
            weight: Param::from_tensor(of(weight)),
            frozen: Param::from_tensor(of(0.1)).set_require_grad(false),
            running_mean: RunningState::new(of(mean)),
        }
    }

    #[test]
    fn weights_are_averaged_and_running_statistics_copied() {
        let device = Device::flex().autodiff();
        let numbers = |net: &Net| {
            [
                net.weight.val(),
                net.frozen.val(),
                net.running_mean.value_sync(),
            ]
            .map(|t| t.into_scalar::<f32>())
        };
        let mut network = net(1.0, 5.0, &device);
        let first = averaged(None, &network, 0.75);
        assert_eq!(
            numbers(&first),
            [1.0, 0.1, 5.0],
            "it starts as the network is"
        );
        network.weight = network.weight.map(|_| Tensor::from_floats([3.0], &device));
        // Left pending, as a forward pass of batch norm does.
        network
            .running_mean
            .update(Tensor::from_floats([7.0], &device));
        let second = averaged(Some(first), &network, 0.75);
        assert_eq!(numbers(&second), [1.5, 0.1, 7.0]);
        assert!(!second.weight.val().is_autodiff());
        assert_eq!(numbers(&network)[0], 3.0, "the network learns on as it was");
    }
}
