//! Batch norms of tensors and their statistics.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};

use super::tensors::{contiguous, tensor, values};
use crate::channels::Channels;
use crate::norm::{BatchNorm, NormOptions, Statistics};

/// Batch norm of contiguous tensors.
pub(super) fn batch_norm<'a>(
    x: &FloatTensor<Flex>,
    gamma: &'a FloatTensor<Flex>,
    beta: &'a FloatTensor<Flex>,
    options: NormOptions,
) -> BatchNorm<'a> {
    BatchNorm {
        sizes: Channels::of(x.shape().dims()),
        gamma: values(gamma),
        beta: values(beta),
        options,
    }
}

/// Batch norm to which a shortcut is added: its ReLU is that of the sum.
pub(super) fn with_relu(epsilon: f64) -> NormOptions {
    NormOptions {
        epsilon,
        relu: true,
    }
}

/// Mean and variance of each channel as tensors, `[C]`.
pub(super) fn statistic_tensors(statistics: &[Statistics]) -> [FloatTensor<Flex>; 2] {
    let values = |which: fn(&Statistics) -> f32| statistics.iter().map(which).collect();
    [
        values(|channel| channel.mean),
        values(|channel| channel.variance),
    ]
    .map(|values| tensor(values, &[statistics.len()]))
}

/// What [`statistic_tensors`] made tensors of.
pub(super) fn statistics(
    mean: &FloatTensor<Flex>,
    variance: &FloatTensor<Flex>,
) -> Vec<Statistics> {
    let (mean, variance) = (contiguous(mean), contiguous(variance));
    let pairs = values(&mean).iter().zip(values(&variance));
    let channel = |(&mean, &variance)| Statistics { mean, variance };
    pairs.map(channel).collect()
}
