//! Putting named tensors into a network.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use super::host_tensor::HostTensor;
use super::names::{KeyPath, has_values, host_tensors, parameters};
use super::{LoadReport, Misshapen};
use crate::ModelError;
use crate::encoder::{Encoder, Trunk};

/// Compares without changing anything.
pub(super) fn compare<M: Module>(module: &M, tensors: &BTreeMap<String, HostTensor>) -> LoadReport {
    let mut report = LoadReport::default();
    let parameters = parameters(module);
    for parameter in &parameters {
        match tensors.get(&parameter.name) {
            None => report.missing.push(parameter.name.clone()),
            Some(tensor) if tensor.shape != parameter.shape => report.misshapen.push(Misshapen {
                name: parameter.name.clone(),
                expected: parameter.shape.clone(),
                found: tensor.shape.clone(),
            }),
            Some(_) => report.applied.push(parameter.name.clone()),
        }
    }
    let known: std::collections::BTreeSet<&str> =
        parameters.iter().map(|p| p.name.as_str()).collect();
    report.unused = tensors
        .keys()
        .filter(|name| !known.contains(name.as_str()))
        .cloned()
        .collect();
    report
}

/// Gives the network every tensor that fits; frozen parameters stay frozen, devices stay.
pub(super) fn apply<M: Module>(
    module: M,
    tensors: BTreeMap<String, HostTensor>,
) -> (M, LoadReport) {
    let report = compare(&module, &tensors);
    // Called for its side effect: running statistics a forward pass has left pending are settled
    // now, or they would overwrite the loaded ones at the next forward pass.
    // Not on a network that has never run: `valid` would draw its random weights, only to have them overwritten.
    if has_values(&module) {
        drop(module.valid());
    }
    let mut mapper = Applier {
        path: KeyPath::default(),
        tensors,
    };
    (module.map(&mut mapper), report)
}

/// Copies the weights of one trunk into another of the same kind and width.
pub(crate) fn copy_trunk(target: Trunk, source: &Trunk) -> Result<(Trunk, LoadReport), ModelError> {
    let tensors = host_tensors(source).into_iter().collect();
    if target.backbone() != source.backbone() || !compare(&target, &tensors).is_complete() {
        let describe = |trunk: &Trunk| {
            let channels = trunk.out_channels();
            format!(
                "{} ({} channels)",
                trunk.backbone().name(),
                channels[channels.len() - 1]
            )
        };
        return Err(ModelError::OtherTrunk {
            expected: describe(&target),
            found: describe(source),
        });
    }
    Ok(apply(target, tensors))
}

struct Applier {
    path: KeyPath,
    tensors: BTreeMap<String, HostTensor>,
}

impl ModuleMapper for Applier {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.tensors.remove(&self.path.key()) {
            Some(tensor) if tensor.shape == param.lazy_shape().to_vec() => {
                let data = TensorData::new(tensor.values, tensor.shape);
                let value = Tensor::from_data(data, &param.lazy_device());
                let id = param.id;
                param.transform_for_load(value, id)
            }
            _ => param,
        }
    }
}
