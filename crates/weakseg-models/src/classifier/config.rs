//! How to build a classifier.

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{self, ClassifierHead};
use super::{Classifier, HeadKind};
use crate::arch::ClassifierArch;
use crate::encoder::{Encoder, StageStrides, Trunk};
use crate::error::{ModelError, check_outputs, check_width};
use crate::layers::{DropBlockForm, Init};

/// Where DropBlock acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropBlockPlace {
    /// Once, on the trunk's last maps, before the head: where the evidence for a class is, and where
    /// a dropped block makes the head look at the rest of the object.
    #[default]
    BeforeExtra,
    /// Where the reference code has it: VGG after the first convolution (full resolution), ResNets
    /// after `layer3` and again after `layer4`; a ResNet that ends with `layer3` twice after it.
    Reference,
}

/// DropBlock in a classifier. Its probability comes with each step's
/// [`DropNoise`](crate::DropNoise).
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
    /// What follows the trunk.
    pub head: HeadKind,
    /// Stages of the trunk that are used: 5, or 4 for a ResNet that ends with `layer3` (the
    /// reference's "GAP" variants).
    pub stages: usize,
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
    /// of VGG16; `stem`, `layer1` … `layer4` of ResNets. Not for fresh weights.
    pub frozen_blocks: usize,
    /// Whether batch norm keeps the running statistics it is loaded with while its scale and shift
    /// learn, as in IRNet's CAM network. Not for fresh weights.
    pub fixed_statistics: bool,
    /// Seed of the initial weights.
    pub seed: u64,
}

impl ClassifierConfig {
    /// Three extra convolutions on the whole trunk, full width, no DropBlock, nothing frozen, seed 0.
    pub fn new(arch: ClassifierArch, classes: usize) -> Self {
        Self {
            arch,
            head: HeadKind::Extra,
            stages: 5,
            classes,
            width: 1.0,
            dropblock: None,
            frozen_blocks: 0,
            fixed_statistics: false,
            seed: 0,
        }
    }

    /// Names of the layers whose activations can be had, in order of depth; the last one's is what
    /// the head averages.
    pub fn layers(&self) -> Vec<&'static str> {
        let stages = self.arch.backbone().stage_names();
        head::layers(&stages[..self.stages.min(5)], self.head)
    }

    /// Builds the network with fresh weights: convolutions of the trunk N(0, √(2/(k²·out))); the
    /// head of VGG likewise with its linear layer N(0, 0.01), of other trunks as PyTorch does by
    /// default.
    ///
    /// Departs from the reference code, which starts VGG's extra convolutions as the trunk's: they
    /// start as the identity plus a tenth of that noise, because the means of three layers of random
    /// features are nearly the same for every image. The head then begins with what the trunk knows,
    /// and the first epochs are not spent on finding it again.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for no classes, a width that is no factor, stages that the trunk
    /// cannot end with, more than 5 frozen blocks or a block size of 0.
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

        let init = &Init::new(device, self.seed).fixed_statistics(self.fixed_statistics);
        let trunk = localising_trunk(init, self.arch, self.width);
        let trunk = match (self.stages, trunk) {
            (5, trunk) => trunk,
            (4, Trunk::Resnet(resnet)) => Trunk::Resnet(resnet.without_layer4()),
            (4, _) => {
                return Err(out_of_range("stages", 4, "5 (only ResNets can end before)"));
            }
            (other, _) => return Err(out_of_range("stages", other, "4 or 5")),
        };
        Ok(Classifier {
            head: ClassifierHead::new(init, self, &trunk),
            trunk: trunk.freeze_stages(self.frozen_blocks),
            dropblock: self.dropblock,
        })
    }
}

/// The trunk of a classifier. VGG16 is dilated: where it localises it has no sixth stage.
pub(crate) fn localising_trunk(init: &Init<'_>, arch: ClassifierArch, width: f64) -> Trunk {
    let trunk = Trunk::new(init, arch.backbone(), arch.strides(), width);
    debug_assert_eq!(trunk.stage_names().len(), 5);
    trunk
}

/// The trunk of an IRNet on a classifier of this kind: five levels, ResNets at IRNet's strides.
pub(crate) fn irn_trunk(init: &Init<'_>, arch: ClassifierArch, width: f64) -> Trunk {
    Trunk::new(init, arch.backbone(), StageStrides::Irn, width)
}
