//! What can be wrong with a network's configuration or a request to it.

use thiserror::Error;

/// A configuration or a name no network answers to.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ModelError {
    /// No network of this family has the name.
    #[error("unknown {family} `{name}`; the {family}s are: {valid}")]
    UnknownArch {
        /// `classifier` or `segmenter`.
        family: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names there are, separated by commas.
        valid: String,
    },
    /// The classifier has no layer of this name.
    #[error("unknown layer `{name}`; this network's layers are: {valid}")]
    UnknownLayer {
        /// The name that was asked for.
        name: String,
        /// The names there are, separated by commas.
        valid: String,
    },
    /// A number in a network's configuration is outside its range.
    #[error("{what} is {found}; expected {expected}")]
    OutOfRange {
        /// The setting.
        what: &'static str,
        /// Its value.
        found: String,
        /// The values it may have.
        expected: &'static str,
    },
    /// Weights of one trunk were to start another kind of trunk.
    #[error(
        "the weights of a {found} trunk cannot start a {expected} trunk; choose a network with the same trunk, width and batch norm, or start from a weight file"
    )]
    OtherTrunk {
        /// The trunk that was to be started.
        expected: String,
        /// The trunk the weights came from.
        found: String,
    },
}

/// Checks that `width` is a factor networks can be scaled by.
pub(crate) fn check_width(width: f64) -> Result<(), ModelError> {
    if width.is_finite() && width > 0.0 && width <= 8.0 {
        return Ok(());
    }
    Err(ModelError::OutOfRange {
        what: "width",
        found: width.to_string(),
        expected: "a factor above 0 and at most 8 (1 is the published network)",
    })
}

/// Checks that a count of outputs is at least one.
pub(crate) fn check_outputs(what: &'static str, outputs: usize) -> Result<(), ModelError> {
    if outputs > 0 {
        return Ok(());
    }
    Err(ModelError::OutOfRange {
        what,
        found: outputs.to_string(),
        expected: "at least 1",
    })
}
