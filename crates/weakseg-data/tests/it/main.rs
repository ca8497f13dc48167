//! Checks of this crate that need files; every test makes its own in a temporary folder, or reads the few under
//! `tests/oracle`, which are there with the scripts that wrote them.

mod arrays;
mod augment;
mod augment_first;
mod coco_file;
mod coco_rle;
mod damage;
mod dicom;
mod dicom_file;
mod files;
mod frames;
mod made_dicom;
mod mutate;
mod phantom_set;
mod resize;
mod sbd;
mod set;
mod shared;
mod siim;
mod table;
mod truth;
mod verify;
mod voc;
