//! Instances in COCO's JSON (Lin et al. 2014), read: true ones, and those that anybody found.
//!
//! A *document* has images, categories, and annotations with the id of both; a list of *results* is annotations alone,
//! each with a score. Masks are run lengths, compressed or not. Polygons are refused: what they fill depends on who
//! fills them.

mod annotation;
mod file;
mod segmentation;
mod truth;

pub use annotation::CocoInstance;
pub use file::{CocoCategory, CocoFile, CocoHead, CocoImage};
pub(crate) use truth::{CocoObjects, CocoTruth};
