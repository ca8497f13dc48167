//! The program as a person or a script meets it: what it prints, where, and how it ends.

mod bad_input;
mod bench;
mod config;
mod crf;
mod data;
mod devices;
mod dicom_file;
mod evaluate;
mod help;
mod kill;
#[path = "../../../weakseg-server/tests/it/pixels.rs"]
mod pixels;
mod predict;
mod program;
mod run;
mod serve;
mod shared;
mod tune;
mod walk;
mod weights;
