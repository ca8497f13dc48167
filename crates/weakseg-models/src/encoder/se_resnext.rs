//! SE-ResNeXt50 32x4d (Hu, Shen and Sun 2018; Xie et al. 2017), with the keys of Cadene's
//! pretrained-models.pytorch, which segmentation_models_pytorch and timm's
//! `legacy_seresnext50_32x4d` have too.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use weakseg_kernels::gate_add_relu;

use super::resnet::{BlockSpec, shortcut};
use super::{Encoder, StageStrides};
use crate::layers::{BatchNorm, Conv2d, ConvSpec, GlobalMean, Init, MaxPool, scaled};

/// Blocks and base channels of the four layers.
const LAYERS: [(usize, usize); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];
/// Groups of the 3x3 convolution.
const GROUPS: usize = 32;
/// A block's output channels over its base channels.
const EXPANSION: usize = 4;
/// Channels over the squeezed channels.
const REDUCTION: usize = 16;

/// Channels of the 3x3 convolution: four a group for every 64 base channels. A factor leaves the
/// groups and rounds to whole channels in each.
fn inner_channels(base: usize, width: f64) -> usize {
    let in_group = base as f64 / 64.0 * 4.0 * width;
    GROUPS * (in_group.round() as usize).max(1)
}

/// Squeeze and excitation: each channel weighed by what the means of all channels say.
#[derive(Module, Debug)]
pub struct SeModule {
    fc1: Conv2d,
    fc2: Conv2d,
}

impl SeModule {
    fn new(init: &Init<'_>, channels: usize) -> Self {
        let squeezed = (channels / REDUCTION).max(1);
        Self {
            fc1: ConvSpec::new(channels, squeezed, 1).init(init),
            fc2: ConvSpec::new(squeezed, channels, 1).init(init),
        }
    }

    /// The weight of each channel.
    ///
    /// # Shapes
    /// `[B, C, H, W]` → `[B, C, 1, 1]`
    fn gate(&self, x: Tensor<4>) -> Tensor<4> {
        let squeezed = self.fc1.forward_relu(GlobalMean.forward(x));
        sigmoid(self.fc2.forward(squeezed))
    }
}

/// 1x1, grouped 3x3, 1x1, squeeze and excitation, around a shortcut.
#[derive(Module, Debug)]
pub struct SeBottleneck {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Conv2d,
    bn3: BatchNorm,
    se_module: SeModule,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl SeBottleneck {
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
                .groups(GROUPS)
                .init(init),
            bn2: BatchNorm::new(init, inner),
            conv3: BlockSpec::conv(inner, outputs, 1).init(init),
            bn3: BatchNorm::new(init, outputs),
            se_module: SeModule::new(init, outputs),
            downsample: spec.downsample(init),
        }
    }

    /// # Shapes
    /// `[B, I, H, W]` → `[B, O, ⌈H/stride⌉, ⌈W/stride⌉]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.bn1.after(&self.conv1, x.clone(), true);
        let y = self.bn2.after(&self.conv2, y, true);
        let y = self.bn3.after(&self.conv3, y, false);
        let gate = self.se_module.gate(y.clone());
        gate_add_relu(y, gate, shortcut(&self.downsample, x))
    }
}

#[derive(Module, Debug)]
struct Stem {
    conv1: Conv2d,
    bn1: BatchNorm,
}

/// SE-ResNeXt50 without its classifier. Stages: `stem` (7x7 stride 2, batch norm, ReLU), `layer1`
/// (max-pool first) … `layer4`.
#[derive(Module, Debug)]
pub struct SeResnext {
    layer0: Stem,
    layer1: Vec<SeBottleneck>,
    layer2: Vec<SeBottleneck>,
    layer3: Vec<SeBottleneck>,
    layer4: Vec<SeBottleneck>,
    #[module(skip)]
    strides: StageStrides,
    #[module(skip)]
    channels: [usize; 5],
}

impl SeResnext {
    pub(crate) fn new(init: &Init<'_>, strides: StageStrides, width: f64) -> Self {
        let stem = scaled(64, width);
        let [c1, c2, c3, c4] = LAYERS.map(|(_, base)| EXPANSION * scaled(base, width));
        let channels = [stem, c1, c2, c3, c4];
        let layer0 = Stem {
            conv1: BlockSpec::conv(3, stem, 7).stride(2).init(init),
            bn1: BatchNorm::new(init, stem),
        };
        let layer = |index: usize| -> Vec<SeBottleneck> {
            let (blocks, base) = LAYERS[index];
            let (stride, first, rest) = strides.layer(index);
            let later = BlockSpec {
                inputs: channels[index + 1],
                inner: inner_channels(base, width),
                outputs: channels[index + 1],
                stride: 1,
                dilation: rest,
            };
            let first = BlockSpec {
                inputs: channels[index],
                stride,
                dilation: first,
                ..later
            };
            (0..blocks)
                .map(|block| SeBottleneck::new(init, if block == 0 { first } else { later }))
                .collect()
        };
        Self {
            layer0,
            layer1: layer(0),
            layer2: layer(1),
            layer3: layer(2),
            layer4: layer(3),
            strides,
            channels,
        }
    }

    /// The max-pool between `stem` and `layer1`: without padding, the last window cut off at the
    /// border, as in the Caffe weights this network's come from.
    pub(crate) fn pool_stem(x: Tensor<4>) -> Tensor<4> {
        MaxPool::new(3, 2, 0).with_ceil().forward(x)
    }

    /// Freezes the first `stages` stages.
    pub fn freeze_stages(mut self, stages: usize) -> Self {
        if stages > 0 {
            self.layer0 = self.layer0.freeze();
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

impl Encoder for SeResnext {
    fn stage_names(&self) -> &'static [&'static str] {
        &super::RESNET_STAGES
    }

    fn out_channels(&self) -> Vec<usize> {
        self.channels.to_vec()
    }

    fn reductions(&self) -> Vec<usize> {
        self.strides.reductions().to_vec()
    }

    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4> {
        let run = |layer: &[SeBottleneck], x| layer.iter().fold(x, |x, block| block.forward(x));
        match index {
            0 => self.layer0.bn1.after(&self.layer0.conv1, x, true),
            1 => run(&self.layer1, Self::pool_stem(x)),
            2 => run(&self.layer2, x),
            3 => run(&self.layer3, x),
            _ => run(&self.layer4, x),
        }
    }
}
