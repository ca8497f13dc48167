//! Integration tests of the method, one binary.

mod boxes;
mod damage;
mod devices;
mod exclusive;
mod instances;
mod irnet;
mod layer;
mod losses;
#[path = "../../../weakseg-data/tests/it/mutate.rs"]
mod mutate;
mod obstacles;
mod optimizers;
mod predict;
mod pretrained;
mod resume;
mod run_folder;
mod schedules;
mod standstill;
mod tiny;
mod toy;
mod training;
mod tuning;
mod unreadable_images;
