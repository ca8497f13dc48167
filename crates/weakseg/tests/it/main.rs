//! Integration tests of the method, one binary.

mod layer;
mod losses;
mod pretrained;
mod resume;
mod run_folder;
mod tiny;
