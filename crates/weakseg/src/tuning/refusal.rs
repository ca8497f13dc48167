//! Why so many masks were not drawn.

use serde::{Deserialize, Serialize};
use weakseg_data::counted;

/// Why a number of masks is left out: what would be scored would not be the split any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// There are fewer cases.
    #[error("the val split has {} with masks; ask for no more", counted(*cases, "case"))]
    Fewer {
        /// Cases of the validation split that have a mask.
        cases: usize,
    },
    /// A draw uses up every image that shows a finding.
    #[error(
        "no image with a finding would be left to score on; ask for fewer, or give the test split masks of other patients"
    )]
    NoPositive,
    /// A draw uses up every image that shows none.
    #[error(
        "no image without a finding would be left to score on; ask for fewer, or give the test split masks of other patients"
    )]
    NoNegative,
}
