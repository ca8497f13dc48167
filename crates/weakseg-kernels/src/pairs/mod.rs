//! What pairs of nearby pixels teach (IRNet, Ahn et al. 2019, eq. 3 to 7), summed without writing a value for each pair
//! down: at radius 10 a map of 128 x 128 has two million pairs.

mod affinity;
pub(crate) mod default;
mod labels;
mod line;
pub(crate) mod sums;

pub use labels::{PairKind, PairLabels};

/// Added in logarithms.
const EPSILON: f64 = 1e-5;

/// Number of sums; [`crate::pair_sums`] says which is which.
pub(crate) const SUMS: usize = 5;
