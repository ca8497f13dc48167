//! Step 2's network, IRNet (Ahn, Cho and Kwak 2019): class boundaries and displacements to
//! instance centres, read off a frozen trunk.

mod displacement;
mod edge;

use burn::module::{Module, RunningState};
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use serde::{Deserialize, Serialize};

use crate::arch::ClassifierArch;
use crate::classifier::{Classifier, irn_trunk};
use crate::encoder::{Backbone, Encoder, ResNet, SeResnext, Trunk};
use crate::error::{ModelError, check_width};
use crate::layers::{Init, MaxPool, crop, pad_to_multiple};
use crate::weights::{self, LoadReport};

pub use displacement::DisplacementHead;
pub use edge::EdgeHead;

/// Images are padded to a multiple of this: the largest stride of a trunk.
const MULTIPLE: usize = 16;

/// The five taps of the trunk, finest first.
pub type Levels = [Tensor<4>; 5];

/// How to build an [`Irnet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IrnetConfig {
    /// The classifier whose trunk it stands on: VGG16 dilated, ResNets at IRN's strides, so output
    /// stride 16 without dilation, whatever the classifier's.
    pub trunk: ClassifierArch,
    /// Factor on every channel count, heads included; 1 is the published network.
    pub width: f64,
    /// Seed of the initial weights.
    pub seed: u64,
}

impl IrnetConfig {
    /// Full width, seed 0.
    pub fn new(trunk: ClassifierArch) -> Self {
        Self {
            trunk,
            width: 1.0,
            seed: 0,
        }
    }

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self.trunk.backbone() {
            Backbone::Vgg16 => "irnet-vgg16",
            Backbone::Vgg16Bn => "irnet-vgg16-bn",
            Backbone::Resnet34 => "irnet-resnet34",
            Backbone::Resnet50 => "irnet-resnet50",
            Backbone::SeResnext50 => "irnet-se_resnext50",
        }
    }

    /// Builds the network with fresh weights; the trunk is meant to be loaded.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a width that is no factor.
    pub fn init(&self, device: &Device) -> Result<Irnet, ModelError> {
        check_width(self.width)?;
        let init = Init::new(device, self.seed);
        let trunk = irn_trunk(&init, self.trunk, self.width);
        let channels: [usize; 5] = std::array::from_fn(|i| trunk.out_channels()[i]);
        let strides = strides(&trunk);
        Ok(Irnet {
            heads: IrnetHeads {
                edge: EdgeHead::new(&init, channels, strides, self.width),
                displacement: DisplacementHead::new(&init, channels, strides, self.width),
            },
            trunk: trunk.freeze_stages(5),
            mean_shift: RunningState::new(Tensor::zeros([2], device)),
        })
    }
}

/// Image pixels per pixel of each level.
///
/// ResNets' are IRN's. VGG16 has no stem that leaps to a quarter: its second and third block are
/// tapped at 1/4 (after their pools where needed), so that the head's concatenation happens at the
/// same 1/4 and its finer levels carry the same kind of detail; the fourth and fifth stay at 1/8,
/// the finest grid the trunk computes them on.
fn strides(trunk: &Trunk) -> [usize; 5] {
    match trunk {
        Trunk::Resnet(_) | Trunk::SeResnext(_) => [4, 4, 8, 16, 16],
        Trunk::Vgg(_) => [4, 4, 4, 8, 8],
    }
}

/// Trunk, heads, and the displacement field's mean, which inference takes off.
#[derive(Module, Debug)]
pub struct Irnet {
    /// Frozen; leaves no trace in checkpoint keys.
    pub trunk: Trunk,
    /// What is trained: give these to the optimizer, not the whole network.
    pub heads: IrnetHeads,
    /// Mean of the displacements over the training images, `[2]` (dy, dx) in pixels of the 1/4
    /// grid; zero until [`set_mean_shift`](Self::set_mean_shift).
    mean_shift: RunningState<Tensor<1>>,
}

/// The trained part of an [`Irnet`].
#[derive(Module, Debug)]
pub struct IrnetHeads {
    edge: EdgeHead,
    displacement: DisplacementHead,
}

impl IrnetHeads {
    /// Logits of a class boundary at each pixel; the sigmoid is the caller's.
    ///
    /// # Shapes
    /// levels of an H x W image → `[B, 1, ⌈H/4⌉, ⌈W/4⌉]`
    pub fn edge(&self, levels: &Levels) -> Tensor<4> {
        self.edge.forward(levels)
    }

    /// The displacement (dy, dx) from each pixel to its instance's centre, in pixels of the 1/4
    /// grid, as trained: the mean shift still in it.
    ///
    /// # Shapes
    /// levels of an H x W image → `[B, 2, ⌈H/4⌉, ⌈W/4⌉]`
    pub fn displacement(&self, levels: &Levels) -> Tensor<4> {
        self.displacement.forward(levels)
    }
}

impl Irnet {
    /// The trunk's five taps, computed without autodiff and with batch norm's running statistics
    /// whatever the device: only the heads learn. Any image size: padded with zeros on the right
    /// and at the bottom to a multiple of 16, the levels cut back to ⌈H/stride⌉ x ⌈W/stride⌉.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → channels of the trunk at strides 4, 4, 8, 16, 16 (ResNets) or 4, 4, 4, 8,
    /// 8 (VGG16)
    pub fn levels(&self, images: Tensor<4>) -> Levels {
        let strategy = images.gradient_checkpointing_strategy();
        let [_, _, height, width] = images.dims();
        let trunk = self.trunk.valid();
        let features = trunk.features(pad_to_multiple(images.without_autodiff(), MULTIPLE));
        let strides = strides(&trunk);
        let taps = match trunk {
            Trunk::Resnet(_) => |level: usize, x| match level {
                0 => ResNet::pool_stem(x),
                _ => x,
            },
            Trunk::SeResnext(_) => |level: usize, x| match level {
                0 => SeResnext::pool_stem(x),
                _ => x,
            },
            Trunk::Vgg(_) => |level: usize, x| match level {
                0 => MaxPool::new(4, 4, 0).forward(x),
                1 => MaxPool::new(2, 2, 0).forward(x),
                _ => x,
            },
        };
        let mut features = features.into_iter();
        std::array::from_fn(|level| {
            let feature = features.next().expect("an IRNet trunk has five stages");
            let stride = strides[level];
            let x = crop(
                taps(level, feature),
                height.div_ceil(stride),
                width.div_ceil(stride),
            );
            recorded(x, strategy)
        })
    }

    /// Boundary logits for inference, see [`IrnetHeads::edge`].
    ///
    /// # Shapes
    /// `[B, 1, ⌈H/4⌉, ⌈W/4⌉]`
    pub fn edge(&self, levels: &Levels) -> Tensor<4> {
        self.heads.edge(levels)
    }

    /// Displacements for inference: the mean shift taken off.
    ///
    /// # Shapes
    /// `[B, 2, ⌈H/4⌉, ⌈W/4⌉]`
    pub fn displacement(&self, levels: &Levels) -> Tensor<4> {
        let shift = self.mean_shift.value().to_device(&levels[0].device());
        let strategy = levels[0].gradient_checkpointing_strategy();
        let shift = recorded(shift.without_autodiff(), strategy);
        self.heads.displacement(levels) - shift.reshape([1, 2, 1, 1])
    }

    /// The stored mean (dy, dx).
    pub fn mean_shift(&self) -> [f32; 2] {
        let values: Vec<f32> = self.mean_shift.value().into_data().iter().collect();
        [values[0], values[1]]
    }

    /// Stores the mean (dy, dx) of [`IrnetHeads::displacement`] over the training images.
    pub fn set_mean_shift(&mut self, mean: [f32; 2]) {
        let device = self.mean_shift.value().device();
        self.mean_shift = RunningState::new(Tensor::from_floats(mean, &device));
    }

    /// Starts the trunk from a classifier's. ResNet50's strides differ from the classifier's;
    /// weights do not know strides.
    ///
    /// # Errors
    /// [`ModelError::OtherTrunk`] if the trunks differ in kind or width.
    pub fn init_trunk_from(
        mut self,
        classifier: &Classifier,
    ) -> Result<(Self, LoadReport), ModelError> {
        let (trunk, report) = weights::copy_trunk(self.trunk, &classifier.trunk)?;
        self.trunk = trunk;
        Ok((self, report))
    }
}
/// A constant beside tensors that record their operations by this strategy, if they do.
fn recorded<const D: usize>(
    x: Tensor<D>,
    strategy: Option<GradientCheckpointingStrategy>,
) -> Tensor<D> {
    match strategy {
        Some(strategy) => x.autodiff().with_gradient_checkpointing_strategy(strategy),
        None => x,
    }
}
