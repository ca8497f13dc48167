//! Sums over the pixels of each channel, as batch norm takes them: mean and variance in one pass over a tensor, both sums of
//! its gradient in one pass over two.
//!
//! Of Burn's operations each is a pass of its own, and reads what the one before it wrote.
#![allow(unsafe_code)] // Kernels are launched without checks of bounds, which they make themselves.

mod kernel;
#[cfg(test)]
mod tests;

use burn::backend::fusion::custom::ScalarIr;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Shape, Slice, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use self::kernel::{
    PartLaunch, UNITS, gradient_sums_of_parts, moments_of_all, moments_of_parts, sums_of_all,
};
use super::operation::{defer, empty, rows_of};

/// Values of a vector that is read at a time.
const VECTOR: usize = 4;

/// Vectors of channels beside each other in a workgroup, at most: 512 bytes in a row.
const MOST_ACROSS: usize = 32;

/// Workgroups for a GPU's width, at most so many parts.
const WORKGROUPS: usize = 2048;
const MOST_PARTS: usize = 1024;

/// Pixels of a part, at least.
const FEWEST_PIXELS: usize = 64;

/// Whether a `[B, C, H, W]` tensor's channels come in whole vectors, and its places fit u32.
pub fn serves(x: &FloatTensor<Cube>) -> bool {
    let [batch, channels, height, width] = x.shape().dims();
    x.dtype() == DType::F32
        && channels.is_multiple_of(VECTOR)
        && batch * channels * height * width <= u32::MAX as usize
}

/// How the pixels of a tensor are shared.
#[derive(Debug, Clone, Copy)]
struct Parts {
    pixels: usize,
    /// Vectors.
    channels: usize,
    across: usize,
    of_part: usize,
    count: usize,
}

impl Parts {
    fn of(x: &FloatTensor<Cube>) -> Self {
        let [batch, channels, height, width] = x.shape().dims();
        let (pixels, channels) = (batch * height * width, channels / VECTOR);
        let across = channels.next_power_of_two().min(MOST_ACROSS);
        let wanted = WORKGROUPS / channels.div_ceil(across);
        let wanted = wanted.clamp(1, MOST_PARTS.min(pixels.div_ceil(FEWEST_PIXELS)));
        let of_part = pixels.div_ceil(wanted);
        Self {
            pixels,
            channels,
            across,
            of_part,
            count: pixels.div_ceil(of_part),
        }
    }

    fn launch(&self) -> PartLaunch {
        PartLaunch::new(self.pixels as u32, self.channels as u32, self.of_part as u32)
    }

    /// For the pass over parts.
    fn workgroups(&self) -> CubeCount {
        let blocks = self.channels.div_ceil(self.across);
        CubeCount::Static(self.count as u32, blocks as u32, 1)
    }

    /// For the pass over sums of parts: a workgroup for each vector of channels.
    fn last_workgroups(&self) -> CubeCount {
        CubeCount::Static(self.channels as u32, 1, 1)
    }

    /// `[parts, 2, C]`.
    fn sums(&self, like: &CubeTensor) -> CubeTensor {
        empty(like, &[self.count, 2, self.channels * VECTOR])
    }

    /// `[2, C]`.
    fn total(&self, like: &CubeTensor) -> CubeTensor {
        empty(like, &[2, self.channels * VECTOR])
    }
}

fn units() -> CubeDim {
    CubeDim::new_1d(UNITS as u32)
}

fn buffer(tensor: CubeTensor) -> BufferArg {
    tensor.binding().into_buffer_arg()
}

/// Mean and biased variance, both `[C]`, of `[B, C, H, W]`.
pub fn moments(x: FloatTensor<Cube>) -> [FloatTensor<Cube>; 2] {
    let parts = Parts::of(&x);
    let shape = Shape::new([2, parts.channels * VECTOR]);
    let both = defer("weakseg::moments", vec![], [x], shape, move |[x]| {
        let x = rows_of(x);
        let (sums, total) = (parts.sums(&x), parts.total(&x));
        let client = x.client.clone();
        // SAFETY: the kernels read and write inside what `parts` says, which is what the tensors are.
        unsafe {
            moments_of_parts::launch_unchecked(
                &client,
                parts.workgroups(),
                units(),
                VECTOR,
                buffer(x),
                buffer(sums.clone()),
                parts.launch(),
                parts.across,
            );
            moments_of_all::launch_unchecked(
                &client,
                parts.last_workgroups(),
                units(),
                VECTOR,
                buffer(sums),
                buffer(total.clone()),
                parts.launch(),
                parts.count as u32,
            );
        }
        total
    });
    apart(both)
}

/// Sums of a gradient, and of its products with x − mean, both `[C]`; of the gradient that ReLU of (x − mean)·scale + shift
/// lets through, with `relu`. x and the gradient are `[B, C, H, W]`, all else `[C]`.
pub fn gradient_sums(
    x: FloatTensor<Cube>,
    gradient: FloatTensor<Cube>,
    mean: FloatTensor<Cube>,
    scale: FloatTensor<Cube>,
    shift: FloatTensor<Cube>,
    relu: bool,
) -> [FloatTensor<Cube>; 2] {
    let parts = Parts::of(&x);
    let shape = Shape::new([2, parts.channels * VECTOR]);
    let settings = vec![ScalarIr::Bool(relu)];
    let inputs = [x, gradient, mean, scale, shift];
    let name = "weakseg::batch_norm_gradient_sums";
    let both = defer(name, settings, inputs, shape, move |inputs| {
        let [x, gradient, mean, scale, shift] = inputs;
        let (x, gradient) = (rows_of(x), rows_of(gradient));
        let [mean, scale, shift] = [mean, scale, shift].map(into_contiguous);
        let (sums, total) = (parts.sums(&x), parts.total(&x));
        let client = x.client.clone();
        // SAFETY: as above.
        unsafe {
            gradient_sums_of_parts::launch_unchecked(
                &client,
                parts.workgroups(),
                units(),
                VECTOR,
                buffer(x),
                buffer(gradient),
                buffer(mean),
                buffer(scale),
                buffer(shift),
                buffer(sums.clone()),
                parts.launch(),
                parts.across,
                relu,
            );
            sums_of_all::launch_unchecked(
                &client,
                parts.last_workgroups(),
                units(),
                VECTOR,
                buffer(sums),
                buffer(total.clone()),
                parts.channels as u32,
                parts.count as u32,
            );
        }
        total
    });
    apart(both)
}

/// The two rows of `[2, C]`.
fn apart(both: FloatTensor<Cube>) -> [FloatTensor<Cube>; 2] {
    let [_, channels] = both.shape().dims();
    [0..1, 1..2].map(|row| {
        let row = Cube::float_slice(both.clone(), &[Slice::from(row), Slice::from(0..channels)]);
        Cube::float_reshape(row, Shape::new([channels]))
    })
}
