//! Kernels of ours in the queue of Burn's fusion, which runs an operation when its turn comes.
#![allow(unsafe_code)] // Kernels are launched without checks of bounds, which they make themselves.

use burn::backend::fusion::FusionBackend;
use burn::backend::fusion::FusionRuntime;
use burn::backend::fusion::custom::{
    CustomOpIr, HandleContainer, OperationFn, OperationIr, StreamId, TensorIr,
};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Shape, TensorMetadata};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_std::Metadata;
use cubecl::prelude::*;

type Handles =
    HandleContainer<<<CubeBackend as FusionBackend>::FusionRuntime as FusionRuntime>::FusionHandle>;

/// f32 tensors of these shapes that `compute` makes of `inputs`, later. Burn remembers what it has done with the
/// operations around by names and shapes, but always runs the `compute` that was given.
pub fn defer<const N: usize, const M: usize>(
    name: &'static str,
    inputs: [FloatTensor<Cube>; N],
    shapes: [Shape; M],
    compute: impl Fn([CubeTensor; N]) -> [CubeTensor; M] + Send + Sync + 'static,
) -> [FloatTensor<Cube>; M] {
    let client = inputs[0].client.clone();
    let inputs = inputs.map(|input| input.into_ir());
    let outputs =
        shapes.map(|shape| TensorIr::uninit(client.create_empty_handle(), shape, DType::F32));
    let ids = outputs.each_ref().map(|output| output.id);
    let description = CustomOpIr::new(name, &inputs, &outputs);
    let operation = OperationFn(move |handles: &mut Handles| {
        let tensors = inputs
            .each_ref()
            .map(|input| handles.get_float_tensor::<CubeBackend>(input));
        for (id, tensor) in ids.iter().zip(compute(tensors)) {
            handles.register_float_tensor::<CubeBackend>(id, tensor);
        }
        Ok(())
    });
    let tensors = client.register(
        StreamId::current(),
        OperationIr::Custom(description),
        operation,
    );
    tensors.try_into().expect("as many as there are outputs")
}

/// `[B, C, H, W]` as `[B, H, W, C]`, without gaps.
pub fn rows_of(mut tensor: CubeTensor) -> CubeTensor {
    let axes = [0, 2, 3, 1];
    let shape = axes.map(|axis: usize| tensor.meta.shape()[axis]);
    let strides = axes.map(|axis: usize| tensor.meta.strides()[axis]);
    *tensor.meta = Metadata::new(shape, strides);
    into_contiguous(tensor)
}

/// An uninitialized f32 tensor on the device of another.
pub fn empty(like: &CubeTensor, shape: &[usize]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, Shape::from(shape.to_vec()), DType::F32)
}

/// `[parts, …]` → `[…]`: the sum over parts, as a kernel of the same operation.
pub fn sum_of_parts(parts: CubeTensor) -> CubeTensor {
    let [count, rest @ ..] = &**parts.meta.shape() else {
        unreachable!("parts have an axis");
    };
    let (count, rest) = (*count, rest.to_vec());
    let values: usize = rest.iter().product();
    let out = empty(&parts, &rest);
    let vector = if values.is_multiple_of(4) { 4 } else { 1 };
    let units = values / vector;
    let workgroups = units.div_ceil(UNITS);
    // SAFETY: the kernel reads and writes inside the tensors.
    unsafe {
        sum_parts::launch_unchecked(
            &parts.client.clone(),
            CubeCount::Static(workgroups as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            vector,
            parts.binding().into_buffer_arg(),
            out.clone().binding().into_buffer_arg(),
            units as u32,
            count as u32,
        );
    }
    out
}

/// Units of a workgroup.
const UNITS: usize = 256;

#[cube(launch_unchecked)]
fn sum_parts<N: Size>(
    parts: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    vectors: u32,
    count: u32,
) {
    let unit = ABSOLUTE_POS as u32;
    if unit < vectors {
        let mut sum = Vector::<f32, N>::zeroed();
        for part in 0..count {
            sum += parts[(part * vectors + unit) as usize];
        }
        out[unit as usize] = sum;
    }
}

/// Sums over images and pixels, of `[B, C, H, W]`: `[C]`.
pub fn channel_sums(x: FloatTensor<Cube>) -> FloatTensor<Cube> {
    let [batch, channels, height, width] = x.shape().dims();
    let pixels = batch * height * width;
    // Lines of pixels beside each other, one below the other: the lines are summed, then the pixels of a line.
    let divides = |beside: &usize| pixels.is_multiple_of(*beside);
    let beside = (1..=MOST_BESIDE).rev().find(divides).unwrap_or(1);
    let [sums] = defer(
        "weakseg::channel_sums",
        [x],
        [Shape::new([channels])],
        move |[x]| {
            let mut rows = rows_of(x);
            for shape in [[pixels / beside, beside * channels], [beside, channels]] {
                let (client, device, handle) = (rows.client, rows.device, rows.handle);
                let lines = CubeTensor::new_contiguous(
                    client,
                    device,
                    Shape::new(shape),
                    handle,
                    DType::F32,
                );
                rows = sum_of_parts(lines);
            }
            [rows]
        },
    );
    sums
}

/// Pixels beside each other in a sum over all, at most.
const MOST_BESIDE: usize = 1024;
