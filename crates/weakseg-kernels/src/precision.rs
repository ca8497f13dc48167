//! The arithmetic of convolutions.

use burn::tensor::Device;

use crate::bf16;

/// What was asked to multiply in bf16 cannot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoBf16 {
    /// The processor has no instructions for products of bf16.
    #[error(
        "this processor has no bf16 arithmetic (AVX512-BF16 or AMX-BF16), without which bf16 would be slower than fp32"
    )]
    Processor,
    /// The GPU, or its driver, has no matrix units for bf16.
    #[error("this GPU or its driver offers no matrix products of bf16")]
    Gpu,
}

/// Chooses the arithmetic of this process's convolutions on the CPU, or on all GPUs, whichever `device` is: operands
/// rounded to bf16 with sums in f32, or f32 throughout, which is the default. Tensors are f32 either way.
/// Convolutions for which bf16 does not pay stay f32: on the CPU those of few channels, groups or far dilations, on
/// GPUs those of groups.
///
/// On GPUs the result of a rounded convolution is rounded once more on its way out of the kernel.
///
/// # Errors
/// If the device has no arithmetic for it; nothing is changed then.
pub fn use_bf16(enabled: bool, device: &Device) -> Result<(), NoBf16> {
    if device.clone().inner() == Device::flex() {
        return bf16::choose(enabled).then_some(()).ok_or(NoBf16::Processor);
    }
    #[cfg(feature = "cube")]
    return crate::cube::choose_bf16(enabled, device)
        .then_some(())
        .ok_or(NoBf16::Gpu);
    #[cfg(not(feature = "cube"))]
    Err(NoBf16::Gpu)
}
