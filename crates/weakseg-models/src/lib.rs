//! The networks of weakseg, written once, with field names equal to the checkpoints they load
//! (torchvision, segmentation_models_pytorch), so that a weight file's keys are the module's paths.
//!
//! | network | type | made by |
//! |---|---|---|
//! | `vgg16`, `vgg16-bn`, `resnet34`, `resnet50-os32`, `-os16`, `-os8`, `-irn`, `se_resnext50` | [`Classifier`] | [`ClassifierConfig`] |
//! | `irnet-` on each trunk | [`Irnet`] | [`IrnetConfig`] |
//! | `unet-` on each trunk, `deeplabv3-vgg16`, `deeplabv3-resnet50`, `deeplabv3plus-resnet50-os8`, `-os16` | [`Segmenter`] | [`SegmenterConfig`] |
//! | any of these by name and weight file | [`Network`] | [`Network::for_weights`] |
//!
//! Every network follows the same road: a plain config with a `width` factor, `init(&Device)`, and
//! methods on tensors `[batch, channels, height, width]`. Images are RGB, already normalised with
//! the [`Normalisation`] that belongs to the weights. Initial weights are
//! drawn on the CPU from ChaCha8 streams of the config's `seed`, so every device starts alike.
//!
//! Training happens on an autodiff device (`device.autodiff()`), inference on `network.valid()`:
//! batch norm looks at the device, as Burn's own layers do.
#![forbid(unsafe_code)]

mod arch;
mod classifier;
pub mod encoder;
mod error;
mod imagenet_vgg;
mod irnet;
pub mod layers;
mod network;
mod segmenter;
pub mod weights;

pub use arch::{ClassifierArch, SegmenterArch};
pub use classifier::{
    Classifier, ClassifierConfig, ClassifierHead, ConvHead, DropBlockConfig, DropBlockPlace,
    ExtraHead, HeadKind, LastLinearHead, LinearHead,
};
pub use error::ModelError;
pub use imagenet_vgg::ImagenetVgg;
pub use irnet::{DisplacementHead, EdgeHead, Irnet, IrnetConfig, IrnetHeads, Levels};
pub use layers::DropNoise;
pub use network::{Network, Output};
pub use segmenter::{DeeplabV3, DeeplabV3Plus, Segmenter, SegmenterConfig, Unet};
pub use weights::Normalisation;
