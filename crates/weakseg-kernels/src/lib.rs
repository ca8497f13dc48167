//! The hot operations of weakseg's networks, each defined once: fast on the CPU (`Flex`), the
//! backend's own on GPUs, with handwritten backward passes.
//!
//! - [`conv2d`]: convolution of any stride, padding, dilation and grouping.
//! - [`max_pool2d`], [`resize_bilinear`]: max pooling and bilinear resizing.
//! - [`batch_norm`], [`channel_affine`]: batch norm, and with statistics given, with or without
//!   ReLU; [`relu()`], [`add_relu`]: ReLU alone and after a residual sum.
//! - [`path_affinity`]: affinities of pixel pairs along the paths of a [`PathIndex`].
//! - [`walk::random_walk`]: propagation of activation maps by sparse passes (CPU, no tensors).

mod affinity;
mod autodiff;
mod conv;
#[cfg(any(feature = "vulkan", feature = "cuda"))]
mod cube;
mod default;
mod dispatch;
mod elementwise;
mod flex;
mod norm;
mod ops;
mod path;
mod pool;
mod relu;
mod resize;
mod scratch;
mod tile;
pub mod walk;

pub use conv::ConvOptions;
pub use dispatch::{
    add_relu, batch_norm, channel_affine, conv2d, max_pool2d, path_affinity, relu, resize_bilinear,
};
pub use norm::NormOptions;
pub use path::{PathIndex, Sources};
pub use pool::PoolOptions;

/// Name of the instruction set the CPU kernels use on this machine: `avx512`, `avx2` or
/// `portable`.
#[must_use]
pub fn instruction_set() -> &'static str {
    tile::Tiles::detect().name
}
