//! Step 1's network: image-level labels in, maps that localise them on the way out.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_kernels::relu;

use crate::arch::{ClassifierArch, RESNET_LAYERS, VGG_LAYERS};
use crate::encoder::{Encoder, ResNet, ResNetLayout, Trunk, Vgg, VggLayout};
use crate::error::{ModelError, check_outputs, check_width};
use crate::layers::{
    Conv2d, ConvInit, ConvSpec, DropBlock, DropBlockForm, DropNoise, Init, Linear, scaled,
};

/// Channels of the extra convolutions at full width.
const EXTRA: usize = 512;

/// Where DropBlock acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropBlockPlace {
    /// Once, on the trunk's last maps, before the extra convolutions: where the evidence for a
    /// class is, and where a dropped block makes the head look at the rest of the object.
    #[default]
    BeforeExtra,
    /// Where the reference code has it: VGG after the first convolution (full resolution),
    /// ResNet50 after `layer3` and again after `layer4`.
    Reference,
}

/// DropBlock in a classifier. Its probability comes with each step's [`DropNoise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DropBlockConfig {
    /// Side of a dropped block in feature pixels.
    pub block_size: usize,
    /// Paper-correct or as the reference code.
    pub form: DropBlockForm,
    /// Where it acts.
    pub place: DropBlockPlace,
}

impl Default for DropBlockConfig {
    /// Blocks of 7 (the reference's published configurations) in the paper's form.
    fn default() -> Self {
        Self {
            block_size: 7,
            form: DropBlockForm::default(),
            place: DropBlockPlace::default(),
        }
    }
}

/// How to build a [`Classifier`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierConfig {
    /// The trunk.
    pub arch: ClassifierArch,
    /// Number of logits, at least 1.
    pub classes: usize,
    /// Factor on every channel count, above 0; 1 is the published network.
    pub width: f64,
    /// DropBlock, if any.
    pub dropblock: Option<DropBlockConfig>,
    /// How many of the trunk's first blocks (0 to 5) keep the weights they are loaded with. No
    /// gradients are computed for them and no activations stored, and batch norm in them uses its
    /// running statistics: training costs a forward pass there and nothing more, which is what
    /// makes pretrained weights at full width affordable on a CPU. Blocks are `block1` … `block5`
    /// of VGG16; `stem`, `layer1` … `layer4` of ResNet50. Not for fresh weights.
    pub frozen_blocks: usize,
    /// Seed of the initial weights.
    pub seed: u64,
}

impl ClassifierConfig {
    /// Full width, no DropBlock, nothing frozen, seed 0.
    pub fn new(arch: ClassifierArch, classes: usize) -> Self {
        Self {
            arch,
            classes,
            width: 1.0,
            dropblock: None,
            frozen_blocks: 0,
            seed: 0,
        }
    }

    /// Builds the network with fresh weights: convolutions of VGG N(0, √(2/(k²·out))), its linear
    /// layer N(0, 0.01); ResNet50's trunk likewise, its head as PyTorch does by default.
    ///
    /// Departs from the reference code, which starts VGG's extra convolutions as the trunk's: they
    /// start as the identity plus a tenth of that noise, because the means of three layers of random
    /// features are nearly the same for every image. The head then begins with what the trunk knows,
    /// and the first epochs are not spent on finding it again.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for no classes, a width that is no factor, more than 5 frozen
    /// blocks or a block size of 0.
    pub fn init(&self, device: &Device) -> Result<Classifier, ModelError> {
        check_outputs("classes", self.classes)?;
        check_width(self.width)?;
        let out_of_range = |what, found: usize, expected| ModelError::OutOfRange {
            what,
            found: found.to_string(),
            expected,
        };
        if self.frozen_blocks > 5 {
            return Err(out_of_range("frozen_blocks", self.frozen_blocks, "0 to 5"));
        }
        if let Some(DropBlockConfig { block_size: 0, .. }) = self.dropblock {
            return Err(out_of_range("dropblock.block_size", 0, "at least 1"));
        }

        let init = Init::new(device, self.seed);
        let trunk = localising_trunk(&init, self.arch, self.width);
        let vgg = matches!(trunk, Trunk::Vgg(_));
        let extra = scaled(EXTRA, self.width);
        let mut inputs = trunk.out_channels()[4];
        let extra_convs = (0..3)
            .map(|_| {
                let init_as = if vgg && inputs == extra {
                    ConvInit::NearIdentity
                } else if vgg {
                    ConvInit::NormalFanOut
                } else {
                    ConvInit::Torch
                };
                let conv = ConvSpec::new(inputs, extra, 3).init_as(init_as).init(&init);
                inputs = extra;
                conv
            })
            .collect();
        let extra_linear = if vgg {
            Linear::normal(&init, extra, self.classes, 0.01)
        } else {
            Linear::torch(&init, extra, self.classes)
        };
        Ok(Classifier {
            trunk: trunk.freeze_stages(self.frozen_blocks),
            extra_convs,
            extra_linear,
            dropblock: self.dropblock,
        })
    }
}

/// The trunk of a classifier: output stride 8.
pub(crate) fn localising_trunk(init: &Init<'_>, arch: ClassifierArch, width: f64) -> Trunk {
    match arch {
        ClassifierArch::Vgg16 => Trunk::Vgg(Vgg::new(init, VggLayout::Dilated, false, width)),
        ClassifierArch::Vgg16Bn => Trunk::Vgg(Vgg::new(init, VggLayout::Dilated, true, width)),
        ClassifierArch::Resnet50Os8 => {
            Trunk::Resnet(ResNet::new(init, ResNetLayout::Stride8, width))
        }
    }
}

/// A trunk at output stride 8, three extra 3x3 convolutions with ReLU, global average pooling and
/// a linear layer. Because the head is linear in the maps' means, class activation maps are a
/// weighted sum of [`maps`](Self::maps) with [`class_weights`](Self::class_weights).
#[derive(Module, Debug)]
pub struct Classifier {
    /// The trunk; leaves no trace in checkpoint keys.
    pub trunk: Trunk,
    /// The three extra convolutions.
    pub extra_convs: Vec<Conv2d>,
    /// The linear layer.
    pub extra_linear: Linear,
    #[module(skip)]
    dropblock: Option<DropBlockConfig>,
}

impl Classifier {
    /// The maps the head averages: after the extra convolutions and ReLU. `noise` is given in
    /// training and drives DropBlock.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, K, ≈H/8, ≈W/8]`, K = 512·width, values ≥ 0
    pub fn maps(&self, images: Tensor<4>, mut noise: Option<&mut DropNoise>) -> Tensor<4> {
        let mut x = images;
        for index in 0..5 {
            x = self.stage(index, x, noise.as_deref_mut());
        }
        self.extra(self.drop_at(DropBlockPlace::BeforeExtra, x, noise))
    }

    /// Logits of maps: global average pooling and the linear layer.
    ///
    /// # Shapes
    /// `[B, K, h, w]` → `[B, C]`
    pub fn head(&self, maps: Tensor<4>) -> Tensor<2> {
        let [batch, channels, height, width] = maps.dims();
        let means = maps
            .reshape([batch, channels, height * width])
            .mean_dim(2)
            .reshape([batch, channels]);
        self.extra_linear.forward(means)
    }

    /// Logits of images; `noise` in training.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, C]`
    pub fn forward(&self, images: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<2> {
        self.head(self.maps(images, noise))
    }

    /// The linear layer's weights.
    ///
    /// # Shapes
    /// `[C, K]`
    pub fn class_weights(&self) -> Tensor<2> {
        self.extra_linear.weight.val()
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        self.extra_linear.weight.lazy_shape()[0]
    }

    /// Names for [`activation`](Self::activation), see [`ClassifierArch::layers`]; `extra` is
    /// [`maps`](Self::maps).
    pub fn layers(&self) -> [&'static str; 6] {
        match self.trunk {
            Trunk::Vgg(_) => VGG_LAYERS,
            Trunk::Resnet(_) => RESNET_LAYERS,
        }
    }

    /// Activation of a named layer, without DropBlock.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, channels, h, w]` of that layer
    ///
    /// # Errors
    /// [`ModelError::UnknownLayer`].
    pub fn activation(&self, images: Tensor<4>, layer: &str) -> Result<Tensor<4>, ModelError> {
        let last = self.position(layer)?;
        let x = (0..=last.min(4)).fold(images, |x, index| self.trunk.stage(index, x));
        Ok(if last == 5 { self.extra(x) } else { x })
    }

    /// Logits from a named layer's activation: the rest of the network.
    ///
    /// # Shapes
    /// `[B, channels, h, w]` of that layer → `[B, C]`
    ///
    /// # Errors
    /// [`ModelError::UnknownLayer`].
    pub fn from_activation(
        &self,
        activation: Tensor<4>,
        layer: &str,
    ) -> Result<Tensor<2>, ModelError> {
        let last = self.position(layer)?;
        if last == 5 {
            return Ok(self.head(activation));
        }
        let x = (last + 1..5).fold(activation, |x, index| self.trunk.stage(index, x));
        Ok(self.head(self.extra(x)))
    }

    fn position(&self, layer: &str) -> Result<usize, ModelError> {
        self.layers()
            .iter()
            .position(|name| *name == layer)
            .ok_or_else(|| ModelError::UnknownLayer {
                name: layer.to_owned(),
                valid: self.layers().join(", "),
            })
    }

    fn extra(&self, x: Tensor<4>) -> Tensor<4> {
        self.extra_convs
            .iter()
            .fold(x, |x, conv| relu(conv.forward(x)))
    }

    /// A stage of the trunk with the reference's DropBlocks in or after it.
    fn stage(&self, index: usize, x: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        match (&self.trunk, index) {
            (Trunk::Vgg(vgg), 0) => {
                let x = vgg.run(vgg.first_convolution(), x);
                let x = self.drop_at(DropBlockPlace::Reference, x, noise);
                vgg.run(vgg.after_first_convolution(), x)
            }
            (Trunk::Resnet(resnet), 3 | 4) => {
                let x = resnet.stage(index, x);
                self.drop_at(DropBlockPlace::Reference, x, noise)
            }
            (trunk, _) => trunk.stage(index, x),
        }
    }

    fn drop_at(
        &self,
        place: DropBlockPlace,
        x: Tensor<4>,
        noise: Option<&mut DropNoise>,
    ) -> Tensor<4> {
        match self.dropblock {
            Some(config) if config.place == place => DropBlock {
                block_size: config.block_size,
                form: config.form,
            }
            .forward(x, noise),
            _ => x,
        }
    }
}
