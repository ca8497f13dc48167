//! Class activation maps: where a classifier saw what it said.
//!
//! Two roads to the same maps. [`closed_form`] needs one forward pass for all classes at once and is exact for the last
//! maps before global average pooling and a linear layer, which every classifier here ends in. [`autograd`] takes any
//! named layer, at one backward pass a class. [`multi_scale`] adds the maps of several scales and of the mirror image,
//! [`Normalise`] brings them to a common range, [`binarise`] makes masks of them above a [`Threshold`].
//!
//! `cam`, `grad-cam` and `grad-cam++-wsmis` are signed, as published before the final ReLU: negative values are
//! evidence against the class. [`multi_scale`] cuts them at 0.

pub mod autograd;
pub mod binarise;
pub mod closed_form;
mod method;
pub mod multi_scale;
mod normalise;
mod sampling;
mod threshold;

pub use method::{CamMethod, UnknownMethod};
pub use normalise::Normalise;
pub use sampling::{Sampling, unmirror};
pub use threshold::{Threshold, ThresholdRule};
