//! The displacement head: a small top-down pyramid.

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::relu;

use super::Levels;
use crate::layers::{Conv2d, ConvSpec, GroupNorm, Init, Relu, bilinear_by, crop, scaled};

/// Levels 3 to 5 meet on level 3's grid, the result meets levels 1 and 2 at 1/4; every 1x1 has no
/// bias and is followed by GroupNorm, upsampling where needed, and ReLU, but for the last. Keys as
/// IRN's (`fc_dp1.0.weight`, …).
#[derive(Module, Debug)]
pub struct DisplacementHead {
    fc_dp1: (Conv2d, GroupNorm),
    fc_dp2: (Conv2d, GroupNorm),
    fc_dp3: (Conv2d, GroupNorm),
    fc_dp4: (Conv2d, GroupNorm),
    fc_dp5: (Conv2d, GroupNorm),
    fc_dp6: (Conv2d, GroupNorm),
    fc_dp7: (Conv2d, GroupNorm, Relu, Conv2d),
    /// Upsampling of levels 4, 5 to level 3, and of level 3 to 1/4.
    #[module(skip)]
    factors: [usize; 3],
}

impl DisplacementHead {
    pub(super) fn new(
        init: &Init<'_>,
        channels: [usize; 5],
        strides: [usize; 5],
        width: f64,
    ) -> Self {
        let [c1, c2, c3] = [64, 128, 256].map(|outputs| scaled(outputs, width));
        let tap = |inputs, outputs, groups| {
            (
                ConvSpec::new(inputs, outputs, 1).no_bias().init(init),
                GroupNorm::new(init, groups, outputs),
            )
        };
        Self {
            fc_dp1: tap(channels[0], c1, 8),
            fc_dp2: tap(channels[1], c2, 16),
            fc_dp3: tap(channels[2], c3, 16),
            fc_dp4: tap(channels[3], c3, 16),
            fc_dp5: tap(channels[4], c3, 16),
            fc_dp6: tap(3 * c3, c3, 16),
            fc_dp7: {
                let (conv, norm) = tap(c1 + c2 + c3, c3, 16);
                (
                    conv,
                    norm,
                    Relu,
                    ConvSpec::new(c3, 2, 1).no_bias().init(init),
                )
            },
            factors: [
                strides[3] / strides[2],
                strides[4] / strides[2],
                strides[2] / 4,
            ],
        }
    }

    /// # Shapes
    /// levels of an H x W image → `[B, 2, ⌈H/4⌉, ⌈W/4⌉]`
    pub(super) fn forward(&self, levels: &Levels) -> Tensor<4> {
        let [l1, l2, l3, l4, l5] = levels.clone();
        let [_, _, fine_h, fine_w] = l2.dims();
        let [_, _, coarse_h, coarse_w] = l3.dims();
        let [up4, up5, up_fused] = self.factors;

        let coarse = vec![
            tap(&self.fc_dp3, l3, 1),
            crop(tap(&self.fc_dp4, l4, up4), coarse_h, coarse_w),
            crop(tap(&self.fc_dp5, l5, up5), coarse_h, coarse_w),
        ];
        let fused = tap(&self.fc_dp6, Tensor::cat(coarse, 1), up_fused);
        let fine = vec![
            tap(&self.fc_dp1, l1, 1),
            tap(&self.fc_dp2, l2, 1),
            crop(fused, fine_h, fine_w),
        ];
        let (conv, norm, relu, last) = &self.fc_dp7;
        let x = relu.forward(norm.forward(conv.forward(Tensor::cat(fine, 1))));
        last.forward(x)
    }
}

fn tap((conv, norm): &(Conv2d, GroupNorm), x: Tensor<4>, factor: usize) -> Tensor<4> {
    relu(bilinear_by(norm.forward(conv.forward(x)), factor))
}
