//! Integration tests of the method, one binary.

mod layer;
mod pretrained;
mod resume;
mod run_folder;
mod tiny;
