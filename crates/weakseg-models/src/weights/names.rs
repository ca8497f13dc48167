//! From a module's paths to checkpoint keys.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use super::host_tensor::HostTensor;

/// Where a traversal stands, as a checkpoint key. Enum variants and the fields `trunk` and `head` are
/// our own partitions and leave no trace in a key.
#[derive(Debug, Default)]
pub(super) struct KeyPath(Vec<Option<String>>);

impl KeyPath {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        let transparent = container.starts_with("Enum:") || name == "trunk" || name == "head";
        self.0.push((!transparent).then(|| name.to_owned()));
    }

    pub(super) fn exit(&mut self) {
        self.0.pop();
    }

    pub(super) fn key(&self) -> String {
        let parts: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        parts.join(".")
    }
}

/// A named tensor of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its checkpoint key.
    pub name: String,
    /// Its identity in this process, for parameter groups of an optimizer.
    pub id: ParamId,
    /// Its shape.
    pub shape: Vec<usize>,
    /// False for buffers: running statistics, the mean shift.
    pub trainable: bool,
}

/// Every parameter and buffer of a network, in its own order.
pub fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut visitor = Names::default();
    module.visit(&mut visitor);
    visitor.found
}

/// The values of every parameter and buffer, in the network's order.
pub(super) fn host_tensors<M: Module>(module: &M) -> Vec<(String, HostTensor)> {
    let mut visitor = Values::default();
    // `valid` settles running statistics a forward pass has left pending.
    module.valid().visit(&mut visitor);
    visitor.found
}

/// Whether any trainable parameter has its value already, as after a forward pass: fresh ones are drawn when they are
/// first asked for.
pub(super) fn has_values<M: Module>(module: &M) -> bool {
    let mut visitor = Drawn::default();
    module.visit(&mut visitor);
    visitor.found
}

#[derive(Default)]
struct Drawn {
    path: KeyPath,
    found: bool,
}

impl ModuleVisitor for Drawn {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found |= !is_buffer(&self.path.key()) && param.is_initialized();
    }
}

/// Whether a key is of running statistics or the mean shift: moved by training, but not by gradients.
fn is_buffer(key: &str) -> bool {
    ["running_mean", "running_var", "mean_shift"]
        .iter()
        .any(|buffer| key.ends_with(buffer))
}

#[derive(Default)]
struct Names {
    path: KeyPath,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Names {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.key();
        let buffer = is_buffer(&name);
        self.found.push(Parameter {
            name,
            id: param.id,
            shape: param.lazy_shape().to_vec(),
            trainable: !buffer,
        });
    }
}

#[derive(Default)]
struct Values {
    path: KeyPath,
    found: Vec<(String, HostTensor)>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = HostTensor {
            shape: param.lazy_shape().to_vec(),
            values: param.val().into_data().iter().collect(),
        };
        self.found.push((self.path.key(), tensor));
    }
}
