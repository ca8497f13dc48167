//! Convolutions as products on a GPU's matrix units.
//!
//! Burn has no kernel for f32 on matrix units that take 16 bits, as Vulkan offers them, and looks for the fastest of
//! its others by trying all, for each shape anew. Here is one kernel for all shapes and passes. It reads f32, gathers
//! what each tap meets on the way into shared memory, and makes bf16 of it there: rounded, or for f32 in two parts, of
//! which three products are summed. That is f32 but for the last 7 bits of each value.
//!
//! - [`axis`]: which pixels taps meet.
//! - [`plan`]: how the work is cut; a kernel is compiled for each.
//! - [`kernel`]: the kernel; [`cursor`]: what it reads, [`side`]: how that comes into shared memory, [`mod@multiply`],
//!   [`mod@write`].
//! - [`passes`]: a convolution's passes in its terms, by its [`sizes`], cut into [`tiles`].
#![allow(unsafe_code)] // Kernels are launched without checks of bounds, which they make themselves.

mod axis;
mod cursor;
mod geometry;
mod kernel;
mod multiply;
mod passes;
mod plan;
mod side;
mod sizes;
#[cfg(test)]
mod tests;
mod tiles;
mod write;

pub use passes::{input_gradient, output, serves, weight_gradient};
pub use tiles::Arithmetic;
