//! Convolutions whose operands are rounded to bf16.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DType, DTypeUsage, Dispatch, FloatDType};
use burn::tensor::Device;

use super::product::Arithmetic;
use crate::conv::ConvOptions;

static BF16: AtomicBool = AtomicBool::new(false);

/// Whether the convolutions of this process on these devices round their operands, from now on; false, and no change,
/// where it was asked for and the device cannot.
pub fn choose_bf16(enabled: bool, device: &Device) -> bool {
    let usage = Dispatch::dtype_usage(device.as_dispatch(), DType::BF16);
    let possible = !enabled || usage.is_superset(DTypeUsage::Storage | DTypeUsage::Accelerated);
    if possible {
        BF16.store(enabled, Ordering::Relaxed);
    }
    possible
}

/// Whether such a convolution is one of them, where [`super::product`] does not take it. Grouped ones are not: Burn's
/// kernels for them multiply value by value, which gains nothing and is not offered for bf16 by Vulkan.
pub fn serves(options: ConvOptions) -> bool {
    BF16.load(Ordering::Relaxed) && options.groups == 1
}

/// How convolutions of this process multiply.
pub fn arithmetic() -> Arithmetic {
    if BF16.load(Ordering::Relaxed) {
        Arithmetic::Bf16
    } else {
        Arithmetic::F32
    }
}

/// What comes of operands rounded to bf16, as f32. Sums are f32 inside the kernels; the result is rounded once more.
pub fn rounded<B: Backend, const N: usize>(
    operands: [FloatTensor<B>; N],
    product: impl FnOnce([FloatTensor<B>; N]) -> FloatTensor<B>,
) -> FloatTensor<B> {
    let operands = operands.map(|operand| B::float_cast(operand, FloatDType::BF16));
    B::float_cast(product(operands), FloatDType::F32)
}
