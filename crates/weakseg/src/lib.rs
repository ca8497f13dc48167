//! weakseg: from image-level labels to masks.
#![forbid(unsafe_code)]

pub mod cam;
pub mod irn;
pub mod loss;
pub mod metrics;
pub mod optim;
pub mod report;
