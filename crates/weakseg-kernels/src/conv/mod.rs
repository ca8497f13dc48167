//! Two-dimensional convolution and its gradients.

mod options;

pub use options::ConvOptions;
