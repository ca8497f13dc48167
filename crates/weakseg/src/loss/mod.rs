//! Losses of the classifier and of the segmentation network.
//!
//! | of | loss | function |
//! |---|---|---|
//! | image-level labels | binary cross-entropy, summed over the classes or averaged (multi-label soft margin) | [`bce_with_logits`] |
//! | | integral attention learning | [`integral_attention`] |
//! | pixels | cross-entropy of a softmax | [`cross_entropy`] |
//! | | binary cross-entropy, one decision an output | [`pixel_bce`] |
//! | | cross-entropy with spatially varying label smoothing | [`soft_cross_entropy`] of [`SoftTargets::smoothed`] |
//! | | Kullback-Leibler divergence | [`kl_divergence`] |
//! | | soft IoU, Dice | [`soft_iou`], [`dice`] |
//! | | focal | [`focal`] |
//! | pixels and the image | agreement with a dense CRF | [`crf_constrained`] |
//!
//! [`ImageLoss`] is what `classifier.loss` names, [`pixel_loss`] the weighted sum that `segmenter.losses` does.
//!
//! # Contract
//! * A loss is a tensor `[1]` of natural logarithms or shares, never a sum over the batch.
//! * The label space says what a logit means. Exclusive classes: a pixel's K logits, background first, go through a
//!   softmax. Findings: each logit goes through a sigmoid of its own, which is the softmax of (0, z), so that every
//!   loss of a softmax has its form for findings.
//! * Void pixels ([`VOID`]) add neither value nor gradient, and a batch without a single counted pixel has the loss 0,
//!   not NaN. The dense CRF's loss alone counts them: it reads no labels, and the pixels without one are what it is
//!   for.
//! * All losses are finite, with finite gradients, for any finite logits.

mod bce;
mod config;
mod crf;
mod cross_entropy;
mod focal;
mod image_level;
mod kl_divergence;
#[cfg(test)]
mod oracle;
mod overlap;
mod pos_weight;
mod smoothing;
mod sum;
mod targets;
mod total;

pub use bce::pixel_bce;
pub use config::{ClassReduction, ClassifierLoss, CrfConstraint, ImageLoss, SegmentationLoss};
pub use crf::{CrfLossError, crf_constrained};
pub use cross_entropy::{cross_entropy, soft_cross_entropy};
pub use focal::focal;
pub use image_level::{bce_with_logits, integral_attention};
pub use kl_divergence::kl_divergence;
pub use overlap::{dice, soft_iou};
pub use pos_weight::{label_weights, logits_by_weight, pixel_counts, pos_weight, pos_weights};
pub use sum::{PixelBatch, pixel_loss};
pub use targets::{PixelTargets, SoftTargets};

pub use weakseg_data::VOID;
