//! Step 1's network: image-level labels in, maps that localise them on the way out.

mod config;
mod head;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::encoder::{Encoder, Trunk};
use crate::error::ModelError;
use crate::layers::{DropBlock, DropNoise, GlobalMean};

pub(crate) use config::irn_trunk;
pub use config::{ClassifierConfig, DropBlockConfig, DropBlockPlace};
pub use head::{ClassifierHead, ConvHead, ExtraHead, HeadKind, LastLinearHead, LinearHead};

/// A trunk and a head. Because the head is linear in the maps' means, class activation maps are a
/// weighted sum of [`maps`](Self::maps) with [`class_weights`](Self::class_weights).
#[derive(Module, Debug)]
pub struct Classifier {
    /// The trunk; leaves no trace in checkpoint keys.
    pub trunk: Trunk,
    /// What follows it; leaves no trace in checkpoint keys.
    pub head: ClassifierHead,
    #[module(skip)]
    dropblock: Option<DropBlockConfig>,
}

impl Classifier {
    /// The maps the head averages: after the last ReLU. `noise` is given in training and drives
    /// DropBlock.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, K, ≈H/s, ≈W/s]`, s the output stride, values ≥ 0
    pub fn maps(&self, images: Tensor<4>, mut noise: Option<&mut DropNoise>) -> Tensor<4> {
        let mut x = images;
        for index in 0..self.stages() {
            x = self.stage(index, x, noise.as_deref_mut());
        }
        self.head
            .maps(self.drop_at(DropBlockPlace::BeforeExtra, x, noise))
    }

    /// Logits of maps: global average pooling and what is linear.
    ///
    /// # Shapes
    /// `[B, K, h, w]` → `[B, C]`
    pub fn logits(&self, maps: Tensor<4>) -> Tensor<2> {
        self.head.logits(GlobalMean.forward(maps).flatten(1, 3))
    }

    /// Logits of images; `noise` in training.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, C]`
    pub fn forward(&self, images: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<2> {
        self.logits(self.maps(images, noise))
    }

    /// Weight of each map for each class.
    ///
    /// # Shapes
    /// `[C, K]`
    pub fn class_weights(&self) -> Tensor<2> {
        self.head.class_weights()
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        self.head.classes()
    }

    /// Names for [`activation`](Self::activation), see [`ClassifierConfig::layers`]; the last is
    /// [`maps`](Self::maps).
    pub fn layers(&self) -> Vec<&'static str> {
        head::layers(self.trunk.stage_names(), self.head.kind())
    }

    fn stages(&self) -> usize {
        self.trunk.stage_names().len()
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
        let deepest = self.stages() - 1;
        let x = (0..=last.min(deepest)).fold(images, |x, index| self.trunk.stage(index, x));
        Ok(if last > deepest { self.head.maps(x) } else { x })
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
        let stages = self.stages();
        if last == stages {
            return Ok(self.logits(activation));
        }
        let x = (last + 1..stages).fold(activation, |x, index| self.trunk.stage(index, x));
        Ok(self.logits(self.head.maps(x)))
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

    /// A stage of the trunk with the reference's DropBlocks in or after it.
    fn stage(&self, index: usize, x: Tensor<4>, mut noise: Option<&mut DropNoise>) -> Tensor<4> {
        let here = DropBlockPlace::Reference;
        match (&self.trunk, index) {
            (Trunk::Vgg(vgg), 0) => {
                let x = vgg.run(vgg.first_convolution(), x);
                let x = self.drop_at(here, x, noise);
                vgg.run(vgg.after_first_convolution(), x)
            }
            (Trunk::Resnet(_) | Trunk::SeResnext(_), 3 | 4) => {
                let x = self.trunk.stage(index, x);
                let x = self.drop_at(here, x, noise.as_deref_mut());
                match self.stages() {
                    4 => self.drop_at(here, x, noise),
                    _ => x,
                }
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
