//! CubeCL devices (Vulkan, CUDA): the default bodies, made of the backend's own operations.

use burn::backend::Cube;
use burn::backend::tensor::FloatTensor;

use crate::conv::ConvOptions;
use crate::ops::{Kernels, NetworkOps};
use crate::path::PathIndex;

impl Kernels for Cube {}

impl NetworkOps for Cube {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d_forward(x, weight, None, options)
    }

    fn convolve_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::conv2d_forward(x, weight, Some(bias), options)
    }

    fn pair_affinity(edge: FloatTensor<Self>, paths: PathIndex) -> FloatTensor<Self> {
        Self::path_affinity_forward(edge, &paths)
    }
}
