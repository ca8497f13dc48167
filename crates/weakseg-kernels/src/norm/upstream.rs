//! A gradient that comes in and what takes its place.

/// Where the gradient of y is, and what takes its place.
pub(crate) enum Upstream<'a> {
    /// In a buffer that nobody else needs.
    Own(&'a mut [f32]),
    /// Here, and its successor goes there.
    Other(&'a [f32], &'a mut [f32]),
}

impl<'a> Upstream<'a> {
    /// The gradient of y where it is elsewhere, and the place of its successor.
    pub fn split(self) -> (Option<&'a [f32]>, &'a mut [f32]) {
        match self {
            Self::Own(values) => (None, values),
            Self::Other(values, output) => (Some(values), output),
        }
    }
}
