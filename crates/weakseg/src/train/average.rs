//! The exponential moving average of a network's weights.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use weakseg_models::weights::parameters;

/// The average after one more optimizer step, without autodiff; `average` is none before the first step, whose weights it
/// then is. Equals `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`.
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
