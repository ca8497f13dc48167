//! The hot operations of weakseg's networks, each defined once: fast on the CPU (`Flex`) and, by kernels of ours or the
//! backend's own operations, on GPUs, with handwritten backward passes. The tensors of one call have one element type:
//! an operation panics where these do not fit each other, as it does for shapes.
//!
//! - [`conv2d`]: convolution of any stride, padding, dilation and grouping; [`conv2d_relu`], [`conv2d_affine`],
//!   [`conv2d_affine_add_relu`]: with what follows it in a network that only infers.
//! - [`max_pool2d`], [`resize_bilinear`], [`resize_nearest`]: max pooling and resizing;
//!   [`resize_nearest_join`]: resizing and concatenation.
//! - [`batch_norm`], [`channel_affine`]: batch norm, and with statistics given, with or without
//!   ReLU; [`relu()`]: ReLU alone; [`batch_norm_add_relu`], [`channel_affine_add_relu`]: the end of a residual block.
//! - [`global_mean`], [`gate()`], [`gate_add_relu`]: squeeze and excitation.
//! - [`pair_sums`]: IRNet's losses of the affinities of pixel pairs along the paths of a [`PathIndex`].
//! - [`sgd_update`], [`momentum_update`], [`adam_update`]: steps of optimizers in one pass.
//! - [`check_sound`]: whether a device computes what it is asked to.
//! - [`walk::random_walk`]: propagation of activation maps by sparse passes (CPU, no tensors).

mod autodiff;
mod bf16;
mod buffers;
mod channels;
mod conv;
#[cfg(any(feature = "cube", test))]
mod cube;
mod default;
mod dispatch;
mod elementwise;
mod flex;
mod gate;
mod instructions;
mod nearest;
mod norm;
mod ops;
mod pairs;
mod path;
mod pool;
mod precision;
mod relu;
mod resize;
mod route;
mod scratch;
mod soundness;
mod sums;
mod tile;
mod update;
pub mod walk;

pub use bf16::bf16_instruction_set;
pub use conv::ConvOptions;
pub use dispatch::{
    batch_norm, batch_norm_add_relu, channel_affine, channel_affine_add_relu, conv2d,
    conv2d_affine, conv2d_affine_add_relu, conv2d_relu, gate, gate_add_relu, global_mean,
    max_pool2d, pair_sums, relu, resize_bilinear, resize_nearest, resize_nearest_join,
};
pub use norm::NormOptions;
pub use pairs::{PairKind, PairLabels};
pub use path::{PathIndex, Sources};
pub use pool::PoolOptions;
pub use precision::{NoBf16, use_bf16};
pub use soundness::{Unsound, check_sound};
pub use update::{AdamStep, SgdStep, adam_update, momentum_update, sgd_update};
