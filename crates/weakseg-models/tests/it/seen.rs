//! What a network gives, by name: outputs, parameters, gradients.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use weakseg_models::weights::parameters;
use weakseg_models::{Network, Output};

use super::hashed::picture;
use super::values;

/// An output of a network, flattened, and the shape it had.
pub struct Seen {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub values: Tensor<1>,
}

fn seen<const D: usize>(name: &'static str, output: Tensor<D>) -> Seen {
    Seen {
        name,
        shape: output.dims().to_vec(),
        values: output.flatten(0, D - 1),
    }
}

/// The outputs of a network; of a segmentation network the greatest over these scales.
pub fn outputs(network: &Network, images: Tensor<4>, scales: &[f64]) -> Vec<Seen> {
    match network {
        Network::Classifier(network) => {
            let maps = network.maps(images, None);
            let logits = network.logits(maps.clone());
            vec![seen("maps", maps), seen("logits", logits)]
        }
        Network::Segmenter(network) => {
            vec![seen("logits", network.forward_scales(images, scales, None))]
        }
        other => match other.forward(images) {
            Output::Logits(logits) => vec![seen("logits", logits)],
            Output::Map(logits) => vec![seen("logits", logits)],
            Output::Boundaries { edge, displacement } => {
                vec![seen("edge", edge), seen("displacement", displacement)]
            }
        },
    }
}

/// The sum over outputs of each one's mean, its values times a hash.
pub fn loss(outputs: &[Seen]) -> Tensor<1> {
    let terms = outputs.iter().map(|output| {
        let weights = picture(&format!("loss.{}", output.name), &output.shape);
        let weights = Tensor::from_floats(weights.as_slice(), &output.values.device());
        (output.values.clone() * weights).mean()
    });
    let sum = terms.reduce(|sum, term| sum + term);
    sum.expect("networks have outputs")
}

/// Values by key; traversals meet parameters in the order of [`parameters`].
struct Named<'a> {
    names: std::vec::IntoIter<String>,
    /// Whose values are wanted; the parameters' own if none.
    gradients: Option<&'a Gradients>,
    values: BTreeMap<String, Vec<f32>>,
}

impl<'a> Named<'a> {
    fn read(network: &impl Module, gradients: Option<&'a Gradients>) -> BTreeMap<String, Vec<f32>> {
        let names: Vec<String> = parameters(network).into_iter().map(|p| p.name).collect();
        let mut named = Self {
            names: names.into_iter(),
            gradients,
            values: BTreeMap::new(),
        };
        network.visit(&mut named);
        named.values
    }
}

impl ModuleVisitor for Named<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.next().expect("as many names as parameters");
        match self.gradients {
            None => self.values.insert(name, values(param.val())),
            Some(gradients) => param
                .val()
                .grad(gradients)
                .and_then(|gradient| self.values.insert(name, values(gradient))),
        };
    }
}

/// The values of every parameter and buffer. Of a network in training: running statistics as its last forward pass has
/// left them.
pub fn values_by_name(network: &impl Module) -> BTreeMap<String, Vec<f32>> {
    // `valid` settles the statistics that the forward pass has left pending.
    Named::read(&network.valid(), None)
}

/// Every batch norm's running statistics of this name, one after the other.
pub fn statistics(network: &impl Module, name: &str) -> Vec<f32> {
    let found = values_by_name(network);
    let own = parameters(network)
        .into_iter()
        .filter(|p| p.name.ends_with(name));
    own.flat_map(|p| found[&p.name].clone()).collect()
}

/// The gradient of every parameter that has one.
pub fn gradients_by_name(
    network: &impl Module,
    gradients: &Gradients,
) -> BTreeMap<String, Vec<f32>> {
    Named::read(network, Some(gradients))
}
