//! Batch norm of `[B, C, H, W]` tensors that lie in memory as `[B, H, W, C]`: mean and variance in one pass over x,
//! what is done to it in a second; both sums of the gradient in one pass over two tensors, x's gradient in a second.
//!
//! Of Burn's operations each sum is a pass of its own, and all that is done to channels alone a kernel.
#![allow(unsafe_code)] // Kernels are launched without checks of bounds, which they make themselves.

mod kernel;
#[cfg(test)]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Shape, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use self::kernel::{
    PartLaunch, UNITS, gradient_of_x, gradient_sums_of_all, gradient_sums_of_parts, moments_of_all,
    moments_of_parts, normalize,
};
use super::operation::{defer, empty, rows_of};
use super::rows::planes;
use crate::norm::NormOptions;

/// Values of a vector that is read at a time, where channels come in whole ones.
const VECTOR: usize = 4;

/// Vectors of channels beside each other in a workgroup, at most: 512 bytes in a row.
const MOST_ACROSS: usize = 32;

/// Workgroups for a GPU's width, at most so many parts.
const WORKGROUPS: usize = 2048;
const MOST_PARTS: usize = 1024;

/// Workgroups along an axis.
const MOST_WORKGROUPS: usize = 65_535;

/// Pixels of a part, at least.
const FEWEST_PIXELS: usize = 64;

/// Whether the places of a `[B, C, H, W]` tensor fit u32, and there are any.
pub fn serves(x: &FloatTensor<Cube>) -> bool {
    let [batch, channels, height, width] = x.shape().dims();
    x.dtype() == DType::F32
        && (1..=u32::MAX as usize).contains(&(batch * channels * height * width))
}

/// How the pixels of a tensor are shared.
#[derive(Debug, Clone, Copy)]
struct Parts {
    pixels: usize,
    /// Values of a vector.
    vector: usize,
    /// Vectors.
    channels: usize,
    across: usize,
    of_part: usize,
    count: usize,
}

impl Parts {
    fn of(x: &FloatTensor<Cube>) -> Self {
        let [batch, channels, height, width] = x.shape().dims();
        let vector = match channels.is_multiple_of(VECTOR) {
            true => VECTOR,
            false => 1,
        };
        let (pixels, channels) = (batch * height * width, channels / vector);
        let across = channels.next_power_of_two().min(MOST_ACROSS);
        let wanted = WORKGROUPS / channels.div_ceil(across);
        let wanted = wanted.clamp(1, MOST_PARTS.min(pixels.div_ceil(FEWEST_PIXELS)));
        let of_part = pixels.div_ceil(wanted);
        Self {
            pixels,
            vector,
            channels,
            across,
            of_part,
            count: pixels.div_ceil(of_part),
        }
    }

    fn launch(&self) -> PartLaunch {
        PartLaunch::new(
            self.pixels as u32,
            self.channels as u32,
            self.of_part as u32,
        )
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
        empty(like, &[self.count, 2, self.channels * self.vector])
    }

    /// `[C]`.
    fn vector(&self, like: &CubeTensor) -> CubeTensor {
        empty(like, &[self.channels * self.vector])
    }

    /// For the pass over vectors, a unit for each.
    fn units(&self) -> CubeCount {
        let workgroups = (self.pixels * self.channels).div_ceil(UNITS);
        let down = workgroups.div_ceil(MOST_WORKGROUPS);
        CubeCount::Static(workgroups.div_ceil(down) as u32, down as u32, 1)
    }
}

fn units() -> CubeDim {
    CubeDim::new_1d(UNITS as u32)
}

fn buffer(tensor: &CubeTensor) -> BufferArg {
    tensor.clone().binding().into_buffer_arg()
}

/// max((x − mean)·γ / √(variance + ε) + β + shortcut, 0), with or without shortcut and maximum, of x's own mean and
/// biased variance; and these, both `[C]`.
pub fn forward(
    x: FloatTensor<Cube>,
    gamma: FloatTensor<Cube>,
    beta: FloatTensor<Cube>,
    shortcut: Option<FloatTensor<Cube>>,
    options: NormOptions,
) -> [FloatTensor<Cube>; 3] {
    let parts = Parts::of(&x);
    let NormOptions { epsilon, relu } = options;
    let [batch, channels, height, width] = x.shape().dims();
    let shapes = [
        vec![batch, height, width, channels],
        vec![channels],
        vec![channels],
    ];
    let shapes = shapes.map(Shape::from);
    let rows = shapes[0].clone();
    let add = shortcut.is_some();
    // One more input is bound in any case.
    let shortcut = shortcut.unwrap_or_else(|| gamma.clone());
    let inputs = [x, gamma, beta, shortcut];
    let name = "weakseg::batch_norm";
    let [output, mean, variance] = defer(name, inputs, shapes, move |inputs| {
        let [x, gamma, beta, shortcut] = inputs;
        let x = rows_of(x);
        let [gamma, beta] = [gamma, beta].map(into_contiguous);
        let shortcut = if add {
            rows_of(shortcut)
        } else {
            gamma.clone()
        };
        let (sums, mean, variance) = (parts.sums(&x), parts.vector(&x), parts.vector(&x));
        let output = empty(&x, &rows);
        let client = x.client.clone();
        // SAFETY: the kernels read and write inside what `parts` says, which is what the tensors are.
        unsafe {
            moments_of_parts::launch_unchecked(
                &client,
                parts.workgroups(),
                units(),
                parts.vector,
                buffer(&x),
                buffer(&sums),
                parts.launch(),
                parts.across,
            );
            moments_of_all::launch_unchecked(
                &client,
                parts.last_workgroups(),
                units(),
                parts.vector,
                buffer(&sums),
                buffer(&mean),
                buffer(&variance),
                parts.launch(),
                parts.count as u32,
            );
            normalize::launch_unchecked(
                &client,
                parts.units(),
                units(),
                parts.vector,
                buffer(&x),
                buffer(&gamma),
                buffer(&beta),
                buffer(&mean),
                buffer(&variance),
                buffer(&shortcut),
                buffer(&output),
                parts.launch(),
                epsilon as f32,
                add,
                relu,
            );
        }
        [output, mean, variance]
    });
    [planes::<Cube>(output), mean, variance]
}

/// Gradients of x, γ and β, given the statistics, without a shortcut.
pub fn backward(
    x: FloatTensor<Cube>,
    [gamma, beta, mean, variance]: [FloatTensor<Cube>; 4],
    options: NormOptions,
    output_gradient: FloatTensor<Cube>,
) -> [FloatTensor<Cube>; 3] {
    let parts = Parts::of(&x);
    let NormOptions { epsilon, relu } = options;
    let [batch, channels, height, width] = x.shape().dims();
    let shapes = [
        vec![batch, height, width, channels],
        vec![channels],
        vec![channels],
    ];
    let shapes = shapes.map(Shape::from);
    let rows = shapes[0].clone();
    let inputs = [x, output_gradient, gamma, beta, mean, variance];
    let name = "weakseg::batch_norm_backward";
    let [of_x, of_gamma, of_beta] = defer(name, inputs, shapes, move |inputs| {
        let [x, gradient, gamma, beta, mean, variance] = inputs;
        let (x, gradient) = (rows_of(x), rows_of(gradient));
        let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(into_contiguous);
        let (sums, of_gamma, of_beta) = (parts.sums(&x), parts.vector(&x), parts.vector(&x));
        let of_x = empty(&x, &rows);
        let client = x.client.clone();
        // SAFETY: as above.
        unsafe {
            gradient_sums_of_parts::launch_unchecked(
                &client,
                parts.workgroups(),
                units(),
                parts.vector,
                buffer(&x),
                buffer(&gradient),
                buffer(&gamma),
                buffer(&beta),
                buffer(&mean),
                buffer(&variance),
                buffer(&sums),
                parts.launch(),
                epsilon as f32,
                parts.across,
                relu,
            );
            gradient_sums_of_all::launch_unchecked(
                &client,
                parts.last_workgroups(),
                units(),
                parts.vector,
                buffer(&sums),
                buffer(&variance),
                buffer(&of_gamma),
                buffer(&of_beta),
                parts.channels as u32,
                parts.count as u32,
                epsilon as f32,
            );
            gradient_of_x::launch_unchecked(
                &client,
                parts.units(),
                units(),
                parts.vector,
                buffer(&x),
                buffer(&gradient),
                buffer(&gamma),
                buffer(&beta),
                buffer(&mean),
                buffer(&variance),
                buffer(&of_gamma),
                buffer(&of_beta),
                buffer(&of_x),
                parts.launch(),
                epsilon as f32,
                relu,
            );
        }
        [of_x, of_gamma, of_beta]
    });
    [planes::<Cube>(of_x), of_gamma, of_beta]
}
