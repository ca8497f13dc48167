//! ResNet50 (He et al. 2015), with torchvision's keys.

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::add_relu;

use super::Encoder;
use crate::layers::{BatchNorm, Conv2d, ConvInit, ConvSpec, Init, MaxPool, scaled};

/// Blocks and inner channels of the four layers.
const LAYERS: [(usize, usize); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];
/// A block's output channels over its inner channels.
const EXPANSION: usize = 4;

/// Where the trunk stops losing resolution, and what replaces the stride there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResNetLayout {
    /// As published.
    Stride32,
    /// `layer4` keeps the resolution by dilation (torchvision's `[False, False, True]`).
    Stride16,
    /// `layer3` and `layer4` keep it (`[False, True, True]`).
    Stride8,
    /// IRN's: `layer4` has stride 1 and no dilation; output stride 16.
    Irn,
}

impl ResNetLayout {
    /// Stride, dilation of the first block, dilation of the others, for one layer. A layer that
    /// gives up its stride dilates from its second block on; its first block still has the dilation
    /// that came in (torchvision's `_make_layer`).
    fn layer(self, index: usize) -> (usize, usize, usize) {
        match (self, index) {
            (_, 0) => (1, 1, 1),
            (Self::Stride16, 3) | (Self::Stride8, 2) => (1, 1, 2),
            (Self::Stride8, 3) => (1, 2, 4),
            (Self::Irn, 3) => (1, 1, 1),
            _ => (2, 1, 1),
        }
    }

    fn reductions(self) -> [usize; 5] {
        match self {
            Self::Stride32 => [2, 4, 8, 16, 32],
            Self::Stride16 | Self::Irn => [2, 4, 8, 16, 16],
            Self::Stride8 => [2, 4, 8, 8, 8],
        }
    }
}

/// 1x1, 3x3, 1x1 around a shortcut.
///
/// NOTE: as in torchvision the stride sits on the 3x3 ("v1.5"); the paper has it on the first 1x1.
#[derive(Module, Debug)]
pub struct Bottleneck {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Conv2d,
    bn3: BatchNorm,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl Bottleneck {
    fn new(
        init: &Init<'_>,
        inputs: usize,
        inner: usize,
        outputs: usize,
        stride: usize,
        dilation: usize,
    ) -> Self {
        let conv = |inputs, outputs, kernel| {
            ConvSpec::new(inputs, outputs, kernel)
                .no_bias()
                .init_as(ConvInit::NormalFanOut)
        };
        Self {
            conv1: conv(inputs, inner, 1).init(init),
            bn1: BatchNorm::new(init, inner),
            conv2: conv(inner, inner, 3)
                .stride(stride)
                .dilation(dilation)
                .init(init),
            bn2: BatchNorm::new(init, inner),
            conv3: conv(inner, outputs, 1).init(init),
            bn3: BatchNorm::new(init, outputs),
            downsample: (stride != 1 || inputs != outputs).then(|| {
                (
                    conv(inputs, outputs, 1).stride(stride).init(init),
                    BatchNorm::new(init, outputs),
                )
            }),
        }
    }

    /// # Shapes
    /// `[B, I, H, W]` → `[B, O, ⌈H/stride⌉, ⌈W/stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.bn1.forward_relu(self.conv1.forward(x.clone()));
        let y = self.bn2.forward_relu(self.conv2.forward(y));
        let y = self.bn3.forward(self.conv3.forward(y));
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(x)),
            None => x,
        };
        add_relu(y, shortcut)
    }
}

/// ResNet50 without its classifier. Stages: `stem` (7x7 stride 2, batch norm, ReLU), `layer1`
/// (max-pool first) … `layer4`.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Bottleneck>,
    layer2: Vec<Bottleneck>,
    layer3: Vec<Bottleneck>,
    layer4: Vec<Bottleneck>,
    #[module(skip)]
    layout: ResNetLayout,
    #[module(skip)]
    channels: [usize; 5],
}

impl ResNet {
    pub(crate) fn new(init: &Init<'_>, layout: ResNetLayout, width: f64) -> Self {
        let stem = scaled(64, width);
        let channels = LAYERS.map(|(_, inner)| EXPANSION * scaled(inner, width));
        let conv1 = ConvSpec::new(3, stem, 7)
            .stride(2)
            .no_bias()
            .init_as(ConvInit::NormalFanOut)
            .init(init);
        let bn1 = BatchNorm::new(init, stem);
        let layer = |index: usize| {
            let (blocks, inner) = LAYERS[index];
            let (stride, first, rest) = layout.layer(index);
            let inputs = if index == 0 {
                stem
            } else {
                channels[index - 1]
            };
            let block = |inputs, stride, dilation| {
                Bottleneck::new(
                    init,
                    inputs,
                    scaled(inner, width),
                    channels[index],
                    stride,
                    dilation,
                )
            };
            let mut layer = vec![block(inputs, stride, first)];
            layer.extend((1..blocks).map(|_| block(channels[index], 1, rest)));
            layer
        };
        Self {
            conv1,
            bn1,
            layer1: layer(0),
            layer2: layer(1),
            layer3: layer(2),
            layer4: layer(3),
            layout,
            channels: [stem, channels[0], channels[1], channels[2], channels[3]],
        }
    }

    /// The max-pool between `stem` and `layer1`, IRNet's first level.
    pub(crate) fn pool_stem(x: Tensor<4>) -> Tensor<4> {
        MaxPool::new(3, 2, 1).forward(x)
    }

    /// Freezes the first `stages` stages.
    pub fn freeze_stages(mut self, stages: usize) -> Self {
        if stages > 0 {
            self.conv1 = self.conv1.freeze();
            self.bn1 = self.bn1.freeze();
        }
        for (index, layer) in [
            &mut self.layer1,
            &mut self.layer2,
            &mut self.layer3,
            &mut self.layer4,
        ]
        .into_iter()
        .enumerate()
        {
            if index + 1 < stages {
                *layer = std::mem::take(layer).freeze();
            }
        }
        self
    }
}

impl Encoder for ResNet {
    fn stage_names(&self) -> &'static [&'static str] {
        &["stem", "layer1", "layer2", "layer3", "layer4"]
    }

    fn out_channels(&self) -> Vec<usize> {
        self.channels.to_vec()
    }

    fn reductions(&self) -> Vec<usize> {
        self.layout.reductions().to_vec()
    }

    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4> {
        let run = |layer: &[Bottleneck], x| layer.iter().fold(x, |x, block| block.forward(x));
        match index {
            0 => self.bn1.forward_relu(self.conv1.forward(x)),
            1 => run(&self.layer1, Self::pool_stem(x)),
            2 => run(&self.layer2, x),
            3 => run(&self.layer3, x),
            _ => run(&self.layer4, x),
        }
    }
}
