//! CubeCL devices (Vulkan, CUDA): the default bodies, made of the backend's own operations.

use burn::backend::Cube;
use burn::backend::tensor::FloatTensor;

use crate::conv::ConvOptions;
use crate::norm::NormOptions;
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::path::PathIndex;
use crate::pool::PoolOptions;
use crate::route::route_to_kernels;

impl Kernels for Cube {}

route_to_kernels!(Cube);
