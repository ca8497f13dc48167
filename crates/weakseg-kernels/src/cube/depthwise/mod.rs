//! Depthwise convolutions, `[B, H, W, C]` as convolutions leave them.
//!
//! Burn takes the gradient of their weights as one convolution for each channel, of which DeepLabv3+ has two thousand.
#![allow(unsafe_code)] // Kernels are launched without checks of bounds, which they make themselves.

mod kernel;
#[cfg(test)]
mod tests;

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Shape, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

use self::kernel::{TapsLaunch, UNITS, depthwise, depthwise_weight_gradient};
use super::operation::{defer, empty, rows_of, sum_of_parts};
use super::rows::planes;
use crate::conv::ConvOptions;

/// Values of a vector that is read at a time.
const VECTOR: usize = 4;

/// Vectors of channels beside each other in a workgroup, at most.
const MOST_ACROSS: usize = 32;

/// Workgroups for a GPU's width, at most so many parts.
const WORKGROUPS: usize = 2048;
const MOST_PARTS: usize = 256;

/// Pixels of a part, at least.
const FEWEST_PIXELS: usize = 64;

/// Taps whose sums a unit keeps.
const MOST_TAPS: usize = 9;

/// Units along the axes of a grid of workgroups.
const MOST_WORKGROUPS: usize = 65_535;

/// Whether a convolution is depthwise, and one for these kernels.
pub fn serves(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> bool {
    let [batch, channels, height, width] = x.shape().dims();
    let [outputs, of_group, kh, kw] = weight.shape().dims();
    let [tall, wide] = options.output_size([height, width], [kh, kw]);
    let [read, written] = [[height, width], [tall, wide]].map(|[h, w]| batch * channels * h * w);
    let values = read.max(written);
    read.min(written) > 0
        && options.groups == channels
        && outputs == channels
        && of_group == 1
        && options.stride == [1, 1]
        && channels.is_multiple_of(VECTOR)
        && kh * kw <= MOST_TAPS
        && x.dtype() == DType::F32
        && weight.dtype() == DType::F32
        && values <= u32::MAX as usize
        && values / VECTOR <= UNITS * MOST_WORKGROUPS
}

/// The taps of a convolution with steps of one pixel, or, `turned`, of its input gradient.
#[derive(Debug, Clone, Copy)]
struct Taps {
    channels: usize,
    read: [usize; 2],
    grid: [usize; 2],
    images: usize,
    kernel: [usize; 2],
    options: ConvOptions,
    turned: bool,
}

impl Taps {
    fn of(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> Self {
        let [images, channels, height, width] = x.shape().dims();
        let [_, _, kh, kw] = weight.shape().dims();
        Self {
            channels,
            read: [height, width],
            grid: options.output_size([height, width], [kh, kw]),
            images,
            kernel: [kh, kw],
            options,
            turned: false,
        }
    }

    /// Those of the input gradient, which is read from the output's pixels.
    fn turned(self) -> Self {
        Self {
            read: self.grid,
            grid: self.read,
            turned: true,
            ..self
        }
    }

    fn pixels(&self) -> usize {
        self.images * self.grid[0] * self.grid[1]
    }

    fn vectors(&self) -> usize {
        self.channels / VECTOR
    }

    fn kernel(&self) -> (usize, usize) {
        (self.kernel[0], self.kernel[1])
    }

    fn launch(&self) -> TapsLaunch {
        let sign = if self.turned { -1 } else { 1 };
        let shift = |axis: usize| -sign * self.options.padding[axis] as i32;
        let step = |axis: usize| sign * self.options.dilation[axis] as i32;
        TapsLaunch::new(
            self.vectors() as u32,
            self.read[0] as u32,
            self.read[1] as u32,
            self.grid[0] as u32,
            self.grid[1] as u32,
            self.pixels() as u32,
            1,
            1,
            shift(0),
            shift(1),
            step(0),
            step(1),
        )
    }

    /// `[B, C, H, W]` of the grid.
    fn sums(
        self,
        name: &'static str,
        read: FloatTensor<Cube>,
        weight: FloatTensor<Cube>,
    ) -> FloatTensor<Cube> {
        let [kh, kw] = self.kernel;
        let weight = Cube::float_reshape(weight, Shape::new([self.channels, kh * kw]));
        let weight = Cube::float_swap_dims(weight, 0, 1);
        let shape = [self.images, self.grid[0], self.grid[1], self.channels];
        let shapes = [Shape::new(shape)];
        let [rows] = defer(name, [read, weight], shapes, move |[read, weight]| {
            let (read, weight) = (rows_of(read), into_contiguous(weight));
            let out = empty(&read, &shape);
            let client = read.client.clone();
            let workgroups = (self.pixels() * self.vectors()).div_ceil(UNITS);
            // SAFETY: the kernel reads and writes inside what `taps` says, which is what the tensors are.
            unsafe {
                depthwise::launch_unchecked(
                    &client,
                    CubeCount::Static(workgroups as u32, 1, 1),
                    CubeDim::new_1d(UNITS as u32),
                    VECTOR,
                    read.binding().into_buffer_arg(),
                    weight.binding().into_buffer_arg(),
                    out.clone().binding().into_buffer_arg(),
                    self.launch(),
                    self.kernel(),
                );
            }
            [out]
        });
        planes::<Cube>(rows)
    }
}

/// `[B, C, OH, OW]` of x `[B, C, H, W]` and weight `[C, 1, KH, KW]`.
pub fn output(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    options: ConvOptions,
) -> FloatTensor<Cube> {
    Taps::of(&x, &weight, options).sums("weakseg::depthwise", x, weight)
}

/// `[B, C, H, W]` of x's shape.
pub fn input_gradient(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
) -> FloatTensor<Cube> {
    let taps = Taps::of(&x, &weight, options).turned();
    taps.sums("weakseg::depthwise_input_gradient", output_gradient, weight)
}

/// `[C, 1, KH, KW]` of weight's shape.
pub fn weight_gradient(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
) -> FloatTensor<Cube> {
    let taps = Taps::of(&x, &weight, options);
    let (pixels, vectors) = (taps.pixels(), taps.vectors());
    let across = vectors.next_power_of_two().min(MOST_ACROSS);
    let blocks = vectors.div_ceil(across);
    let most = MOST_PARTS.min(pixels.div_ceil(FEWEST_PIXELS));
    let of_part = pixels.div_ceil((WORKGROUPS / blocks).clamp(1, most));
    let parts = pixels.div_ceil(of_part);
    let [kh, kw] = taps.kernel;
    let shape = [parts, kh * kw, taps.channels];
    let [sum] = defer(
        "weakseg::depthwise_weight_gradient",
        [x, output_gradient],
        [Shape::new([kh * kw, taps.channels])],
        move |[x, gradient]| {
            let (x, gradient) = (rows_of(x), rows_of(gradient));
            let out = empty(&x, &shape);
            let client = x.client.clone();
            // SAFETY: as above.
            unsafe {
                depthwise_weight_gradient::launch_unchecked(
                    &client,
                    CubeCount::Static(parts as u32, blocks as u32, 1),
                    CubeDim::new_1d(UNITS as u32),
                    VECTOR,
                    x.binding().into_buffer_arg(),
                    gradient.binding().into_buffer_arg(),
                    out.clone().binding().into_buffer_arg(),
                    taps.launch(),
                    of_part as u32,
                    taps.kernel(),
                    across,
                );
            }
            [sum_of_parts(out)]
        },
    );
    Cube::float_reshape(
        Cube::float_swap_dims(sum, 0, 1),
        Shape::new([taps.channels, 1, kh, kw]),
    )
}
