//! Starting a network from a pretrained trunk.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::apply::{apply, compare};
use super::contents::WeightsFile;
use super::host_tensor::HostTensor;
use super::names::parameters;
use super::{LoadReport, WeightsError};

/// The order of the colours in the images the weights were trained on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// torchvision, timm, smp.
    #[default]
    Rgb,
    /// Caffe: the first convolution's input channels are swapped on import, because we feed RGB.
    Bgr,
}

/// Loads a trunk's weights under torchvision's names (`features.0.weight`, `conv1.weight`, …) into
/// a classifier, an IRNet or a segmentation network (where the same keys carry `encoder.` or
/// `backbone.`). The trunk must be whole; everything else of the network keeps its values and is
/// not reported, and so is the file's own classifier (`classifier.…`, `fc.…`).
///
/// The caller must feed images with the normalisation that belongs to the file, for the original
/// VGG16 weights [`Normalisation::CAFFE`](super::Normalisation::CAFFE).
///
/// # Errors
/// [`WeightsError::Mismatch`] if a key of the trunk is missing, of another shape, or the file has
/// trunk keys the network lacks (VGG16-BN into VGG16; but `layer4` is left out where the network ends before it);
/// otherwise as [`WeightsFile::read`].
pub fn import_trunk<M: Module>(
    module: M,
    path: &Path,
    order: ChannelOrder,
) -> Result<(M, LoadReport), WeightsError> {
    let prefix = trunk_prefix(&module);
    let file = WeightsFile::read(path)?;
    let mut notes = file.notes().to_vec();
    let mut tensors: BTreeMap<String, HostTensor> = file
        .into_tensors()
        .into_iter()
        .filter(|(key, _)| is_trunk_key(key))
        .map(|(key, tensor)| (format!("{prefix}{key}"), tensor))
        .collect();
    if order == ChannelOrder::Bgr {
        for first in ["features.0.weight", "conv1.weight", "layer0.conv1.weight"] {
            if let Some(tensor) = tensors.get_mut(&format!("{prefix}{first}")) {
                swap_red_and_blue(tensor);
            }
        }
    }
    // A classifier may be built without its last stage (`stages = 4`).
    let last = format!("{prefix}layer4.");
    if !parameters(&module)
        .iter()
        .any(|p| p.name.starts_with(&last))
    {
        let before = tensors.len();
        tensors.retain(|key, _| !key.starts_with(&last));
        if tensors.len() < before {
            notes.push("layer4 was left out: the network ends before it".to_owned());
        }
    }
    let mut report = compare(&module, &tensors);
    report.notes = notes;
    let of_trunk = |key: &str| key.strip_prefix(prefix).is_some_and(is_trunk_key);
    report.missing.retain(|key| of_trunk(key));
    if !report.is_complete() {
        return Err(WeightsError::Mismatch {
            path: path.to_owned(),
            report: Box::new(report),
        });
    }
    let (module, _) = apply(module, tensors);
    Ok((module, report))
}

/// What a network puts before its trunk's keys.
fn trunk_prefix<M: Module>(module: &M) -> &'static str {
    let parameters = parameters(module);
    ["encoder.", "backbone."]
        .into_iter()
        .find(|prefix| parameters.iter().any(|p| p.name.starts_with(prefix)))
        .unwrap_or("")
}

fn is_trunk_key(key: &str) -> bool {
    let first = key.split('.').next().unwrap_or(key);
    matches!(
        first,
        "features" | "conv1" | "bn1" | "layer0" | "layer1" | "layer2" | "layer3" | "layer4"
    )
}

/// Reverses the input channels of a `[O, 3, kh, kw]` kernel.
fn swap_red_and_blue(kernel: &mut HostTensor) {
    let &[_, 3, height, width] = kernel.shape.as_slice() else {
        return;
    };
    let plane = height * width;
    for filter in kernel.values.chunks_exact_mut(3 * plane) {
        let (red, rest) = filter.split_at_mut(2 * plane);
        red[..plane].swap_with_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_reverses_the_input_channels() {
        let mut kernel = HostTensor {
            shape: vec![2, 3, 1, 2],
            values: (0..12).map(|v| v as f32).collect(),
        };
        swap_red_and_blue(&mut kernel);
        let expected = [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7].map(|v| v as f32);
        assert_eq!(kernel.values, expected);
    }
}
