//! Integration tests of the method, one binary.

mod resume;
mod run_folder;
mod tiny;
