//! [`Values`]: weights and gradients on their way from one device to another.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData, TensorReadError, Transaction};

/// Numbers of some parameters of a network, in the machine's memory.
///
/// Tensors themselves could go from device to device. But the thread that takes them over would then learn of what went
/// wrong in their making, a full memory as a rule, by a panic; who reads them where they were made gets an error.
pub(super) struct Values(HashMap<ParamId, TensorData>);

impl Values {
    /// The weights that learn. Frozen ones do not change, and running statistics belong to their device.
    ///
    /// # Errors
    /// If the device cannot give them.
    pub(super) fn of_weights<M: Module>(network: &M) -> Result<Self, TensorReadError> {
        let mut reader = Reader::default();
        network.visit(&mut Weights(&mut reader));
        reader.read()
    }

    /// The gradients of a network.
    ///
    /// # Errors
    /// If the device cannot give them.
    pub(super) fn of_gradients<M: Module>(
        network: &M,
        gradients: GradientsParams,
    ) -> Result<Self, TensorReadError> {
        let mut reader = Reader::default();
        network.visit(&mut Gradients {
            gradients,
            reader: &mut reader,
        });
        reader.read()
    }

    /// A copy of the network that they are of, with these weights on its own device.
    pub(super) fn set<M: Module>(&self, copy: M) -> M {
        copy.map(&mut Setting(self))
    }

    /// As gradients on the device that `network` is on.
    pub(super) fn into_gradients<M: Module>(self, network: &M) -> GradientsParams {
        let mut registering = Registering {
            values: self,
            gradients: GradientsParams::new(),
        };
        network.visit(&mut registering);
        registering.gradients
    }
}

/// Reads tensors, all at once.
#[derive(Default)]
struct Reader {
    ids: Vec<ParamId>,
    tensors: Transaction,
}

impl Reader {
    fn add<const D: usize>(&mut self, id: ParamId, tensor: Tensor<D>) {
        self.ids.push(id);
        self.tensors = std::mem::take(&mut self.tensors).register(tensor.inner());
    }

    fn read(self) -> Result<Values, TensorReadError> {
        let values = self.tensors.try_execute()?;
        Ok(Values(self.ids.into_iter().zip(values).collect()))
    }
}

struct Weights<'a>(&'a mut Reader);

impl ModuleVisitor for Weights<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.add(param.id, param.val());
        }
    }
}

struct Gradients<'a> {
    gradients: GradientsParams,
    reader: &'a mut Reader,
}

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.reader.add(param.id, gradient);
        }
    }
}

struct Setting<'a>(&'a Values);

impl ModuleMapper for Setting<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.0.0.get(&param.id) else {
            return param;
        };
        let (id, old, mapper) = param.consume();
        let new = Tensor::from_data(value.clone(), &old.device()).require_grad();
        Param::from_mapped_value(id, new, mapper)
    }
}

struct Registering {
    values: Values,
    gradients: GradientsParams,
}

impl ModuleVisitor for Registering {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(value) = self.values.0.remove(&param.id) {
            let device = param.val().device().without_autodiff();
            let gradient = Tensor::<D>::from_data(value, &device);
            self.gradients.register(param.id, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Net {
        weight: Param<Tensor<2>>,
        frozen: Param<Tensor<1>>,
    }

    fn net(weight: [[f32; 2]; 1], frozen: f32, device: &Device) -> Net {
        Net {
            weight: Param::from_tensor(Tensor::from_floats(weight, device)),
            frozen: Param::from_tensor(Tensor::from_floats([frozen], device))
                .set_require_grad(false),
        }
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("floats")
    }

    #[test]
    fn weights_that_learn_go_over_and_learn_on() {
        let device = Device::flex().autodiff();
        let network = net([[0.1, -2.0]], 3.0, &device);
        let mut copy = net([[5.0, 5.0]], 5.0, &device);
        copy.weight = Param::initialized(network.weight.id, copy.weight.val());
        copy.frozen = Param::initialized(network.frozen.id, copy.frozen.val());
        let copy = Values::of_weights(&network).expect("read").set(copy);
        assert_eq!(numbers(copy.weight.val()), [0.1, -2.0]);
        assert_eq!(numbers(copy.frozen.val()), [5.0], "it stays where it is");
        let gradients = copy.weight.val().square().sum().backward();
        let gradient = copy.weight.val().grad(&gradients).expect("it learns");
        assert_eq!(numbers(gradient), [0.2, -4.0]);
    }

    #[test]
    fn gradients_go_over_as_they_are() {
        let device = Device::flex().autodiff();
        let network = net([[0.1, 0.3]], 3.0, &device);
        let loss = (network.weight.val().square() * 7.3).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        let before = numbers(gradients.get::<2>(network.weight.id).expect("there"));
        let values = Values::of_gradients(&network, gradients).expect("read");
        let after = values.into_gradients(&network);
        let gradient = after.get::<2>(network.weight.id).expect("there");
        assert!(!gradient.is_autodiff(), "as the optimizer takes them");
        assert_eq!((numbers(gradient), after.len()), (before, 1));
    }
}
