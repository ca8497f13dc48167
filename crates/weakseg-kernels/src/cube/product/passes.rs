//! The passes of a convolution as products.

use burn::backend::fusion::custom::ScalarIr;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, FloatDType, Shape, Slice, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::features::MmaConfig;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

use super::kernel::{GeometryLaunch, product};
use super::plan::{Pass, Plan, SIDE};
use crate::conv::ConvOptions;
use crate::cube::operation::{defer, rows_of};

/// Channels are read in pieces of so many.
const PIECE: usize = 8;

/// Values of a vector that is read at a time.
const VECTOR: usize = 4;

/// Units of a plane, and planes of a workgroup.
const LANES: usize = 32;
const PLANES: usize = 8;

/// So many workgroups keep a GPU busy: where the product has fewer tiles, its sums are cut, to be added after it.
const BUSY: usize = 512;

/// But no sum into parts of fewer steps.
const FEWEST_STEPS: usize = 16;

/// Workgroups along an axis.
const MOST_WORKGROUPS: usize = 65_535;

/// How values are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// In two parts of bf16 each.
    F32,
    /// Rounded to bf16.
    Bf16,
}

/// What a device has for products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    Matrix,
    /// None; by way of tests alone.
    #[cfg(test)]
    Scalar,
}

/// Whether a convolution of these tensors is one for products on this device.
pub fn serves(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> bool {
    options.groups == 1
        && x.dtype() == DType::F32
        && weight.dtype() == DType::F32
        && has_matrix_units(x)
        && fits(x, weight, options)
}

/// Whether numbers of places fit u32, and workgroups an axis.
fn fits(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> bool {
    let sizes = Sizes::of(x, weight, options);
    let pieces = |channels: usize| channels.next_multiple_of(PIECE);
    let input = sizes.batch * sizes.height * sizes.width;
    let output = sizes.batch * sizes.tall * sizes.wide;
    let most = u32::MAX as usize;
    input * pieces(sizes.inputs) <= most
        && output * pieces(sizes.outputs) <= most
        && input.max(output).div_ceil(128) <= MOST_WORKGROUPS
        && sizes.kernel[0] * sizes.kernel[1] * pieces(sizes.inputs) * pieces(sizes.outputs) <= most
}

/// Fragments of bf16 with sums in f32, planes of [`LANES`] units, and shared memory for the largest plan.
pub(super) fn has_matrix_units(tensor: &FloatTensor<Cube>) -> bool {
    let client = tensor.device().client();
    let properties = client.properties();
    let hardware = &properties.hardware;
    let side = SIDE as u32;
    let bf16 = ElemType::Float(FloatKind::BF16);
    let fragment = MmaConfig {
        a_type: bf16,
        b_type: bf16,
        cd_type: ElemType::Float(FloatKind::F32),
        m: side,
        n: side,
        k: side,
    };
    properties.features.matmul.cmma.contains(&fragment)
        && hardware.plane_size_min as usize == LANES
        && hardware.plane_size_max as usize == LANES
        && hardware.max_units_per_cube as usize >= LANES * PLANES
        && hardware.max_shared_memory_size >= plan(Pass::Output, Arithmetic::F32, 128, 128).shared_bytes()
}

/// A convolution's sizes.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    inputs: usize,
    height: usize,
    width: usize,
    outputs: usize,
    tall: usize,
    wide: usize,
    kernel: [usize; 2],
    options: ConvOptions,
}

impl Sizes {
    fn of(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> Self {
        let [batch, inputs, height, width] = x.shape().dims();
        let [outputs, _, kh, kw] = weight.shape().dims();
        let [tall, wide] = options.output_size([height, width], [kh, kw]);
        Self {
            batch,
            inputs,
            height,
            width,
            outputs,
            tall,
            wide,
            kernel: [kh, kw],
            options,
        }
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// What tells operations of one name and equal shapes apart.
    fn settings(&self, arithmetic: Arithmetic) -> Vec<ScalarIr> {
        let ConvOptions {
            stride,
            padding,
            dilation,
            ..
        } = self.options;
        [stride, padding, dilation]
            .concat()
            .into_iter()
            .chain([arithmetic as usize])
            .map(|value| ScalarIr::UInt(value as u64))
            .collect()
    }
}

/// `[B, O, OH, OW]` of x `[B, I, H, W]` and weight `[O, I, KH, KW]`.
pub fn output(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
) -> FloatTensor<Cube> {
    output_by(x, weight, options, arithmetic, Units::Matrix)
}

pub(super) fn output_by(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
    units: Units,
) -> FloatTensor<Cube> {
    let sizes = Sizes::of(&x, &weight, options);
    // [O, KH, KW, I]
    let weight = Cube::float_permute(padded(weight, 1), &[0, 2, 3, 1]);
    let rows = sizes.batch * sizes.tall * sizes.wide;
    let x = padded(x, 1);
    let channels = pieces(sizes.inputs);
    let tiles = Tiles::new(Pass::Output, arithmetic, rows, sizes.outputs, sizes.taps() * channels);
    let shape = [tiles.splits, sizes.batch, sizes.tall, sizes.wide, sizes.outputs];
    let parts = defer(
        "weakseg::conv2d",
        sizes.settings(arithmetic),
        [x, weight],
        Shape::new(shape),
        move |[x, weight]| {
            let geometry = Shapes {
                rows,
                columns: sizes.outputs,
                summands: sizes.taps() * channels,
                grid: [sizes.tall, sizes.wide],
                read: [sizes.height, sizes.width, channels],
                left_channels: 0,
            };
            tiles.launch(rows_of(x), into_contiguous(weight), &geometry, &sizes, &shape, units)
        },
    );
    planes(joined(parts))
}

/// `[B, I, H, W]` of x's shape.
pub fn input_gradient(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
) -> FloatTensor<Cube> {
    input_gradient_by(x, weight, output_gradient, options, arithmetic, Units::Matrix)
}

pub(super) fn input_gradient_by(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
    units: Units,
) -> FloatTensor<Cube> {
    let sizes = Sizes::of(&x, &weight, options);
    // [I, KH, KW, O]
    let weight = Cube::float_permute(padded(weight, 0), &[1, 2, 3, 0]);
    let rows = sizes.batch * sizes.height * sizes.width;
    let gradient = padded(output_gradient, 1);
    let channels = pieces(sizes.outputs);
    let pass = Pass::InputGradient;
    let tiles = Tiles::new(pass, arithmetic, rows, sizes.inputs, sizes.taps() * channels);
    let shape = [tiles.splits, sizes.batch, sizes.height, sizes.width, sizes.inputs];
    let parts = defer(
        "weakseg::conv2d_input_gradient",
        sizes.settings(arithmetic),
        [gradient, weight],
        Shape::new(shape),
        move |[gradient, weight]| {
            let geometry = Shapes {
                rows,
                columns: sizes.inputs,
                summands: sizes.taps() * channels,
                grid: [sizes.height, sizes.width],
                read: [sizes.tall, sizes.wide, channels],
                left_channels: 0,
            };
            let weight = into_contiguous(weight);
            tiles.launch(rows_of(gradient), weight, &geometry, &sizes, &shape, units)
        },
    );
    planes(joined(parts))
}

/// `[O, I, KH, KW]` of weight's shape.
pub fn weight_gradient(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
) -> FloatTensor<Cube> {
    weight_gradient_by(x, weight, output_gradient, options, arithmetic, Units::Matrix)
}

pub(super) fn weight_gradient_by(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
    units: Units,
) -> FloatTensor<Cube> {
    let sizes = Sizes::of(&x, &weight, options);
    let channels = pieces(sizes.inputs);
    let (x, gradient) = (padded(x, 1), padded(output_gradient, 1));
    let pixels = sizes.batch * sizes.tall * sizes.wide;
    let columns = sizes.taps() * channels * PIECE;
    let tiles = Tiles::new(Pass::WeightGradient, arithmetic, sizes.outputs, columns, pixels);
    let [kh, kw] = sizes.kernel;
    let shape = [tiles.splits, sizes.outputs, kh, kw, channels * PIECE];
    let parts = defer(
        "weakseg::conv2d_weight_gradient",
        sizes.settings(arithmetic),
        [gradient, x],
        Shape::new(shape),
        move |[gradient, x]| {
            let geometry = Shapes {
                rows: sizes.outputs,
                columns,
                summands: pixels,
                grid: [sizes.tall, sizes.wide],
                read: [sizes.height, sizes.width, channels],
                left_channels: pieces(sizes.outputs),
            };
            tiles.launch(rows_of(gradient), rows_of(x), &geometry, &sizes, &shape, units)
        },
    );
    let gradient = joined(parts);
    let mut whole = gradient.shape();
    let gradient = if whole[3] == sizes.inputs {
        gradient
    } else {
        whole[3] = sizes.inputs;
        let inside = whole.iter().map(|size| Slice::from(0..*size));
        Cube::float_slice(gradient, &inside.collect::<Vec<_>>())
    };
    planes(gradient)
}

fn pieces(channels: usize) -> usize {
    channels.div_ceil(PIECE)
}

/// With zeros along an axis, so that it has whole pieces.
fn padded(tensor: FloatTensor<Cube>, axis: usize) -> FloatTensor<Cube> {
    let mut shape = tensor.shape();
    let inside: Vec<_> = shape.iter().map(|size| Slice::from(0..*size)).collect();
    if shape[axis].is_multiple_of(PIECE) {
        return tensor;
    }
    shape[axis] = shape[axis].next_multiple_of(PIECE);
    let zeros = Cube::float_zeros(shape, &tensor.device(), FloatDType::F32);
    Cube::float_slice_assign(zeros, &inside, tensor)
}

/// `[splits, …]` → `[…]`: the sum of the splits.
fn joined(parts: FloatTensor<Cube>) -> FloatTensor<Cube> {
    let shape = parts.shape();
    let rest: Vec<usize> = shape.iter().skip(1).copied().collect();
    let sum = if shape[0] == 1 {
        parts
    } else {
        Cube::float_sum_dim(parts, 0)
    };
    Cube::float_reshape(sum, Shape::from(rest))
}

/// `[B, H, W, C]` → `[B, C, H, W]`, as it lies.
fn planes(rows: FloatTensor<Cube>) -> FloatTensor<Cube> {
    Cube::float_permute(rows, &[0, 3, 1, 2])
}

/// What a product's tensors are like, channels in pieces.
struct Shapes {
    rows: usize,
    columns: usize,
    summands: usize,
    grid: [usize; 2],
    read: [usize; 3],
    left_channels: usize,
}

/// A plan and how often it is carried out.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    plan: Plan,
    down: usize,
    across: usize,
    splits: usize,
    /// Of a split.
    steps: usize,
}

impl Tiles {
    fn new(pass: Pass, arithmetic: Arithmetic, rows: usize, columns: usize, summands: usize) -> Self {
        let small = |size: usize| if size <= 64 { 64 } else { 128 };
        let (tall, wide) = match pass {
            Pass::WeightGradient => (small(rows), small(columns)),
            _ => (128, small(columns)),
        };
        let plan = plan(pass, arithmetic, tall, wide);
        let (down, across) = (rows.div_ceil(tall), columns.div_ceil(wide));
        let steps = summands.div_ceil(plan.summands_of_step());
        let wanted = (BUSY / (down * across)).clamp(1, (steps / FEWEST_STEPS).max(1));
        let steps_of_split = steps.div_ceil(wanted);
        Self {
            plan,
            down,
            across,
            splits: steps.div_ceil(steps_of_split),
            steps: steps_of_split,
        }
    }

    /// The product as a tensor of `shape`.
    fn launch(
        &self,
        left: CubeTensor,
        right: CubeTensor,
        shapes: &Shapes,
        sizes: &Sizes,
        shape: &[usize],
        units: Units,
    ) -> CubeTensor {
        let (client, device) = (left.client.clone(), left.device.clone());
        let shape = Shape::from(shape.to_vec());
        let out = empty_device_contiguous_dtype(client.clone(), device, shape, DType::F32);
        let plan = Plan {
            strided: sizes.options.stride != [1, 1],
            matrix_units: units == Units::Matrix,
            ..self.plan
        };
        let ConvOptions {
            stride,
            padding,
            dilation,
            ..
        } = sizes.options;
        let geometry = GeometryLaunch::new(
            shapes.rows as u32,
            shapes.columns as u32,
            shapes.summands as u32,
            self.steps as u32,
            shapes.grid[0] as u32,
            shapes.grid[1] as u32,
            shapes.read[0] as u32,
            shapes.read[1] as u32,
            shapes.read[2] as u32,
            shapes.left_channels as u32,
            sizes.kernel[1] as u32,
            stride[0] as u32,
            stride[1] as u32,
            dilation[0] as u32,
            dilation[1] as u32,
            padding[0] as u32,
            padding[1] as u32,
        );
        let count = CubeCount::Static(self.across as u32, self.down as u32, self.splits as u32);
        // SAFETY: the kernel reads and writes inside what `geometry` says, which is what the tensors are.
        unsafe {
            product::launch_unchecked(
                &client,
                count,
                CubeDim::new_2d(LANES as u32, PLANES as u32),
                VECTOR,
                left.binding().into_buffer_arg(),
                right.binding().into_buffer_arg(),
                out.clone().binding().into_buffer_arg(),
                geometry,
                plan,
            );
        }
        out
    }
}

fn plan(pass: Pass, arithmetic: Arithmetic, rows: usize, columns: usize) -> Plan {
    let (planes_down, planes_across) = if rows > columns { (4, 2) } else { (2, 4) };
    Plan {
        pass,
        split: arithmetic == Arithmetic::F32,
        strided: false,
        matrix_units: true,
        rows,
        columns,
        planes_down,
        planes_across,
        lanes: LANES,
    }
}
