//! The passes of a convolution as products.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Shape, Slice, TensorMetadata};
use burn_cubecl::CubeDevice;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::features::MmaConfig;
use cubecl::ir::{ElemType, FloatKind};

use super::axis::phases;
use super::plan::{PIECE, SHARED_BYTES, SIDE};
use super::sizes::{Sizes, blocks, padded, pieces};
use super::tiles::{Arithmetic, LANES, PLANES, Problem, Tiles, Units, Written};
use crate::conv::ConvOptions;
use crate::cube::operation::{defer, empty, rows_of, sum_of_parts};
use crate::cube::rows::planes;

/// Workgroups along an axis.
const MOST_WORKGROUPS: usize = 65_535;

/// Whether a convolution of these tensors is one for products on this device.
pub fn serves(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> bool {
    blocks(weight, options).is_some()
        && x.dtype() == DType::F32
        && weight.dtype() == DType::F32
        && has_matrix_units(x)
        && fits(x, weight, options)
}

/// Whether numbers of places fit u32, and workgroups an axis; and there are places.
fn fits(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> bool {
    let sizes = Sizes::of(x, weight, options);
    let pieces = |channels: usize| channels.next_multiple_of(PIECE) * sizes.blocks;
    let input = sizes.batch * sizes.height * sizes.width;
    let output = sizes.batch * sizes.tall * sizes.wide;
    let most = u32::MAX as usize;
    input.min(output).min(sizes.inputs).min(sizes.outputs) > 0
        && input * pieces(sizes.inputs) <= most
        && output * pieces(sizes.outputs) <= most
        && input.max(output).div_ceil(128) <= MOST_WORKGROUPS
        && sizes.kernel[0] * sizes.kernel[1] * pieces(sizes.inputs) * pieces(sizes.outputs) <= most
}

/// Fragments of bf16 with sums in f32, planes of [`LANES`] units, and shared memory for the largest plan; and SPIR-V,
/// since CubeCL's compilers to CUDA and Metal load fragments from memory of their own type alone.
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
    matches!(tensor.device(), CubeDevice::Wgpu(_))
        && properties.features.matmul.cmma.contains(&fragment)
        && hardware.plane_size_min as usize == LANES
        && hardware.plane_size_max as usize == LANES
        && hardware.max_units_per_cube as usize >= LANES * PLANES
        && hardware.max_shared_memory_size >= SHARED_BYTES
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
    let whole = Shape::new([sizes.batch, sizes.tall, sizes.wide, outputs]);
    let [output] = defer(
        "weakseg::conv2d",
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
                axes: sizes.axes(),
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
    planes::<Cube>(output)
}

/// `[B, I, H, W]` of x's shape.
///
/// Pixels are taken apart by what they leave when divided by the stride: those of one kind meet the same taps, as if
/// the stride were 1.
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
    planes::<Cube>(result)
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
        [gradient, x],
        [whole],
        move |[gradient, x]| {
            let problem = Problem {
                rows: sizes.outputs,
                blocks: sizes.blocks,
                columns,
                summands,
                grid,
                read: [sizes.height, sizes.width, channels],
                axes: sizes.axes(),
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
    planes::<Cube>(sizes.of_groups(gradient))
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
