//! Figures of merit: what is counted, over what, and what happens when there is nothing to count.
//!
//! Three rules hold for the whole module.
//!
//! * **No NaN leaves it.** Where a quotient has no denominator (a class that never occurs, no positive image), the
//!   function returns `None`, never a silent 0, 1 or NaN.
//! * **Void pixels count nowhere.** A truth of [`VOID`] is left out of every count, whatever was predicted there.
//! * **The empty policy is written down once**, at [`Overlap::iou`]: an empty prediction of an empty truth scores 1, a
//!   non-empty prediction of an empty truth scores 0.
//!
//! Maps and masks are row-major slices of one image; nothing here depends on a network or on the tensor library.

pub mod average_precision;
pub mod classify;
pub mod confusion;
pub mod interval;
pub mod localisation;
pub mod per_image;
pub mod pixel;
pub mod prior;

pub use average_precision::{AveragePrecision, ImageScores, InstanceScores, TrueInstance};
pub use classify::LabelScores;
pub use confusion::Confusion;
pub use interval::{Bootstrap, Interval};
pub use per_image::{Columns, Overlap};
pub use pixel::BinaryCounts;

pub use weakseg_data::VOID;

/// What is wrong with the numbers handed to a metric.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Two things that are compared element by element differ in length.
    #[error("{what}: expected {expected} elements, found {found}; bring both to one size first")]
    Length {
        /// What was compared.
        what: &'static str,
        /// Length of the reference side.
        expected: usize,
        /// Length of the other side.
        found: usize,
    },
    /// A mask value that is no class.
    #[error(
        "{what} holds the value {value} at element {at}, expected a class index below {classes}{void}; \
         check the number of classes or the mask's encoding"
    )]
    Class {
        /// `truth` or `prediction`.
        what: &'static str,
        /// The value found.
        value: u8,
        /// Position in the slice.
        at: usize,
        /// Number of classes.
        classes: usize,
        /// ` or 255 (void)` where void is allowed.
        void: &'static str,
    },
    /// A score that is NaN or infinite.
    #[error("{what} holds the value {value} at element {at}, expected a finite number")]
    NotFinite {
        /// What was scored.
        what: &'static str,
        /// The value found.
        value: f32,
        /// Position in the slice.
        at: usize,
    },
    /// Masks of one image that differ in size.
    #[error(
        "the mask of {what} is {}x{} (height x width), the first of its image {}x{}; bring all to one size first",
        found[0], found[1], expected[0], expected[1]
    )]
    Size {
        /// Whose mask.
        what: &'static str,
        /// Height and width of the first mask.
        expected: [usize; 2],
        /// Height and width of this one.
        found: [usize; 2],
    },
    /// An instance of a class that is none.
    #[error(
        "{what} has the class {class}; expected an index below {classes}, the number of classes"
    )]
    NoClass {
        /// Which instance.
        what: &'static str,
        /// Its class.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A share out of range.
    #[error("{what} is {value}; expected above 0 and at most 1")]
    Share {
        /// What it is a share of.
        what: &'static str,
        /// The value.
        value: f64,
    },
    /// Two confusion matrices of different size.
    #[error("confusion matrices of {expected} and {found} classes cannot be added")]
    Classes {
        /// Classes of the matrix added to.
        expected: usize,
        /// Classes of the matrix added.
        found: usize,
    },
}

/// `numerator / denominator`, or `None` for an empty denominator.
pub(crate) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// Mean of the values, or `None` of none.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values
        .into_iter()
        .fold((0.0, 0u64), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// Checks that two slices can be compared element by element.
pub(crate) fn same_length(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), MetricError> {
    if expected == found {
        Ok(())
    } else {
        Err(MetricError::Length {
            what,
            expected,
            found,
        })
    }
}
