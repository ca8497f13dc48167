//! The CPU backend.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use crate::conv::ConvOptions;
use crate::ops::{Kernels, NetworkOps};

impl Kernels for Flex {}

impl NetworkOps for Flex {
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
}
