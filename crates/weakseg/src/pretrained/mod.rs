//! Pretrained trunks: which there are, where a run finds them, and how they come onto this machine.
//!
//! Weak supervision lives on a good trunk, so data from outside starts from ImageNet weights unless told otherwise.
//! Each file is known by its SHA-256 before it is asked for; nothing else is ever taken from a server.
//!
//! | file | what it holds |
//! |---|---|
//! | `registry` | the table of files |
//! | `choice` | the setting `classifier.weights`, and what `"auto"` means |
//! | `cache` | where files lie, and whether they are whole |
//! | `fetch` | one file over HTTP: resumed, bounded, compared |

mod cache;
mod choice;
mod error;
mod fetch;
mod registry;

pub use cache::Cache;
pub use choice::WeightsChoice;
pub use error::FetchError;
pub use fetch::{Patience, Remote, fetch};
pub use registry::{Pretrained, REGISTRY, entry, for_trunk, names};
