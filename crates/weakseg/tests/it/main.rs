//! Integration tests of the method, one binary.

mod devices;
mod instances;
mod layer;
mod losses;
mod optimizers;
mod pretrained;
mod resume;
mod run_folder;
mod schedules;
mod standstill;
mod tiny;
mod toy;
mod training;
mod tuning;
