//! weakseg: from image-level labels to masks.
//!
//! A lab has thousands of images and, for each, only a yes or no per finding. This crate learns from these alone and
//! answers *where*. The method is a table of steps, [`pipeline::METHOD`]; read that first.
//!
//! | room | what it holds |
//! |---|---|
//! | [`pipeline`] | the table of steps, the run's folder, one module a step |
//! | [`config`] | everything that decides a run, as data |
//! | [`cam`] | class activation maps |
//! | [`irn`] | labels and loss of IRNet, and the masks of its walked maps |
//! | [`instance`] | objects of one class told apart, by IRNet's displacements |
//! | [`loss`], [`optim`], [`train`] | training |
//! | [`metrics`], [`scoring`], [`report`] | figures that cannot flatter: what they are, whose they are, how they are told |
//! | [`predict`], [`finding_rule`], [`networks`] | trained models on new images |
//! | [`tuning`] | what a few masks buy: thresholds, gate and triplet rule chosen by them |
//! | [`pretrained`] | the trunks that real data starts from |
#![forbid(unsafe_code)]

pub mod cam;
pub mod config;
pub mod digest;
mod files;
pub mod finding_rule;
mod format;
pub mod instance;
pub mod irn;
pub mod loss;
pub mod mask_rule;
pub mod metrics;
pub mod networks;
pub mod optim;
pub mod pipeline;
pub mod predict;
pub mod pretrained;
pub mod progress;
pub mod report;
pub mod scoring;
pub mod train;
pub mod tuning;
mod versions;
