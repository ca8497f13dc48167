//! A gradient that comes in, and where the one that leaves goes.

/// The gradient of y, and where that of x goes.
pub(crate) enum Upstream<'a> {
    /// One buffer, which nobody else needs: the result is written over the gradient.
    Own(&'a mut [f32]),
    /// The gradient, and a buffer of its length for the result.
    Other(&'a [f32], &'a mut [f32]),
}

impl<'a> Upstream<'a> {
    /// The gradient if it lies elsewhere, and the buffer for the result, which holds the gradient if not.
    pub fn split(self) -> (Option<&'a [f32]>, &'a mut [f32]) {
        match self {
            Self::Own(values) => (None, values),
            Self::Other(values, output) => (Some(values), output),
        }
    }
}
