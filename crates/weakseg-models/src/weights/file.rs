//! Reading and writing safetensors files.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;

use burn::module::Module;
use safetensors::SafeTensors;

use super::apply::{apply, compare};
use super::host_tensor::HostTensor;
use super::names::host_tensors;
use super::{LoadReport, Metadata, WeightsError};

/// Keys PyTorch writes and nobody reads.
const COUNTER: &str = "num_batches_tracked";

/// Writes a network's parameters and buffers as f32, atomically: into a temporary sibling, synced,
/// then renamed. The same weights and metadata give the same bytes.
///
/// # Errors
/// [`WeightsError::Diverged`] if a value is not finite, [`WeightsError::Write`].
pub fn save_safetensors<M: Module>(
    module: &M,
    path: &Path,
    metadata: &Metadata,
) -> Result<(), WeightsError> {
    let tensors = host_tensors(module);
    if let Some((key, _)) = tensors
        .iter()
        .find(|(_, tensor)| tensor.not_finite().is_some())
    {
        return Err(WeightsError::Diverged {
            path: path.to_owned(),
            key: key.clone(),
        });
    }
    let write_error = |source| WeightsError::Write {
        path: path.to_owned(),
        source,
    };
    let json = serde_json::to_string(metadata).map_err(|e| write_error(e.into()))?;
    let info = HashMap::from([(Metadata::KEY.to_owned(), json)]);
    let bytes = safetensors::serialize(
        tensors.iter().map(|(key, tensor)| (key, tensor)),
        Some(info),
    )
    .map_err(|e| write_error(std::io::Error::other(e.to_string())))?;
    write_atomically(path, &bytes).map_err(write_error)
}

fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Loads a file that fits the network key by key.
///
/// # Errors
/// [`WeightsError::Mismatch`] with the full report if a key is missing, unused or of another
/// shape; see [`load_partial`] for the others.
pub fn load_safetensors<M: Module>(
    module: M,
    path: &Path,
) -> Result<(M, LoadReport), WeightsError> {
    let tensors = read_tensors(path)?;
    let report = compare(&module, &tensors);
    if !report.is_complete() {
        return Err(WeightsError::Mismatch {
            path: path.to_owned(),
            report: Box::new(report),
        });
    }
    Ok(apply(module, tensors))
}

/// Loads whatever fits and reports the rest; the caller decides what may be missing.
///
/// # Errors
/// If the file cannot be read, is no sound safetensors file, or a tensor is not of finite floats.
pub fn load_partial<M: Module>(module: M, path: &Path) -> Result<(M, LoadReport), WeightsError> {
    Ok(apply(module, read_tensors(path)?))
}

/// What a file written by weakseg says about itself.
///
/// # Errors
/// If the file cannot be read or is no sound safetensors file; [`WeightsError::NoMetadata`] if
/// somebody else wrote it.
pub fn read_metadata(path: &Path) -> Result<Metadata, WeightsError> {
    let bytes = read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| format_error(path, e))?;
    let json = header
        .metadata()
        .as_ref()
        .and_then(|info| info.get(Metadata::KEY))
        .ok_or_else(|| WeightsError::NoMetadata {
            path: path.to_owned(),
        })?;
    serde_json::from_str(json).map_err(|e| format_error(path, e))
}

/// Every float tensor of a file as f32, checked to be finite; PyTorch's counters left out.
pub(super) fn read_tensors(path: &Path) -> Result<BTreeMap<String, HostTensor>, WeightsError> {
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| format_error(path, e))?;
    file.iter()
        .filter(|(key, _)| !key.ends_with(COUNTER))
        .map(|(key, view)| {
            let tensor = HostTensor::from_view(&view).ok_or_else(|| WeightsError::ElementType {
                path: path.to_owned(),
                key: key.to_owned(),
                dtype: format!("{:?}", view.dtype()),
            })?;
            match tensor.not_finite() {
                None => Ok((key.to_owned(), tensor)),
                Some(index) => Err(WeightsError::NotFinite {
                    path: path.to_owned(),
                    key: key.to_owned(),
                    index,
                }),
            }
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    fs::read(path).map_err(|source| WeightsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn format_error(path: &Path, reason: impl ToString) -> WeightsError {
    WeightsError::Format {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
