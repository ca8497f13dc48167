//! ResNet34 and ResNet50 (He et al. 2015), with torchvision's keys.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Encoder, StageStrides};
use crate::layers::{BatchNorm, Conv2d, ConvInit, ConvSpec, Init, MaxPool, scaled};

/// Inner channels of the four layers.
const INNER: [usize; 4] = [64, 128, 256, 512];

/// Which of the ResNets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResNetDepth {
    /// 3, 4, 6 and 3 basic blocks.
    Resnet34,
    /// 3, 4, 6 and 3 bottleneck blocks.
    Resnet50,
}

impl ResNetDepth {
    const BLOCKS: [usize; 4] = [3, 4, 6, 3];

    /// A block's output channels over its inner channels.
    fn expansion(self) -> usize {
        match self {
            Self::Resnet34 => 1,
            Self::Resnet50 => 4,
        }
    }
}

/// One residual block. In a checkpoint's keys the kind leaves no trace.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network holds sixteen, and Module derives only for plain fields"
)]
pub enum ResidualBlock {
    /// ResNet34's.
    Basic(BasicBlock),
    /// ResNet50's.
    Bottleneck(Bottleneck),
}

impl ResidualBlock {
    /// # Shapes
    /// `[B, I, H, W]` → `[B, O, ⌈H/stride⌉, ⌈W/stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Basic(block) => block.forward(x),
            Self::Bottleneck(block) => block.forward(x),
        }
    }
}

/// Shape of a residual block.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSpec {
    pub inputs: usize,
    pub inner: usize,
    pub outputs: usize,
    pub stride: usize,
    pub dilation: usize,
}

impl BlockSpec {
    /// A convolution with batch norm behind it.
    pub fn conv(inputs: usize, outputs: usize, kernel: usize) -> ConvSpec {
        ConvSpec::new(inputs, outputs, kernel)
            .no_bias()
            .init_as(ConvInit::NormalFanOut)
    }

    /// The projection of a shortcut that changes size or channels.
    pub fn downsample(&self, init: &Init<'_>) -> Option<(Conv2d, BatchNorm)> {
        (self.stride != 1 || self.inputs != self.outputs).then(|| {
            let conv = Self::conv(self.inputs, self.outputs, 1).stride(self.stride);
            (conv.init(init), BatchNorm::new(init, self.outputs))
        })
    }
}

/// Twice 3x3 around a shortcut.
#[derive(Module, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl BasicBlock {
    /// torchvision's basic block knows no dilation; here a dilated one has it on both convolutions.
    fn new(init: &Init<'_>, spec: BlockSpec) -> Self {
        let conv = |inputs, stride| {
            BlockSpec::conv(inputs, spec.outputs, 3)
                .stride(stride)
                .dilation(spec.dilation)
        };
        Self {
            conv1: conv(spec.inputs, spec.stride).init(init),
            bn1: BatchNorm::new(init, spec.outputs),
            conv2: conv(spec.outputs, 1).init(init),
            bn2: BatchNorm::new(init, spec.outputs),
            downsample: spec.downsample(init),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.bn1.after(&self.conv1, x.clone(), true);
        let shortcut = shortcut(&self.downsample, x);
        self.bn2.after_add_relu(&self.conv2, y, shortcut)
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
    fn new(init: &Init<'_>, spec: BlockSpec) -> Self {
        let BlockSpec {
            inputs,
            inner,
            outputs,
            ..
        } = spec;
        Self {
            conv1: BlockSpec::conv(inputs, inner, 1).init(init),
            bn1: BatchNorm::new(init, inner),
            conv2: BlockSpec::conv(inner, inner, 3)
                .stride(spec.stride)
                .dilation(spec.dilation)
                .init(init),
            bn2: BatchNorm::new(init, inner),
            conv3: BlockSpec::conv(inner, outputs, 1).init(init),
            bn3: BatchNorm::new(init, outputs),
            downsample: spec.downsample(init),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.bn1.after(&self.conv1, x.clone(), true);
        let y = self.bn2.after(&self.conv2, y, true);
        let shortcut = shortcut(&self.downsample, x);
        self.bn3.after_add_relu(&self.conv3, y, shortcut)
    }
}

/// What a block adds to its convolutions' output.
pub(super) fn shortcut(downsample: &Option<(Conv2d, BatchNorm)>, x: Tensor<4>) -> Tensor<4> {
    match downsample {
        Some((conv, norm)) => norm.after(conv, x, false),
        None => x,
    }
}

/// A ResNet without its classifier. Stages: `stem` (7x7 stride 2, batch norm, ReLU), `layer1`
/// (max-pool first) … `layer4`.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<ResidualBlock>,
    layer2: Vec<ResidualBlock>,
    layer3: Vec<ResidualBlock>,
    layer4: Vec<ResidualBlock>,
    #[module(skip)]
    depth: ResNetDepth,
    #[module(skip)]
    strides: StageStrides,
    #[module(skip)]
    channels: Vec<usize>,
}

impl ResNet {
    pub(crate) fn new(
        init: &Init<'_>,
        depth: ResNetDepth,
        strides: StageStrides,
        width: f64,
    ) -> Self {
        let stem = scaled(INNER[0], width);
        let mut channels = vec![stem];
        channels.extend(INNER.map(|inner| depth.expansion() * scaled(inner, width)));
        let layer = |index: usize| -> Vec<ResidualBlock> {
            let (stride, first, rest) = strides.layer(index);
            (0..ResNetDepth::BLOCKS[index])
                .map(|block| {
                    let spec = BlockSpec {
                        inputs: channels[if block == 0 { index } else { index + 1 }],
                        inner: scaled(INNER[index], width),
                        outputs: channels[index + 1],
                        stride: if block == 0 { stride } else { 1 },
                        dilation: if block == 0 { first } else { rest },
                    };
                    match depth {
                        ResNetDepth::Resnet34 => ResidualBlock::Basic(BasicBlock::new(init, spec)),
                        ResNetDepth::Resnet50 => {
                            ResidualBlock::Bottleneck(Bottleneck::new(init, spec))
                        }
                    }
                })
                .collect()
        };
        Self {
            conv1: BlockSpec::conv(3, stem, 7).stride(2).init(init),
            bn1: BatchNorm::new(init, stem),
            layer1: layer(0),
            layer2: layer(1),
            layer3: layer(2),
            layer4: layer(3),
            depth,
            strides,
            channels,
        }
    }

    /// The trunk up to `layer3`, with nothing behind it.
    pub(crate) fn without_layer4(mut self) -> Self {
        self.layer4.clear();
        self.channels.truncate(4);
        self
    }

    /// Which of the ResNets this is.
    pub fn depth(&self) -> ResNetDepth {
        self.depth
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
        let layers = [
            &mut self.layer1,
            &mut self.layer2,
            &mut self.layer3,
            &mut self.layer4,
        ];
        super::freeze_layers(layers, stages);
        self
    }
}

impl Encoder for ResNet {
    fn stage_names(&self) -> &'static [&'static str] {
        &super::RESNET_STAGES[..self.channels.len()]
    }

    fn out_channels(&self) -> Vec<usize> {
        self.channels.clone()
    }

    fn reductions(&self) -> Vec<usize> {
        self.strides.reductions()[..self.channels.len()].to_vec()
    }

    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4> {
        let run = |layer: &[ResidualBlock], x| layer.iter().fold(x, |x, block| block.forward(x));
        match index {
            0 => self.bn1.after(&self.conv1, x, true),
            1 => run(&self.layer1, Self::pool_stem(x)),
            2 => run(&self.layer2, x),
            3 => run(&self.layer3, x),
            _ => run(&self.layer4, x),
        }
    }
}
