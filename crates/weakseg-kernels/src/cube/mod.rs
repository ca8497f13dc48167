//! CubeCL devices (Vulkan, Metal, wgpu, CUDA): the default bodies, made of the backend's own operations, but where
//! those read a tensor more often than they need to, or do not exist.
//!
//! Burn's convolutions leave a `[B, C, H, W]` tensor in memory as `[B, H, W, C]`. What is done to each channel is done
//! in that order; in the tensor's own it would begin with a copy. [`rows`] says what holds of one channel.
//!
//! What is there without the feature too is written for any backend, and tested on the CPU's. The rest are kernels in
//! CubeCL, tested on a device.

#[cfg(feature = "cube")]
mod backend;
#[cfg(feature = "cube")]
mod batch_norm;
mod channels_last;
mod conv;
#[cfg(feature = "cube")]
mod depthwise;
#[cfg(all(test, feature = "cube"))]
mod on_gpu;
#[cfg(feature = "cube")]
mod operation;
#[cfg(feature = "cube")]
mod pairs;
mod planes;
#[cfg(feature = "cube")]
mod precision;
#[cfg(feature = "cube")]
mod product;
mod resize;
mod rows;
#[cfg(test)]
mod tests;

#[cfg(feature = "cube")]
pub(crate) use precision::choose_bf16;
