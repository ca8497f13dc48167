//! Sums over pairs: on the CPU.
//!
//! Edges and displacements are small, a quarter of the image's height and width, and their pairs many: as a device's
//! own operations each path of each direction takes a dozen, for hundreds of kernels a step that wait for one another.
//! The CPU's kernels take less than that waiting, and are what the tests hold to the definition.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, DType, Flex, TensorMetadata};
use burn_cubecl::CubeDevice;

use crate::ops::Kernels;
use crate::pairs::{self, PairLabels};

fn to_cpu(tensor: FloatTensor<Cube>) -> FloatTensor<Flex> {
    let data = cubecl::future::block_on(Cube::float_into_data(tensor));
    FloatTensor::<Flex>::from_data(data.expect("a device that gives back what it was given"))
}

fn back<const N: usize>(
    tensors: [FloatTensor<Flex>; N],
    device: &CubeDevice,
) -> [FloatTensor<Cube>; N] {
    tensors.map(|tensor| {
        let data = cubecl::future::block_on(Flex::float_into_data(tensor));
        Cube::float_from_data(data.expect("the CPU's own"), device)
    })
}

/// `[5]`: see [`crate::pair_sums`].
pub fn forward(
    edge: FloatTensor<Cube>,
    displacement: FloatTensor<Cube>,
    labels: &PairLabels,
) -> FloatTensor<Cube> {
    if edge.dtype() != DType::F32 || displacement.dtype() != DType::F32 {
        return pairs::default::forward::<Cube>(edge, displacement, labels);
    }
    let device = edge.device();
    let sums = Flex::pair_sums_forward(to_cpu(edge), to_cpu(displacement), labels);
    let [sums] = back([sums], &device);
    sums
}

/// Gradients with respect to the edges and the displacements.
pub fn backward(
    edge: FloatTensor<Cube>,
    displacement: FloatTensor<Cube>,
    labels: &PairLabels,
    output_gradient: FloatTensor<Cube>,
) -> [FloatTensor<Cube>; 2] {
    if edge.dtype() != DType::F32 || displacement.dtype() != DType::F32 {
        return pairs::default::backward::<Cube>(edge, displacement, labels, output_gradient);
    }
    let device = edge.device();
    let [edge, displacement, upstream] = [edge, displacement, output_gradient].map(to_cpu);
    let gradients = Flex::pair_sums_backward(edge, displacement, labels, upstream);
    back(gradients, &device)
}
