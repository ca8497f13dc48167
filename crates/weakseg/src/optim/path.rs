//! Names of parameters: the way to them through the module.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Paths of all float parameters of a module, running statistics included, in the order the module visits them.
pub fn parameter_paths<M: Module>(module: &M) -> Vec<String> {
    let mut visitor = Paths::default();
    module.visit(&mut visitor);
    visitor.found
}

/// The variant of an enum leaves no trace in paths, as it leaves none in the keys of weight files.
fn is_enum(container: &str) -> bool {
    container.starts_with("Enum:")
}

/// Where a traversal stands.
#[derive(Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub fn enter(&mut self, name: &str, container: &str) {
        if !is_enum(container) {
            self.0.push(name.to_owned());
        }
    }

    pub fn exit(&mut self, container: &str) {
        if !is_enum(container) {
            self.0.pop();
        }
    }

    pub fn join(&self) -> String {
        self.0.join(".")
    }
}

#[derive(Default)]
struct Paths {
    path: Path,
    found: Vec<String>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        self.found.push(self.path.join());
    }
}
