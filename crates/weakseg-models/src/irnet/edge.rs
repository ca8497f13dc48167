//! The boundary head: what each level sees of an edge, side by side.

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::relu;

use super::Levels;
use crate::layers::{Conv2d, ConvSpec, GroupNorm, Init, bilinear_by, crop, scaled};

/// Each level: 1x1 to 32 channels without bias, GroupNorm(4), bilinear to 1/4, ReLU; the five
/// concatenated, 1x1 to one logit. Keys as IRN's (`fc_edge1.0.weight`, …).
#[derive(Module, Debug)]
pub struct EdgeHead {
    fc_edge1: (Conv2d, GroupNorm),
    fc_edge2: (Conv2d, GroupNorm),
    fc_edge3: (Conv2d, GroupNorm),
    fc_edge4: (Conv2d, GroupNorm),
    fc_edge5: (Conv2d, GroupNorm),
    fc_edge6: Conv2d,
    #[module(skip)]
    factors: [usize; 5],
}

impl EdgeHead {
    pub(super) fn new(
        init: &Init<'_>,
        channels: [usize; 5],
        strides: [usize; 5],
        width: f64,
    ) -> Self {
        let outputs = scaled(32, width);
        let tap = |level: usize| {
            (
                ConvSpec::new(channels[level], outputs, 1)
                    .no_bias()
                    .init(init),
                GroupNorm::new(init, 4, outputs),
            )
        };
        Self {
            fc_edge1: tap(0),
            fc_edge2: tap(1),
            fc_edge3: tap(2),
            fc_edge4: tap(3),
            fc_edge5: tap(4),
            fc_edge6: ConvSpec::new(5 * outputs, 1, 1).init(init),
            factors: strides.map(|stride| stride / 4),
        }
    }

    /// # Shapes
    /// levels of an H x W image → `[B, 1, ⌈H/4⌉, ⌈W/4⌉]`
    pub(super) fn forward(&self, levels: &Levels) -> Tensor<4> {
        let [_, _, height, width] = levels[1].dims();
        let taps = [
            &self.fc_edge1,
            &self.fc_edge2,
            &self.fc_edge3,
            &self.fc_edge4,
            &self.fc_edge5,
        ];
        let seen = taps
            .into_iter()
            .zip(levels)
            .zip(self.factors)
            .map(|(((conv, norm), level), factor)| {
                let x = norm.forward(conv.forward(level.clone()));
                crop(relu(bilinear_by(x, factor)), height, width)
            })
            .collect();
        self.fc_edge6.forward(Tensor::cat(seen, 1))
    }
}
