//! The hot operations of weakseg's networks, each defined once: fast on the CPU (`Flex`), the
//! backend's own on GPUs, with handwritten backward passes.
//!
//! - [`conv2d`]: convolution of any stride, padding, dilation and grouping.

mod autodiff;
mod conv;
#[cfg(any(feature = "vulkan", feature = "cuda"))]
mod cube;
mod dispatch;
mod flex;
mod ops;

pub use conv::ConvOptions;
pub use dispatch::conv2d;
