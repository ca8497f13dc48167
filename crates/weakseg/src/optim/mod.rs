//! Optimizers with PyTorch's semantics, learning-rate groups by module path, and state that outlives the process.
//!
//! Burn's own optimizers key their state by parameter ids, which a freshly built network draws anew, and its SGD
//! dampens the momentum by default. [`Optimizer`] keys by the parameter's *path in the module* (for example
//! `trunk.layer4.2.conv3.weight`), so a network built again and loaded from its weights goes on exactly where it
//! stopped.

mod config;
mod curve;
mod group;
mod path;
mod plateau;
mod rule;
mod schedule;
mod state;

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

pub use config::{OptimConfig, OptimKind};
pub use curve::{cosine, poly, restarts, step, warm_up};
pub use group::{GroupConfig, LrGroup, Parameters};
pub use path::parameter_paths;
pub use plateau::{Better, Plateau};
pub use schedule::{ScheduleConfig, ScheduleKind, SchedulePer, WarmUp};
pub use state::OptimError;

use path::Path;
use rule::Slot;

/// Updates the parameters of a module from their gradients.
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimConfig,
    groups: Vec<LrGroup>,
    slots: BTreeMap<String, Slot>,
}

impl Optimizer {
    /// An optimizer that has not taken a step. A parameter belongs to the first of `groups` that holds it; one that no
    /// group holds has the factor 1.
    pub fn new(config: &OptimConfig, groups: Vec<LrGroup>) -> Self {
        Self {
            config: config.clone(),
            groups,
            slots: BTreeMap::new(),
        }
    }

    /// Checks the groups against a module: a group that holds no parameter is a mistake that would otherwise train a
    /// part at the wrong rate without a word. A parameter that an earlier group holds does not count.
    ///
    /// # Errors
    /// [`OptimError::EmptyGroup`] with the module's parts.
    pub fn check_groups<M: Module>(&self, module: &M) -> Result<(), OptimError> {
        let known = parameter_paths(module);
        let mut held = vec![false; self.groups.len()];
        for parameter in &known {
            if let Some(place) = self.place(parameter) {
                held[place] = true;
            }
        }
        match held.iter().position(|&held| !held) {
            None => Ok(()),
            Some(place) => {
                let mut parts: Vec<&str> =
                    known.iter().filter_map(|p| p.split('.').next()).collect();
                parts.dedup();
                Err(OptimError::EmptyGroup {
                    group: self.groups[place].name.clone(),
                    parts: parts.join(", "),
                })
            }
        }
    }

    /// Number of the group that holds the parameter at `path`, none if it has the base learning rate.
    pub fn place(&self, path: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.holds(path))
    }

    /// Factor on the learning rate of the parameter at `path`.
    pub fn lr_factor(&self, path: &str) -> f64 {
        self.place(path)
            .map_or(1.0, |place| self.groups[place].factor)
    }

    /// One step at learning rate `lr` (the base rate times the schedule's factor; groups multiply it).
    ///
    /// A parameter without a gradient stays as it is and its state too, as in PyTorch.
    pub fn step<M: Module>(&mut self, module: M, gradients: GradientsParams, lr: f64) -> M {
        module.map(&mut Step {
            optimizer: self,
            gradients,
            lr,
            path: Path::default(),
        })
    }
}

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    gradients: GradientsParams,
    lr: f64,
    path: Path,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let path = self.path.join();
        let lr = self.lr * self.optimizer.lr_factor(&path);
        let slot = self.optimizer.slots.entry(path).or_default();
        let (id, tensor, mapper) = param.consume();
        let (required, checkpointing) = (
            tensor.is_require_grad(),
            tensor.gradient_checkpointing_strategy(),
        );
        let mut updated = Tensor::from_inner(rule::step(
            &self.optimizer.config,
            lr,
            tensor.inner(),
            gradient.inner(),
            slot,
        ));
        // Lifting back loses what the parameter carried on the autodiff side.
        if let Some(strategy) = checkpointing {
            updated = updated.with_gradient_checkpointing_strategy(strategy);
        }
        Param::from_mapped_value(id, updated.set_require_grad(required), mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    enum Trunk {
        Plain(Layers),
    }

    #[derive(Module, Debug)]
    struct Layers {
        layers: Vec<Linear>,
    }

    #[derive(Module, Debug)]
    struct Net {
        trunk: Trunk,
        head: Linear,
    }

    impl Net {
        fn new(device: &Device) -> Self {
            Self {
                trunk: Trunk::Plain(Layers {
                    layers: vec![linear(3, 4, device), linear(4, 4, device)],
                }),
                head: linear(4, 2, device),
            }
        }

        fn layers(&self) -> &[Linear] {
            let Trunk::Plain(trunk) = &self.trunk;
            &trunk.layers
        }

        fn forward(&self, x: Tensor<2>) -> Tensor<2> {
            let x = self
                .layers()
                .iter()
                .fold(x, |x, l| burn::tensor::activation::tanh(l.forward(x)));
            self.head.forward(x)
        }

        fn numbers(&self) -> Vec<Vec<f32>> {
            [&self.layers()[0], &self.layers()[1], &self.head]
                .iter()
                .map(|l| l.weight.val().into_data().try_to_vec().unwrap())
                .collect()
        }
    }

    /// The same weights each time, whatever other tests draw meanwhile.
    fn linear(inputs: usize, outputs: usize, device: &Device) -> Linear {
        let wave = |n: usize| {
            let values: Vec<f32> = (0..n).map(|i| (i as f32 * 1.3).sin() / 2.0).collect();
            Tensor::<1>::from_floats(values.as_slice(), device)
        };
        let mut layer = LinearConfig::new(inputs, outputs).init(device);
        layer.weight = Param::from_tensor(wave(inputs * outputs).reshape([inputs, outputs]));
        layer.bias = Some(Param::from_tensor(wave(outputs)));
        layer
    }

    fn train(
        mut net: Net,
        optimizer: &mut Optimizer,
        steps: std::ops::Range<usize>,
        device: &Device,
    ) -> Net {
        for t in steps {
            let x: Vec<f32> = (0..6).map(|i| ((t * 6 + i) as f32).sin()).collect();
            let x = Tensor::<1>::from_floats(x.as_slice(), device).reshape([2, 3]);
            let loss = (net.forward(x) - 0.3).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimizer.step(net, gradients, 0.05);
        }
        net
    }

    #[test]
    fn paths_name_parameters() {
        let net = Net::new(&Device::flex());
        assert_eq!(
            parameter_paths(&net),
            [
                "trunk.layers.0.weight",
                "trunk.layers.0.bias",
                "trunk.layers.1.weight",
                "trunk.layers.1.bias",
                "head.weight",
                "head.bias"
            ]
        );
    }

    #[test]
    fn groups_have_their_own_rate() {
        let device = Device::flex().autodiff();
        let net = Net::new(&device);
        let before = net.numbers();
        let groups = vec![
            LrGroup::new(["trunk.layers.0"], 0.0),
            LrGroup::new(["head"], 10.0),
        ];
        let plain = OptimConfig::sgd(0.05, 0.0, 0.0);
        let mut optimizer = Optimizer::new(&plain, groups);
        optimizer.check_groups(&net).unwrap();
        let grouped = train(net.clone(), &mut optimizer, 0..1, &device).numbers();
        let alike = train(net, &mut Optimizer::new(&plain, vec![]), 0..1, &device).numbers();
        assert_eq!(grouped[0], before[0], "factor 0 moves nothing");
        assert_ne!(alike[0], before[0]);
        assert_eq!(grouped[1], alike[1]);
        for i in 0..8 {
            let (ten, one) = (grouped[2][i] - before[2][i], alike[2][i] - before[2][i]);
            assert!(
                (ten - 10.0 * one).abs() < 1e-5,
                "{ten} is not ten times {one}"
            );
        }
    }

    #[test]
    fn a_group_path_must_exist() {
        let net = Net::new(&Device::flex());
        let optimizer = Optimizer::new(&OptimConfig::default(), vec![LrGroup::new(["hea"], 10.0)]);
        let message = optimizer.check_groups(&net).unwrap_err().to_string();
        assert!(
            message.contains("`hea`") && message.contains("trunk, head"),
            "{message}"
        );
    }

    #[test]
    fn a_group_that_earlier_ones_leave_nothing_is_refused() {
        let net = Net::new(&Device::flex());
        let groups = vec![
            LrGroup::new(["head"], 10.0),
            LrGroup::new(["head.bias"], 2.0),
        ];
        let optimizer = Optimizer::new(&OptimConfig::default(), groups);
        assert_eq!(optimizer.lr_factor("head.bias"), 10.0, "the first one wins");
        let message = optimizer.check_groups(&net).unwrap_err().to_string();
        assert!(message.contains("`head.bias`"), "{message}");
    }

    #[test]
    fn the_parameters_stay_trainable() {
        let device = Device::flex().autodiff();
        let net = Net::new(&device);
        let start = net.numbers();
        let mut optimizer = Optimizer::new(&OptimConfig::default(), vec![]);
        let net = train(net, &mut optimizer, 0..3, &device);
        assert!(net.head.weight.val().is_require_grad());
        assert_ne!(net.numbers(), start);
    }

    #[test]
    fn resuming_is_bit_exact() {
        let device = Device::flex().autodiff();
        let folder = tempfile::tempdir().unwrap();
        for kind in [
            OptimKind::Sgd,
            OptimKind::Adam,
            OptimKind::AdamW,
            OptimKind::RAdam,
        ] {
            let config = OptimConfig {
                kind,
                lr: 0.05,
                weight_decay: 0.01,
                ..OptimConfig::default()
            };
            let groups = || vec![LrGroup::new(["head"], 10.0)];
            let mut optimizer = Optimizer::new(&config, groups());
            let whole = train(Net::new(&device), &mut optimizer, 0..9, &device);

            let mut optimizer = Optimizer::new(&config, groups());
            let half = train(Net::new(&device), &mut optimizer, 0..4, &device);
            let path = folder.path().join("optimizer.safetensors");
            optimizer.save(&path).unwrap();
            // A network built anew has other parameter ids; its values are carried over by its record.
            let again = Net::new(&device).load_record(half.into_record());
            let mut optimizer = Optimizer::new(&config, groups());
            optimizer.load(&path, &again).unwrap();
            let resumed = train(again, &mut optimizer, 4..9, &device);
            assert_eq!(resumed.numbers(), whole.numbers(), "{kind:?}");

            let without = train(
                Net::new(&device),
                &mut Optimizer::new(&config, groups()),
                0..4,
                &device,
            );
            let without = train(
                without,
                &mut Optimizer::new(&config, groups()),
                4..9,
                &device,
            );
            assert_ne!(
                without.numbers(),
                whole.numbers(),
                "the state of {kind:?} matters"
            );
        }
    }

    #[test]
    fn foreign_state_is_refused() {
        let device = Device::flex().autodiff();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.safetensors");
        let mut optimizer = Optimizer::new(&OptimConfig::sgd(0.1, 0.9, 0.0), vec![]);
        train(Net::new(&device), &mut optimizer, 0..1, &device);
        optimizer.save(&path).unwrap();
        let other: Linear = LinearConfig::new(3, 4).init(&device);
        assert!(matches!(
            optimizer.load(&path, &other),
            Err(OptimError::Foreign { .. })
        ));
        let net = Net::new(&device);
        let mut adam = Optimizer::new(&OptimConfig::default(), vec![]);
        assert!(matches!(
            adam.load(&path, &net),
            Err(OptimError::Kind { .. })
        ));
        std::fs::write(&path, b"not a state").unwrap();
        assert!(matches!(
            optimizer.load(&path, &net),
            Err(OptimError::Format { .. })
        ));
        assert!(matches!(
            optimizer.load(&folder.path().join("none"), &net),
            Err(OptimError::File(_))
        ));
    }
}
