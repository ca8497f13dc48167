//! Weights and images that are a hash of name and position (see `tests/oracle/networks.py`): the same wherever they are
//! made.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use weakseg_models::weights::parameters;

/// Values in [-1, 1): FNV-1a of the name, mixed with the position.
fn hashed(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0x811c_9dc5_u32, |h, byte| {
        (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (0..count as u32).map(move |i| {
        let mut h = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9));
        h ^= h >> 16;
        h = h.wrapping_mul(0x85eb_ca6b);
        h ^= h >> 13;
        h = h.wrapping_mul(0xc2b2_ae35);
        h ^= h >> 16;
        f64::from(h >> 8) / f64::from(1 << 23) - 1.0
    })
}

fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let fan = shape[1..].iter().product::<usize>() as f64;
    let (offset, scale) = if name.ends_with("running_var") {
        (1.0, 0.5)
    } else if shape.len() > 1 {
        (0.0, (3.0 / fan).sqrt() * 1.4)
    } else if name.ends_with("weight") {
        (1.0, 0.2)
    } else {
        (0.0, 0.1)
    };
    hashed(name, count)
        .map(|u| (offset + scale * u) as f32)
        .collect()
}

/// Shift of a batch norm for training, far from the kink of the ReLU that follows: see
/// `away_from_zero` in `networks.py`.
fn away_from_zero(name: &str, values: &mut [f32]) {
    let mut first = name.ends_with("bn1.bias") || name.ends_with(".conv1.1.bias");
    let mut shift = 1.5;
    if let Some(index) = extra_convolution(name) {
        (first, shift) = (true, 6.0 * 4.0_f32.powi(index));
    }
    let count = values.len();
    for (value, dead) in values
        .iter_mut()
        .zip(hashed(&format!("{name}/dead"), count))
    {
        *value += if first && dead < -0.5 { -shift } else { shift };
    }
}

/// Which of the extra convolutions a key belongs to.
fn extra_convolution(name: &str) -> Option<i32> {
    let (index, _) = name.strip_prefix("extra_convs.")?.split_once('.')?;
    index.parse().ok()
}

/// Gives every parameter its hash; traversals meet them in the order of [`parameters`].
struct Fill {
    names: std::vec::IntoIter<String>,
    /// Layers whose batch norm is to stand away from ReLU's kink.
    norms: Vec<String>,
    train: bool,
}

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.names.next().expect("as many names as parameters");
        if name == "mean_shift" {
            return param;
        }
        let shape = param.lazy_shape().to_vec();
        let mut values = value(&name, &shape);
        if let Some((layer, field)) = name.rsplit_once('.')
            && self.norms.iter().any(|norm| norm == layer)
        {
            match field {
                "bias" => away_from_zero(&name, &mut values),
                "weight" => values.iter_mut().for_each(|v| *v /= 2.0),
                _ => {}
            }
        } else if self.train && name.ends_with("bias") && extra_convolution(&name).is_some() {
            away_from_zero(&name, &mut values);
        }
        let data = TensorData::new(values, shape);
        let (id, tensor) = (param.id, Tensor::from_data(data, &param.lazy_device()));
        param.transform_for_load(tensor, id)
    }
}

/// With the weights of inference, or those of training.
pub fn fill<M: Module>(module: M, train: bool) -> M {
    let names: Vec<String> = parameters(&module).into_iter().map(|p| p.name).collect();
    let norms = names
        .iter()
        .filter_map(|name| name.strip_suffix(".running_mean"))
        .filter(|_| train)
        .map(str::to_owned)
        .collect();
    module.map(&mut Fill {
        names: names.into_iter(),
        norms,
        train,
    })
}

/// Values of a tensor of this name.
pub fn picture(name: &str, dims: &[usize]) -> Vec<f32> {
    hashed(name, dims.iter().product())
        .map(|v| v as f32)
        .collect()
}

/// Images of this name.
pub fn images(name: &str, dims: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(picture(name, &dims), dims), device)
}
