//! Everything that reads, makes, checks or writes a case of a weakly supervised segmentation run.
//!
//! A set is described by a [`DataConfig`] and opened twice: [`DataConfig::open_cases`] gives the images and image-level
//! labels a training step may see ([`Cases`]), [`DataConfig::open_truth`] the masks, objects and boxes a scoring step
//! compares with ([`Truth`]). Nothing leads from the first to the second. [`DataConfig::verify`] lists every fault of a
//! set at once. Pixels change hands as [`Plane`] (H×W) and [`Stack`] (C×H×W); random decisions depend on nothing but
//! (seed, epoch, index). No part of this crate needs a network, a GPU or Burn.
#![forbid(unsafe_code)]

pub mod atomic;
pub mod augment;
mod boxes;
mod case;
mod chance;
mod class_names;
mod cls_labels;
pub mod coco;
pub mod components;
mod config;
mod contain;
mod csv_table;
mod dicom;
mod error;
mod fault;
mod image;
mod jpeg;
mod label_cells;
mod label_conflict;
mod limits;
mod list_images;
mod listing;
mod mask;
mod mask_folder;
mod mask_resize;
pub mod mask_store;
mod mat;
mod missing_images;
pub mod npy;
pub mod palette;
mod patients;
pub mod phantom;
mod phantom_set;
mod pickle;
mod places;
mod plane;
mod png;
pub mod resize;
pub mod rle;
mod run_rows;
mod run_table;
pub mod sampler;
mod sbd;
mod siim;
mod split;
mod split_file;
mod table;
mod true_instance;
mod truth;
mod unreadable_images;
mod vectorized;
mod verify;
mod view;
mod voc;

pub use augment::{Augment, AugmentStep, Scope};
pub use boxes::BoundingBox;
pub use case::{Case, Cases, Classes, LabelSpace, Split, unsafe_id};
pub use config::DataConfig;
pub use dicom::{Origin, Picture, Tone, write_secondary_capture, write_segmentation};
pub use error::DataError;
pub use fault::{Fault, Rule, Severity, counted};
pub use image::{decode_picture, read_image, read_image_size, read_picture, read_stored_values};
pub use label_conflict::label_conflict;
pub use limits::Limits;
pub use list_images::{ImageList, list_images};
pub use listing::{id_of as image_id, id_of_file as image_file_id};
pub use mask::{Mask, VOID};
pub use mask_resize::MaskResize;
pub use mask_store::MaskStore;
pub use phantom_set::PhantomSetConfig;
pub use plane::{Plane, Stack};
pub use png::{encode_png, read_index_png, write_gray_png, write_index_png, write_rgb_png};
pub use run_table::{EncodedMasks, RunTable, TableForm, write_run_table};
pub use sbd::{SbdMap, read_index_map, read_sbd};
pub use siim::SiimConfig;
pub use split_file::write_splits;
pub use table::TableConfig;
pub use true_instance::TrueInstance;
pub use truth::Truth;
pub use verify::{SplitReport, VerifyReport};
pub use view::View;
pub use voc::{VOC_CLASSES, VocConfig};
