//! What a dense CRF can be given that it cannot work with.

use crate::{MARGINAL_TOLERANCE, MAX_COMPATIBILITY, MAX_DIMENSIONS, MAX_ENERGY, MAX_LABELS};

/// An input that has no defined result. Every variant names the offending value and what would do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrfError {
    /// The number of labels K is 0 or above [`MAX_LABELS`].
    #[error("a CRF takes 1 to {MAX_LABELS} labels, found {labels}")]
    LabelCount {
        /// The K that was asked for.
        labels: usize,
    },
    /// An image side is 0, or the image is too large for 32-bit vertex indices.
    #[error(
        "an image of {height}×{width} pixels has no CRF: both sides must be at least 1, and pixels × (feature dimensions + 1) below 2^31"
    )]
    ImageSize {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// Two inputs that must agree in size do not.
    #[error("{what}: expected {expected}, found {found}")]
    SizeMismatch {
        /// What was counted.
        what: &'static str,
        /// The count the CRF needs.
        expected: usize,
        /// The count that was given.
        found: usize,
    },
    /// A standard deviation (`sxy`, `srgb`) is zero, negative or not finite.
    #[error("the standard deviation {name} must be a finite number above 0, found {value}")]
    Deviation {
        /// Which one: `sxy` or `srgb`.
        name: &'static str,
        /// The value given.
        value: f32,
    },
    /// A guide image has neither one nor three channels.
    #[error(
        "a guide image has 1 or 3 channels, found {channels}; give other features through `DenseCrf::pairwise`"
    )]
    GuideChannels {
        /// Channels given.
        channels: usize,
    },
    /// The feature space has no dimension, or more than [`MAX_DIMENSIONS`].
    #[error("a pairwise term takes 1 to {MAX_DIMENSIONS} feature dimensions, found {dimensions}")]
    FeatureDimensions {
        /// Dimensions given.
        dimensions: usize,
    },
    /// A feature value is NaN or infinite.
    #[error("feature {dimension} of pixel {pixel} is {value}, not a finite number")]
    FeatureValue {
        /// Row-major pixel index.
        pixel: usize,
        /// Index of the feature dimension.
        dimension: usize,
        /// The value found.
        value: f32,
    },
    /// A feature lies so many standard deviations from the origin that its lattice coordinates
    /// leave 16 bits.
    #[error(
        "the features of pixel {pixel} reach lattice coordinate {coordinate}, beyond ±{limit}: use larger standard deviations"
    )]
    FeatureRange {
        /// Row-major pixel index.
        pixel: usize,
        /// The largest lattice coordinate of the pixel, by magnitude.
        coordinate: f32,
        /// The largest magnitude that can be represented.
        limit: i32,
    },
    /// A compatibility weight is not finite or above [`MAX_COMPATIBILITY`] in magnitude.
    #[error(
        "compatibility weight {index} is {value}, not a finite number within ±{MAX_COMPATIBILITY:e}"
    )]
    CompatibilityValue {
        /// Index in the weight, the diagonal or the row-major matrix.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A unary energy is not finite or above [`MAX_ENERGY`] in magnitude.
    #[error(
        "the unary energy of label {label} at pixel {pixel} is {value}, not a finite number within ±{MAX_ENERGY:e}"
    )]
    UnaryEnergy {
        /// Label index.
        label: usize,
        /// Row-major pixel index.
        pixel: usize,
        /// The value found.
        value: f32,
    },
    /// A class probability is not finite.
    #[error("the probability of label {label} at pixel {pixel} is {value}, not a finite number")]
    Probability {
        /// Label index.
        label: usize,
        /// Row-major pixel index.
        pixel: usize,
        /// The value found.
        value: f32,
    },
    /// A given marginal is not finite.
    #[error("the marginal of label {label} at pixel {pixel} is {value}, not a finite number")]
    Marginal {
        /// Label index.
        label: usize,
        /// Row-major pixel index.
        pixel: usize,
        /// The value found.
        value: f32,
    },
    /// The given marginals of a pixel do not sum to 1.
    #[error(
        "the marginals of pixel {pixel} sum to {sum}, not to 1 within {MARGINAL_TOLERANCE:e}: divide them by their sum"
    )]
    MarginalSum {
        /// Row-major pixel index.
        pixel: usize,
        /// Their sum.
        sum: f64,
    },
    /// A label map holds a value that is no label.
    #[error("pixel {pixel} has label value {value}; the values of this map are 0..={largest}")]
    LabelValue {
        /// Row-major pixel index.
        pixel: usize,
        /// The value found.
        value: u8,
        /// The largest value allowed: K − 1, or K when 0 means unsure.
        largest: usize,
    },
    /// `gt_prob`, `scale` or `clip` lies outside its interval.
    #[error("{name} must lie in {interval}, found {value}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its interval, in words.
        interval: &'static str,
        /// The value given.
        value: f64,
    },
}
