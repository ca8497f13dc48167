//! What follows a classifier's trunk: maps, their means, logits.

use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClassifierConfig;
use crate::encoder::{Backbone, Encoder, Trunk};
use crate::layers::{Conv2d, ConvInit, ConvSpec, Init, Linear, scaled};

/// Channels of the extra convolutions at full width.
const EXTRA: usize = 512;

/// The kinds of head. All are linear in the means of maps, so that class activation maps need no
/// backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// Three extra 3x3 convolutions with ReLU, global average pooling, a linear layer: the paper's,
    /// after OAA (Jiang et al. 2019).
    #[default]
    Extra,
    /// Global average pooling of the trunk's last maps and a linear layer: ResNets as published.
    Linear,
    /// A 1x1 convolution without bias on the trunk's last maps, and their mean: IRNet's.
    Conv,
}

/// The head, under the keys its kind has in published checkpoints. In a checkpoint's keys the field
/// `head` and the kind leave no trace.
#[derive(Module, Debug)]
pub enum ClassifierHead {
    /// [`HeadKind::Extra`].
    Extra(ExtraHead),
    /// [`HeadKind::Linear`] under torchvision's key.
    Linear(LinearHead),
    /// [`HeadKind::Linear`] under Cadene's key, for SE-ResNeXt50.
    LastLinear(LastLinearHead),
    /// [`HeadKind::Conv`].
    Conv(ConvHead),
}

/// Keys `extra_convs.0.weight` …, `extra_linear.weight`.
#[derive(Module, Debug)]
pub struct ExtraHead {
    /// The three extra convolutions.
    pub extra_convs: Vec<Conv2d>,
    /// The linear layer.
    pub extra_linear: Linear,
}

/// Key `fc.weight`.
#[derive(Module, Debug)]
pub struct LinearHead {
    /// The linear layer.
    pub fc: Linear,
}

/// Key `last_linear.weight`.
#[derive(Module, Debug)]
pub struct LastLinearHead {
    /// The linear layer.
    pub last_linear: Linear,
}

/// Key `classifier.weight`.
#[derive(Module, Debug)]
pub struct ConvHead {
    /// The 1x1 convolution.
    pub classifier: Conv2d,
}

impl ClassifierHead {
    pub(super) fn new(init: &Init<'_>, config: &ClassifierConfig, trunk: &Trunk) -> Self {
        let vgg = matches!(trunk, Trunk::Vgg(_));
        let channels = trunk.out_channels();
        let deep = channels[channels.len() - 1];
        let linear = |inputs| {
            if vgg {
                Linear::normal(init, inputs, config.classes, 0.01)
            } else {
                Linear::torch(init, inputs, config.classes)
            }
        };
        match config.head {
            HeadKind::Extra => {
                let extra = scaled(EXTRA, config.width);
                let mut inputs = deep;
                let extra_convs = (0..3)
                    .map(|_| {
                        let init_as = if vgg && inputs == extra {
                            ConvInit::NearIdentity
                        } else if vgg {
                            ConvInit::NormalFanOut
                        } else {
                            ConvInit::Torch
                        };
                        let conv = ConvSpec::new(inputs, extra, 3).init_as(init_as).init(init);
                        inputs = extra;
                        conv
                    })
                    .collect();
                Self::Extra(ExtraHead {
                    extra_convs,
                    extra_linear: linear(extra),
                })
            }
            HeadKind::Linear if trunk.backbone() == Backbone::SeResnext50 => {
                Self::LastLinear(LastLinearHead {
                    last_linear: linear(deep),
                })
            }
            HeadKind::Linear => Self::Linear(LinearHead { fc: linear(deep) }),
            HeadKind::Conv => Self::Conv(ConvHead {
                classifier: ConvSpec::new(deep, config.classes, 1).no_bias().init(init),
            }),
        }
    }

    /// Which kind this is.
    pub fn kind(&self) -> HeadKind {
        match self {
            Self::Extra(_) => HeadKind::Extra,
            Self::Linear(_) | Self::LastLinear(_) => HeadKind::Linear,
            Self::Conv(_) => HeadKind::Conv,
        }
    }

    /// The maps whose means are classified.
    ///
    /// # Shapes
    /// the trunk's last features → `[B, K, h, w]`
    pub(super) fn maps(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Extra(head) => head
                .extra_convs
                .iter()
                .fold(x, |x, conv| conv.forward_relu(x)),
            _ => x,
        }
    }

    /// # Shapes
    /// means of the maps `[B, K]` → logits `[B, C]`
    pub(super) fn logits(&self, means: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Extra(head) => head.extra_linear.forward(means),
            Self::Linear(head) => head.fc.forward(means),
            Self::LastLinear(head) => head.last_linear.forward(means),
            Self::Conv(_) => means.matmul(self.class_weights().transpose()),
        }
    }

    /// Weight of each map for each class.
    ///
    /// # Shapes
    /// `[C, K]`
    pub fn class_weights(&self) -> Tensor<2> {
        match self {
            Self::Extra(head) => head.extra_linear.weight.val(),
            Self::Linear(head) => head.fc.weight.val(),
            Self::LastLinear(head) => head.last_linear.weight.val(),
            Self::Conv(head) => {
                let weight = head.classifier.weight.val();
                let [classes, channels, _, _] = weight.dims();
                weight.reshape([classes, channels])
            }
        }
    }

    pub(super) fn classes(&self) -> usize {
        match self {
            Self::Extra(head) => head.extra_linear.weight.lazy_shape()[0],
            Self::Linear(head) => head.fc.weight.lazy_shape()[0],
            Self::LastLinear(head) => head.last_linear.weight.lazy_shape()[0],
            Self::Conv(head) => head.classifier.outputs(),
        }
    }
}

/// Names of a classifier's layers: the trunk's stages, and `extra` for what the extra convolutions
/// make of the last.
pub(super) fn layers(stages: &[&'static str], head: HeadKind) -> Vec<&'static str> {
    let mut names = stages.to_vec();
    if head == HeadKind::Extra {
        names.push("extra");
    }
    names
}
