//! A tensor on its way between file and network.

use std::borrow::Cow;
use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::DType;
use safetensors::tensor::{Dtype, TensorView, View};

use super::WeightsError;

/// f32 values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostTensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl HostTensor {
    /// Widens or narrows the file's floats to f32; `None` if they are no floats.
    pub(super) fn from_view(view: &TensorView<'_>) -> Option<Self> {
        let bytes = view.data();
        let values = match view.dtype() {
            Dtype::F32 => read(bytes, f32::from_le_bytes),
            Dtype::F16 => read(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => read(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F64 => read(bytes, |b| f64::from_le_bytes(b) as f32),
            _ => return None,
        };
        Some(Self {
            shape: view.shape().to_vec(),
            values,
        })
    }

    /// Whether PyTorch's element type is a float that we read.
    pub(super) fn is_float(dtype: DType) -> bool {
        matches!(dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64)
    }

    /// As [`from_view`](Self::from_view), for bytes in the machine's own order.
    pub(super) fn from_native(dtype: DType, shape: &[usize], bytes: &[u8]) -> Option<Self> {
        let values = match dtype {
            DType::F32 => read(bytes, f32::from_ne_bytes),
            DType::F16 => read(bytes, |b| f16::from_ne_bytes(b).to_f32()),
            DType::BF16 => read(bytes, |b| bf16::from_ne_bytes(b).to_f32()),
            DType::F64 => read(bytes, |b| f64::from_ne_bytes(b) as f32),
            _ => return None,
        };
        Some(Self {
            shape: shape.to_vec(),
            values,
        })
    }

    /// Itself, if every value is finite; else the error that names file, key and place.
    pub(super) fn checked(self, path: &Path, key: &str) -> Result<Self, WeightsError> {
        match self.not_finite() {
            None => Ok(self),
            Some(index) => Err(WeightsError::NotFinite {
                path: path.to_owned(),
                key: key.to_owned(),
                index,
            }),
        }
    }

    /// Position of the first NaN or infinity.
    pub(super) fn not_finite(&self) -> Option<usize> {
        self.values.iter().position(|value| !value.is_finite())
    }
}

fn read<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&chunk| convert(chunk))
        .collect()
}

impl View for &HostTensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::with_capacity(self.data_len());
        for value in &self.values {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}
