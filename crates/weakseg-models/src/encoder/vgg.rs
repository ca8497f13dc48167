//! VGG16 (Simonyan and Zisserman 2014, configuration D), with torchvision's `features.N` keys.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use weakseg_kernels::global_mean;

use super::Encoder;
use crate::layers::{BatchNorm, Conv2d, ConvInit, ConvSpec, Init, MaxPool, Relu, scaled};

/// Convolutions and channels of the five blocks.
const BLOCKS: [(usize, usize); 5] = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];

/// What follows the first three blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VggLayout {
    /// As published: five 2x2 pools. Six stages, the last one only the last pool; output stride
    /// 32. What segmentation_models_pytorch's decoders expect.
    Plain,
    /// For localisation: the fourth pool has stride 1 (3x3, padding 1), the last three convolutions
    /// have dilation 2, and no pool follows them. Five stages; output stride 8. The layers keep
    /// their numbers, so the same weights load.
    Dilated,
}

/// One entry of `features`.
#[derive(Module, Debug)]
pub enum VggLayer {
    /// 3x3 convolution with bias.
    Conv(Conv2d),
    /// Batch norm.
    Norm(BatchNorm),
    /// ReLU.
    Relu(Relu),
    /// Max pooling.
    Pool(MaxPool),
}

/// The convolutional part of VGG16. Stages are `block1` … `block5` (and `pool5` in the plain
/// layout); each begins with the pool that torchvision puts after the block before.
#[derive(Module, Debug)]
pub struct Vgg {
    /// The layers under their torchvision numbers.
    pub features: Vec<VggLayer>,
    #[module(skip)]
    stages: Vec<Range<usize>>,
    #[module(skip)]
    channels: Vec<usize>,
    #[module(skip)]
    layout: VggLayout,
}

impl Vgg {
    pub(crate) fn new(init: &Init<'_>, layout: VggLayout, batch_norm: bool, width: f64) -> Self {
        let mut features = Vec::new();
        let mut stages = Vec::new();
        let mut channels = Vec::new();
        let mut inputs = 3;
        for (block, (convs, full)) in BLOCKS.into_iter().enumerate() {
            let start = features.len();
            let dilated = layout == VggLayout::Dilated && block == 4;
            match block {
                0 => {}
                4 if dilated => features.push(VggLayer::Pool(MaxPool::new(3, 1, 1))),
                _ => features.push(VggLayer::Pool(MaxPool::new(2, 2, 0))),
            }
            let outputs = scaled(full, width);
            for _ in 0..convs {
                let conv = ConvSpec::new(inputs, outputs, 3)
                    .dilation(if dilated { 2 } else { 1 })
                    .init_as(ConvInit::NormalFanOut);
                features.push(VggLayer::Conv(conv.init(init)));
                if batch_norm {
                    features.push(VggLayer::Norm(BatchNorm::new(init, outputs)));
                }
                features.push(VggLayer::Relu(Relu));
                inputs = outputs;
            }
            stages.push(start..features.len());
            channels.push(outputs);
        }
        if layout == VggLayout::Plain {
            stages.push(features.len()..features.len() + 1);
            channels.push(inputs);
            features.push(VggLayer::Pool(MaxPool::new(2, 2, 0)));
        }
        Self {
            features,
            stages,
            channels,
            layout,
        }
    }

    /// Whether batch norm follows every convolution.
    pub fn has_batch_norm(&self) -> bool {
        matches!(self.features.get(1), Some(VggLayer::Norm(_)))
    }

    /// Freezes the layers of the first `stages` stages.
    pub fn freeze_stages(mut self, stages: usize) -> Self {
        let Some(last) = self
            .stages
            .get(..stages.min(self.stages.len()))
            .and_then(<[_]>::last)
        else {
            return self;
        };
        let end = last.end;
        self.features = self
            .features
            .into_iter()
            .enumerate()
            .map(|(index, layer)| if index < end { layer.freeze() } else { layer })
            .collect();
        self
    }

    /// Multiplies each convolution so that its output after ReLU has a root mean square of 1 on `images`, its input
    /// having been multiplied alike: every feature stays what it was up to one factor per layer, because ReLU and max
    /// pooling pass positive factors through (Krähenbühl et al. 2016, "Data-dependent initializations", §3.2).
    ///
    /// Without it the features of the original Caffe weights meet in a U-Net's decoder, where those of the last block,
    /// which knows the classes, are far smaller than those of the blocks before and are not heard.
    ///
    /// With batch norm there is nothing to do: the network is given back as it is.
    ///
    /// # Shapes
    /// `images` is `[B, 3, H, W]`, normalised.
    pub fn to_unit_scale(mut self, images: Tensor<4>) -> Self {
        if self.has_batch_norm() {
            return self;
        }
        let mut x = images.detach();
        // What the original features would have to be multiplied by to be `x`.
        let mut scale = 1.0;
        self.features = self
            .features
            .into_iter()
            .map(|layer| match layer {
                VggLayer::Conv(conv) => {
                    let conv = conv.multiplied(1.0, scale);
                    let y = conv.forward(x.clone()).detach().clamp_min(0.0);
                    // Plane by plane: Burn's CPU sums of millions of values have an order that depends on the threads.
                    let mean_square: f32 = global_mean(y.clone().square()).mean().into_scalar();
                    let factor = if mean_square > 0.0 {
                        mean_square.sqrt().recip()
                    } else {
                        1.0
                    };
                    scale *= factor;
                    x = y * factor;
                    VggLayer::Conv(conv.multiplied(factor, factor))
                }
                VggLayer::Pool(pool) => {
                    x = pool.forward(x.clone()).detach();
                    VggLayer::Pool(pool)
                }
                other => other,
            })
            .collect();
        self
    }

    /// Layers from the image up to and with the first ReLU.
    pub(crate) fn first_convolution(&self) -> Range<usize> {
        0..if self.has_batch_norm() { 3 } else { 2 }
    }

    /// The rest of the first stage.
    pub(crate) fn after_first_convolution(&self) -> Range<usize> {
        self.first_convolution().end..self.stages[0].end
    }

    /// Runs the layers of a range of numbers.
    pub(crate) fn run(&self, layers: Range<usize>, x: Tensor<4>) -> Tensor<4> {
        let is_relu = |layer: &&VggLayer| matches!(layer, VggLayer::Relu(_));
        let mut layers = self.features[layers].iter().peekable();
        let mut x = x;
        while let Some(layer) = layers.next() {
            x = match layer {
                // One pass for what belongs together.
                VggLayer::Conv(conv) => {
                    let is_norm = |layer: &&VggLayer| matches!(layer, VggLayer::Norm(_));
                    let norm = layers.next_if(is_norm);
                    let relu = layers.next_if(is_relu).is_some();
                    match (norm, relu) {
                        (Some(VggLayer::Norm(norm)), relu) => norm.after(conv, x, relu),
                        (_, true) => conv.forward_relu(x),
                        (_, false) => conv.forward(x),
                    }
                }
                VggLayer::Norm(norm) => match layers.next_if(is_relu) {
                    Some(_) => norm.forward_relu(x),
                    None => norm.forward(x),
                },
                VggLayer::Relu(relu) => relu.forward(x),
                VggLayer::Pool(pool) => pool.forward(x),
            };
        }
        x
    }
}

impl Encoder for Vgg {
    fn stage_names(&self) -> &'static [&'static str] {
        const NAMES: [&str; 6] = ["block1", "block2", "block3", "block4", "block5", "pool5"];
        match self.layout {
            VggLayout::Plain => &NAMES,
            VggLayout::Dilated => &["block1", "block2", "block3", "block4", "block5"],
        }
    }

    fn out_channels(&self) -> Vec<usize> {
        self.channels.clone()
    }

    fn reductions(&self) -> Vec<usize> {
        match self.layout {
            VggLayout::Plain => vec![1, 2, 4, 8, 16, 32],
            VggLayout::Dilated => vec![1, 2, 4, 8, 8],
        }
    }

    fn stage(&self, index: usize, x: Tensor<4>) -> Tensor<4> {
        self.run(self.stages[index].clone(), x)
    }
}
