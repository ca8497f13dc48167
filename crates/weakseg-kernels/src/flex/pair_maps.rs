//! Sums over the pairs of tensors.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};

use super::tensors::{contiguous, tensor, values};
use crate::instructions::Instructions;
use crate::pairs::PairLabels;
use crate::pairs::sums::{Maps, backward, forward};

/// The sums over all pairs, `[5]`.
pub(super) fn sums_of_pairs(
    edge: &FloatTensor<Flex>,
    displacement: &FloatTensor<Flex>,
    labels: &PairLabels,
) -> FloatTensor<Flex> {
    let (edge, displacement) = (contiguous(edge), contiguous(displacement));
    let maps = Maps {
        edge: values(&edge),
        displacement: values(&displacement),
        labels,
    };
    let sums = forward(Instructions::detect(), &maps);
    tensor(sums.to_vec(), &[sums.len()])
}

/// Gradients of edges and displacements, from those of the sums.
pub(super) fn gradients_of_pairs(
    edge: &FloatTensor<Flex>,
    displacement: &FloatTensor<Flex>,
    labels: &PairLabels,
    output_gradient: &FloatTensor<Flex>,
) -> [FloatTensor<Flex>; 2] {
    let (edge, displacement) = (contiguous(edge), contiguous(displacement));
    let upstream = contiguous(output_gradient);
    let upstream = values(&upstream)
        .try_into()
        .expect("a gradient for each sum");
    let maps = Maps {
        edge: values(&edge),
        displacement: values(&displacement),
        labels,
    };
    let [of_edge, of_displacement] = backward(Instructions::detect(), &maps, upstream);
    [
        tensor(of_edge, &edge.shape()),
        tensor(of_displacement, &displacement.shape()),
    ]
}
