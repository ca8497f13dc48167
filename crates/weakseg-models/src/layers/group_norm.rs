//! Group norm with PyTorch's names.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use weakseg_kernels::{NormOptions, batch_norm, channel_affine};

use super::Init;
use super::init::Law;

const EPSILON: f64 = 1e-5;

/// Group norm (Wu and He 2018), ε = 1e-5.
///
/// Burn's own names its parameters `gamma` and `beta`; checkpoints say `weight` and `bias`.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale, `[C]`.
    pub weight: Param<Tensor<1>>,
    /// Shift, `[C]`.
    pub bias: Param<Tensor<1>>,
    /// Number of groups; divides the channels.
    pub groups: usize,
}

impl GroupNorm {
    /// `groups` at full width. In a narrow network the groups become fewer, never smaller than 8
    /// channels while there are 8: statistics of one or two channels would wipe out what these
    /// channels say.
    pub(crate) fn new(init: &Init<'_>, groups: usize, channels: usize) -> Self {
        let most = groups.min(channels / 8).max(1);
        let groups = (1..=most)
            .rev()
            .find(|&g| channels.is_multiple_of(g))
            .unwrap_or(1);
        Self {
            weight: init.param([channels], Law::Constant(1.0)),
            bias: init.param([channels], Law::Constant(0.0)),
            groups,
        }
    }

    /// # Shapes
    /// `[B, C, H, W]` → the same
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        // The groups of all images are the channels of one: each is normalised by itself.
        let (groups, rows) = (batch * self.groups, channels / self.groups * height);
        let grouped = x.reshape([1, groups, rows, width]);
        let device = grouped.device();
        let same = (
            Tensor::ones([groups], &device),
            Tensor::zeros([groups], &device),
        );
        let options = NormOptions {
            epsilon: EPSILON,
            relu: false,
        };
        let (normal, ..) = batch_norm(grouped, same.0, same.1, &options);
        let normal = normal.reshape([batch, channels, height, width]);
        channel_affine(normal, self.weight.val(), self.bias.val(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn groups_adapt_to_narrow_channels() {
        let device = Device::flex();
        let init = Init::new(&device, 0);
        let groups = |groups, channels| GroupNorm::new(&init, groups, channels).groups;
        assert_eq!(groups(4, 32), 4);
        assert_eq!(groups(8, 64), 8);
        assert_eq!(groups(16, 256), 16);
        assert_eq!(groups(16, 64), 8);
        assert_eq!(groups(4, 8), 1);
        assert_eq!(groups(16, 20), 2);
        assert_eq!(groups(4, 4), 1);
    }

    /// Two images, two groups of two channels, a scale and a shift for each channel.
    #[test]
    fn each_group_of_an_image_is_normalised_on_its_own() {
        let device = Device::flex();
        let (scale, shift) = ([1.0f64, 0.5, -2.0, 3.0], [0.0f64, 1.0, -1.0, 0.25]);
        let norm = GroupNorm {
            weight: Param::from_tensor(Tensor::from_floats(scale, &device)),
            bias: Param::from_tensor(Tensor::from_floats(shift, &device)),
            groups: 2,
        };
        let values: Vec<f32> = (0..48).map(|at| (at * at % 23) as f32 - 4.0).collect();
        let data = TensorData::new(values.clone(), [2, 4, 2, 3]);
        let y = norm.forward(Tensor::from_data(data, &device));
        let y: Vec<f32> = y.into_data().try_to_vec().unwrap();
        for (group, values) in values.chunks_exact(12).enumerate() {
            let values: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let mean = values.iter().sum::<f64>() / 12.0;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 12.0;
            for (at, value) in values.iter().enumerate() {
                let channel = group % 2 * 2 + at / 6;
                let normal = (value - mean) / (variance + EPSILON).sqrt();
                let expected = normal * scale[channel] + shift[channel];
                let found = f64::from(y[group * 12 + at]);
                assert!((found - expected).abs() < 1e-5, "{group} {at}: {found}");
            }
        }
    }
}
