//! The passes of a convolution as products.

use burn::backend::fusion::custom::ScalarIr;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, FloatDType, Shape, Slice, TensorData, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::features::MmaConfig;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

use super::axis::{Axis, phases};
use super::kernel::{GeometryLaunch, product};
use super::plan::{DEPTH, PIECE, Plan, SHARED_BYTES, SIDE};
use crate::conv::ConvOptions;
use crate::cube::operation::{defer, empty, planes, rows_of, sum_of_parts};

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
    blocks(weight, options).is_some()
        && x.dtype() == DType::F32
        && weight.dtype() == DType::F32
        && has_matrix_units(x)
        && fits(x, weight, options)
}

/// Channels of a block that groups are put into.
const BLOCK: usize = 64;

/// How many blocks a convolution's channels come in: one, or for groups so many of [`BLOCK`] channels; none, if these do not fit.
fn blocks(weight: &FloatTensor<Cube>, options: ConvOptions) -> Option<usize> {
    let [outputs, of_group, _, _] = weight.shape().dims();
    if options.groups == 1 {
        return Some(1);
    }
    let fits = outputs == of_group * options.groups
        && of_group > 1
        && BLOCK.is_multiple_of(of_group)
        && outputs.is_multiple_of(BLOCK);
    fits.then_some(outputs / BLOCK)
}

/// Whether numbers of places fit u32, and workgroups an axis.
fn fits(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> bool {
    let sizes = Sizes::of(x, weight, options);
    let pieces = |channels: usize| channels.next_multiple_of(PIECE) * sizes.blocks;
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
        && hardware.max_shared_memory_size >= SHARED_BYTES
}

/// A convolution's sizes; inputs and outputs of a block.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    blocks: usize,
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
        let blocks = blocks(weight, options).unwrap_or(1);
        Self {
            batch,
            blocks,
            inputs: inputs / blocks,
            height,
            width,
            outputs: outputs / blocks,
            tall,
            wide,
            kernel: [kh, kw],
            options,
        }
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Groups of a block.
    fn groups(&self) -> usize {
        self.options.groups / self.blocks
    }

    /// `[1, groups of a block, 1, groups of a block, 1, 1, 1]`: ones where they are the same.
    fn same_group(&self, like: &FloatTensor<Cube>) -> FloatTensor<Cube> {
        let groups = self.groups();
        let ones = (0..groups * groups).map(|at| if at % (groups + 1) == 0 { 1.0f32 } else { 0.0 });
        let ones = TensorData::new(ones.collect::<Vec<_>>(), [1, groups, 1, groups, 1, 1, 1]);
        Cube::float_from_data(ones, &like.device())
    }

    /// A weight `[O, I / groups, KH, KW]` as `[O, I of a block, KH, KW]`: zeros for channels of other groups.
    fn blocked(&self, weight: FloatTensor<Cube>) -> FloatTensor<Cube> {
        if self.options.groups == 1 {
            return weight;
        }
        let [outputs, of_group, kh, kw] = weight.shape().dims();
        let groups = self.groups();
        let same = self.same_group(&weight);
        let apart = [self.blocks, groups, of_group, 1, of_group, kh, kw];
        let weight = Cube::float_reshape(weight, Shape::new(apart));
        let blocked = Cube::float_mul(weight, same);
        Cube::float_reshape(blocked, Shape::new([outputs, groups * of_group, kh, kw]))
    }

    /// A weight `[O, I of a block, KH, KW]` as `[I, KH, KW, O of a block]`.
    fn turned(&self, weight: FloatTensor<Cube>) -> FloatTensor<Cube> {
        let [kh, kw] = self.kernel;
        if self.options.groups == 1 {
            return Cube::float_permute(padded(weight, 0), &[1, 2, 3, 0]);
        }
        let apart = [self.blocks, self.outputs, self.inputs, kh, kw];
        let weight = Cube::float_reshape(weight, Shape::new(apart));
        let turned = Cube::float_permute(weight, &[0, 2, 3, 4, 1]);
        let together = [self.blocks * self.inputs, kh, kw, self.outputs];
        Cube::float_reshape(turned, Shape::new(together))
    }

    /// Of a gradient `[O, KH, KW, I of a block]` what belongs to a weight, `[O, KH, KW, I / groups]`.
    fn of_groups(&self, gradient: FloatTensor<Cube>) -> FloatTensor<Cube> {
        if self.options.groups == 1 {
            return gradient;
        }
        let [outputs, kh, kw, inputs] = gradient.shape().dims();
        let groups = self.groups();
        let of_group = inputs / groups;
        // [blocks, groups, of group, taps, groups, of group]
        let apart = [self.blocks, groups, of_group, kh * kw, groups, of_group];
        let gradient = Cube::float_reshape(gradient, Shape::new(apart));
        let same = self.same_group(&gradient);
        let same = Cube::float_reshape(same, Shape::new([1, groups, 1, 1, groups, 1]));
        let sum = Cube::float_sum_dim(Cube::float_mul(gradient, same), 4);
        Cube::float_reshape(sum, Shape::new([outputs, kh, kw, of_group]))
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
    let weight = sizes.blocked(weight);
    // [O, KH, KW, I]
    let weight = Cube::float_permute(padded(weight, 1), &[0, 2, 3, 1]);
    let x = padded(x, 1);
    let channels = pieces(sizes.inputs);
    let [down, across] = [0, 1].map(|axis| Axis {
        scale: options.stride[axis],
        shift: -(options.padding[axis] as isize),
        step: options.dilation[axis] as isize,
        taps: sizes.kernel[axis],
        first_tap: 0,
        tap_step: 1,
    });
    let grid = [sizes.batch, sizes.tall, sizes.wide];
    let rows = grid.iter().product();
    let summands = sizes.taps() * channels;
    let tiles = Tiles::by_taps(
        arithmetic,
        sizes.blocks,
        rows,
        sizes.outputs,
        summands,
        channels,
    );
    let outputs = sizes.blocks * sizes.outputs;
    let shape = [tiles.splits, sizes.batch, sizes.tall, sizes.wide, outputs];
    let settings = sizes.settings(arithmetic);
    let whole = Shape::new([sizes.batch, sizes.tall, sizes.wide, outputs]);
    let [output] = defer(
        "weakseg::conv2d",
        settings,
        [x, weight],
        [whole],
        move |[x, weight]| {
            let problem = Problem {
                rows,
                blocks: sizes.blocks,
                columns: sizes.outputs,
                summands,
                grid,
                read: [sizes.height, sizes.width, channels],
                axes: [down, across],
                other_row: sizes.taps() * channels,
                other_block: sizes.outputs * sizes.taps() * channels,
                other_channels: 0,
                kernel_width: sizes.kernel[1],
                out_row: outputs,
                out_block: sizes.outputs,
                written: None,
            };
            let (x, weight) = (rows_of(x), into_contiguous(weight));
            let out = empty(&x, &shape);
            tiles.launch(x, weight, &out, &problem, units);
            [joined(out)]
        },
    );
    planes(output)
}

/// `[B, I, H, W]` of x's shape.
///
/// Pixels are taken apart by what they leave when divided by the stride: those of one kind meet the same taps, as if the stride
/// were 1.
pub fn input_gradient(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
) -> FloatTensor<Cube> {
    input_gradient_by(
        x,
        weight,
        output_gradient,
        options,
        arithmetic,
        Units::Matrix,
    )
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
    let weight = sizes.turned(sizes.blocked(weight));
    let gradient = padded(output_gradient, 1);
    let channels = pieces(sizes.outputs);
    let (height, width, inputs) = (sizes.height, sizes.width, sizes.inputs);
    let shape = [sizes.batch, height, width, sizes.blocks * inputs];
    let [result] = defer(
        "weakseg::conv2d_input_gradient",
        sizes.settings(arithmetic),
        [gradient, weight],
        [Shape::new(shape)],
        move |[gradient, weight]| {
            let (gradient, weight) = (rows_of(gradient), into_contiguous(weight));
            let out = empty(&gradient, &shape);
            let [sy, sx] = options.stride;
            let along = |axis: usize| {
                phases(
                    options.stride[axis],
                    options.padding[axis],
                    options.dilation[axis],
                    sizes.kernel[axis],
                )
            };
            for (py, down) in along(0).into_iter().enumerate() {
                for (px, across) in along(1).into_iter().enumerate() {
                    if py >= height || px >= width {
                        continue;
                    }
                    let grid = [
                        sizes.batch,
                        (height - py).div_ceil(sy),
                        (width - px).div_ceil(sx),
                    ];
                    let rows = grid.iter().product();
                    let summands = down.taps * across.taps * channels;
                    let written = (options.stride != [1, 1]).then_some(Written {
                        first: py * width + px,
                        image: height * width,
                        step: [sy * width, sx],
                    });
                    let problem = Problem {
                        rows,
                        blocks: sizes.blocks,
                        columns: inputs,
                        summands,
                        grid,
                        read: [sizes.tall, sizes.wide, channels],
                        axes: [down, across],
                        other_row: sizes.taps() * channels,
                        other_block: inputs * sizes.taps() * channels,
                        other_channels: 0,
                        kernel_width: sizes.kernel[1],
                        out_row: sizes.blocks * inputs,
                        out_block: inputs,
                        written,
                    };
                    let tiles =
                        Tiles::by_taps(arithmetic, sizes.blocks, rows, inputs, summands, channels);
                    tiles
                        .unsplit()
                        .launch(gradient.clone(), weight.clone(), &out, &problem, units);
                }
            }
            [out]
        },
    );
    planes(result)
}

/// `[O, I, KH, KW]` of weight's shape.
pub fn weight_gradient(
    x: FloatTensor<Cube>,
    weight: FloatTensor<Cube>,
    output_gradient: FloatTensor<Cube>,
    options: ConvOptions,
    arithmetic: Arithmetic,
) -> FloatTensor<Cube> {
    weight_gradient_by(
        x,
        weight,
        output_gradient,
        options,
        arithmetic,
        Units::Matrix,
    )
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
    let grid = [sizes.batch, sizes.tall, sizes.wide];
    let summands = grid.iter().product();
    let columns = sizes.taps() * channels * PIECE;
    let tiles = Tiles::by_pixels(arithmetic, sizes.blocks, sizes.outputs, columns, summands);
    let [kh, kw] = sizes.kernel;
    let rows = sizes.blocks * sizes.outputs;
    let shape = [tiles.splits, rows, kh, kw, channels * PIECE];
    let whole = Shape::new([rows, kh, kw, channels * PIECE]);
    let [gradient] = defer(
        "weakseg::conv2d_weight_gradient",
        sizes.settings(arithmetic),
        [gradient, x],
        [whole],
        move |[gradient, x]| {
            let axes = [0, 1].map(|axis| Axis {
                scale: options.stride[axis],
                shift: -(options.padding[axis] as isize),
                step: options.dilation[axis] as isize,
                taps: sizes.kernel[axis],
                first_tap: 0,
                tap_step: 1,
            });
            let problem = Problem {
                rows: sizes.outputs,
                blocks: sizes.blocks,
                columns,
                summands,
                grid,
                read: [sizes.height, sizes.width, channels],
                axes,
                other_row: sizes.blocks * pieces(sizes.outputs),
                other_block: pieces(sizes.outputs),
                other_channels: pieces(sizes.outputs),
                kernel_width: kw,
                out_row: columns,
                out_block: sizes.outputs * columns,
                written: None,
            };
            let (gradient, x) = (rows_of(gradient), rows_of(x));
            let out = empty(&x, &shape);
            tiles.launch(gradient, x, &out, &problem, units);
            [joined(out)]
        },
    );
    let mut whole = gradient.shape();
    let gradient = if whole[3] == sizes.inputs {
        gradient
    } else {
        whole[3] = sizes.inputs;
        let inside = whole.iter().map(|size| Slice::from(0..*size));
        Cube::float_slice(gradient, &inside.collect::<Vec<_>>())
    };
    planes(sizes.of_groups(gradient))
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
fn joined(parts: CubeTensor) -> CubeTensor {
    if parts.meta.shape()[0] > 1 {
        return sum_of_parts(parts);
    }
    let rest: Vec<usize> = parts.meta.shape().iter().skip(1).copied().collect();
    let (client, device, handle) = (parts.client, parts.device, parts.handle);
    CubeTensor::new_contiguous(client, device, Shape::from(rest), handle, DType::F32)
}

/// Where rows that lie apart are written, in pixels.
#[derive(Debug, Clone, Copy)]
struct Written {
    first: usize,
    image: usize,
    step: [usize; 2],
}

/// What a product's tensors are like, channels in pieces: [`super::kernel::Geometry`] says what is what.
struct Problem {
    blocks: usize,
    rows: usize,
    columns: usize,
    summands: usize,
    /// Images, height and width.
    grid: [usize; 3],
    /// Height, width and channels.
    read: [usize; 3],
    axes: [Axis; 2],
    other_row: usize,
    other_block: usize,
    other_channels: usize,
    kernel_width: usize,
    out_row: usize,
    out_block: usize,
    written: Option<Written>,
}

impl Problem {
    fn geometry(&self, steps: usize) -> GeometryLaunch {
        let [_, tall, wide] = self.grid;
        let [height, width, channels] = self.read;
        let [down, across] = self.axes;
        let written = self.written.unwrap_or(Written {
            first: 0,
            image: 0,
            step: [0, 0],
        });
        GeometryLaunch::new(
            self.blocks as u32,
            self.rows as u32,
            self.columns as u32,
            self.summands as u32,
            steps as u32,
            tall as u32,
            wide as u32,
            (DEPTH / (tall * wide)) as u32,
            (DEPTH / wide % tall) as u32,
            (DEPTH % wide) as u32,
            height as u32,
            width as u32,
            channels as u32,
            (self.blocks * channels) as u32,
            down.scale as u32,
            across.scale as u32,
            down.shift as i32,
            across.shift as i32,
            down.step as i32,
            across.step as i32,
            across.taps.max(1) as u32,
            self.other_row as u32,
            self.other_block as u32,
            self.other_channels as u32,
            (down.first_tap * self.kernel_width + across.first_tap) as u32,
            (down.tap_step * self.kernel_width) as u32,
            across.tap_step as u32,
            self.out_row as u32,
            self.out_block as u32,
            (self.blocks * self.rows * self.columns) as u32,
            written.first as u32,
            written.image as u32,
            written.step[0] as u32,
            written.step[1] as u32,
        )
    }
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
    /// For sums over taps and channels; `summands` and `channels` in pieces.
    fn by_taps(
        arithmetic: Arithmetic,
        blocks: usize,
        rows: usize,
        columns: usize,
        summands: usize,
        channels: usize,
    ) -> Self {
        let plan = Plan {
            whole: channels.is_multiple_of(DEPTH / PIECE),
            ..plan(arithmetic, 128, narrow(columns))
        };
        Self::new(plan, blocks, rows, columns, summands)
    }

    /// For sums over pixels.
    fn by_pixels(
        arithmetic: Arithmetic,
        blocks: usize,
        rows: usize,
        columns: usize,
        summands: usize,
    ) -> Self {
        let plan = Plan {
            by_pixels: true,
            ..plan(arithmetic, narrow(rows), narrow(columns))
        };
        Self::new(plan, blocks, rows, columns, summands)
    }

    fn new(plan: Plan, blocks: usize, rows: usize, columns: usize, summands: usize) -> Self {
        let (down, across) = (rows.div_ceil(plan.rows), columns.div_ceil(plan.columns));
        let steps = summands.div_ceil(plan.summands_of_step());
        let wanted = (BUSY / (blocks * down * across)).clamp(1, (steps / FEWEST_STEPS).max(1));
        let of_split = steps.div_ceil(wanted).max(1);
        Self {
            plan,
            down,
            across,
            splits: steps.div_ceil(of_split).max(1),
            steps: of_split,
        }
    }

    /// In one part.
    fn unsplit(self) -> Self {
        Self {
            steps: self.steps * self.splits,
            splits: 1,
            ..self
        }
    }

    /// Writes the product into `out`.
    fn launch(
        &self,
        left: CubeTensor,
        right: CubeTensor,
        out: &CubeTensor,
        problem: &Problem,
        units: Units,
    ) {
        let client = left.client.clone();
        let plan = Plan {
            scattered: problem.written.is_some(),
            matrix_units: units == Units::Matrix,
            ..self.plan
        };
        let count = CubeCount::Static(
            self.across as u32,
            self.down as u32,
            (self.splits * problem.blocks) as u32,
        );
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
                problem.geometry(self.steps),
                plan,
            );
        }
    }
}

/// Rows or columns of a workgroup.
fn narrow(size: usize) -> usize {
    if size <= 64 || std::env::var_os("WEAKSEG_NARROW").is_some() {
        64
    } else {
        128
    }
}

fn plan(arithmetic: Arithmetic, rows: usize, columns: usize) -> Plan {
    let (planes_down, planes_across) = if rows > columns { (4, 2) } else { (2, 4) };
    Plan {
        by_pixels: false,
        whole: false,
        scattered: false,
        split: arithmetic == Arithmetic::F32,
        matrix_units: true,
        rows,
        columns,
        planes_down,
        planes_across,
        lanes: LANES,
    }
}
