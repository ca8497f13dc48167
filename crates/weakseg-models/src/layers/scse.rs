//! Concurrent spatial and channel squeeze and excitation (Roy, Navab and Wachinger 2018), with the
//! keys of segmentation_models_pytorch.
#![allow(
    non_snake_case,
    reason = "fields are checkpoint keys, in what Module derives too"
)]

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use weakseg_kernels::gate;

use super::{Conv2d, ConvSpec, GlobalMean, Init, Relu};

/// Channels over the squeezed channels.
const REDUCTION: usize = 16;

/// x · channel weights + x · pixel weights, both in 0..1.
#[derive(Module, Debug)]
pub struct Scse {
    attention: Excitation,
}

#[derive(Module, Debug)]
struct Excitation {
    cSE: (GlobalMean, Conv2d, Relu, Conv2d),
    sSE: [Conv2d; 1],
}

impl Scse {
    pub(crate) fn new(init: &Init<'_>, channels: usize) -> Self {
        let squeezed = (channels / REDUCTION).max(1);
        let conv = |inputs, outputs| ConvSpec::new(inputs, outputs, 1).init(init);
        Self {
            attention: Excitation {
                cSE: (
                    GlobalMean,
                    conv(channels, squeezed),
                    Relu,
                    conv(squeezed, channels),
                ),
                sSE: [conv(channels, 1)],
            },
        }
    }

    /// # Shapes
    /// `[B, C, H, W]` → the same
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (mean, squeeze, relu, excite) = &self.attention.cSE;
        let channels = relu.forward(squeeze.forward(mean.forward(x.clone())));
        let channels = sigmoid(excite.forward(channels));
        let pixels = sigmoid(self.attention.sSE[0].forward(x.clone()));
        gate(x.clone(), channels) + x * pixels
    }
}
