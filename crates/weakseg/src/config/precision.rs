//! Arithmetic of the networks.

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_kernels::{NoBf16, use_bf16};

/// How convolutions multiply. Tensors, sums, weights and the optimizer's state are 32-bit floats either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// Operands rounded to bf16: 8 significant bits instead of 24. Refused where the processor has no instructions for
    /// it (AVX512-BF16, AMX-BF16), or the GPU no matrix units.
    Bf16,
}

impl Precision {
    /// Makes it the arithmetic of this process on the CPU, or on GPUs, whichever the device is.
    ///
    /// # Errors
    /// If the device does not have it.
    pub fn choose(self, device: &Device) -> Result<(), NoBf16> {
        use_bf16(self == Self::Bf16, device)
    }
}
