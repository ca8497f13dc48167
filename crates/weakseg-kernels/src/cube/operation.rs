//! Kernels of ours in the queue of Burn's fusion, which runs an operation when its turn comes.

use burn::backend::fusion::FusionBackend;
use burn::backend::fusion::custom::{
    CustomOpIr, HandleContainer, OperationFn, OperationIr, ScalarIr, StreamId, TensorIr,
};
use burn::backend::fusion::FusionRuntime;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_std::Metadata;

type Handles =
    HandleContainer<<<CubeBackend as FusionBackend>::FusionRuntime as FusionRuntime>::FusionHandle>;

/// An f32 tensor of this shape that `compute` makes of `inputs`, later. `name` and `settings` say what it does: operations
/// equal in these and their shapes are taken for the same.
pub fn defer<const N: usize>(
    name: &'static str,
    settings: Vec<ScalarIr>,
    inputs: [FloatTensor<Cube>; N],
    shape: Shape,
    compute: impl Fn([CubeTensor; N]) -> CubeTensor + Send + Sync + 'static,
) -> FloatTensor<Cube> {
    let client = inputs[0].client.clone();
    let inputs = inputs.map(|input| input.into_ir());
    let output = TensorIr::uninit(client.create_empty_handle(), shape, DType::F32);
    let id = output.id;
    let description = CustomOpIr::with_scalars(name, &inputs, &[output], settings);
    let operation = OperationFn(move |handles: &mut Handles| {
        let tensors = inputs
            .each_ref()
            .map(|input| handles.get_float_tensor::<CubeBackend>(input));
        handles.register_float_tensor::<CubeBackend>(&id, compute(tensors));
        Ok(())
    });
    client
        .register(StreamId::current(), OperationIr::Custom(description), operation)
        .remove(0)
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
