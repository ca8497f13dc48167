//! Where the method pays.

use super::super::shape::ConvShape;

/// Whether the outputs are computed by tiles.
pub(crate) fn forward(shape: &ConvShape) -> bool {
    super::possible(shape) && std::env::var_os("WINO").is_some()
}

/// Whether the input gradient is.
pub(crate) fn input_gradient(shape: &ConvShape) -> bool {
    forward(shape)
}

/// Whether the weight gradient is.
pub(crate) fn weight_gradient(shape: &ConvShape) -> bool {
    forward(shape)
}
