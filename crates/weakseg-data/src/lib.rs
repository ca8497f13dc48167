//! Everything that reads, makes, checks or writes a case of a weakly supervised segmentation run.
//!
//! A set is described by a [`DataConfig`] and opened twice: [`DataConfig::open_cases`] gives the images and image-level
//! labels a training step may see ([`Cases`]), [`DataConfig::open_truth`] the masks and boxes a scoring step compares
//! with ([`Truth`]). Nothing leads from the first to the second. [`DataConfig::verify`] lists every fault of a set at
//! once. Pixels change hands as [`Plane`] (H×W) and [`Stack`] (C×H×W); random decisions depend on nothing but
//! (seed, epoch, index). No part of this crate needs a network, a GPU or Burn.
#![forbid(unsafe_code)]

pub mod atomic;
mod case;
mod chance;
mod error;
mod image;
mod jpeg;
mod limits;
pub mod palette;
pub mod phantom;
mod plane;
mod png;

pub use case::{Case, Cases, Classes, LabelSpace, Split, unsafe_id};
pub use error::DataError;
pub use image::{read_image, read_image_size};
pub use limits::Limits;
pub use plane::{Plane, Stack};
pub use png::{read_index_png, write_gray_png, write_index_png, write_rgb_png};
