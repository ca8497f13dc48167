//! Networks to files and back.

use std::io::Write;
use std::path::Path;

use burn::module::Module;
use serde_json::Value;

use super::contents::{WeightsFile, WeightsFormat, detect};
use super::names::host_tensors;
use super::naming::{Names, to_theirs};
use super::{LoadReport, Metadata, WeightsError, stored};

/// Writes a network's parameters and buffers as f32, atomically: into a temporary sibling, synced,
/// then renamed, and the folder synced. The same weights and metadata give the same bytes. The header holds the SHA-256
/// of the numbers, which reading compares.
///
/// # Errors
/// [`WeightsError::Diverged`] if a value is not finite, [`WeightsError::Write`].
pub fn save_safetensors<M: Module>(
    module: &M,
    path: &Path,
    metadata: &Metadata,
) -> Result<(), WeightsError> {
    let metadata = serde_json::to_value(metadata).map_err(|e| write_error(path, e.into()))?;
    save(module, path, Some(metadata), None)
}

/// Writes a network with the names of a library, as [`save_safetensors`] does, so that it loads the
/// file with `strict=True`; with our own names where none is given. `metadata` is left out where
/// nobody knows which input the weights expect.
///
/// PyTorch's counters `num_batches_tracked` are not written: its `BatchNorm` makes them anew when it
/// loads a plain dictionary.
///
/// # Errors
/// [`WeightsError::Names`] if the library has no such network; else as [`save_safetensors`].
pub fn export_safetensors<M: Module>(
    module: &M,
    path: &Path,
    metadata: Option<&Metadata>,
    names: Option<Names>,
) -> Result<(), WeightsError> {
    let metadata = metadata.map(serde_json::to_value).transpose();
    let metadata = metadata.map_err(|e| write_error(path, e.into()))?;
    save(module, path, metadata, names)
}

fn save<M: Module>(
    module: &M,
    path: &Path,
    metadata: Option<Value>,
    names: Option<Names>,
) -> Result<(), WeightsError> {
    let mut tensors = host_tensors(module);
    if let Some((key, _)) = tensors
        .iter()
        .find(|(_, tensor)| tensor.not_finite().is_some())
    {
        return Err(WeightsError::Diverged {
            path: path.to_owned(),
            key: key.clone(),
        });
    }
    if let Some(names) = names {
        tensors = to_theirs(tensors, names).map_err(|reason| WeightsError::Names { reason })?;
    }
    let bytes = stored::serialise(&tensors, metadata)
        .map_err(|e| write_error(path, std::io::Error::other(e)))?;
    write_atomically(path, &bytes).map_err(|e| write_error(path, e))
}

fn write_error(path: &Path, source: std::io::Error) -> WeightsError {
    WeightsError::Write {
        path: path.to_owned(),
        source,
    }
}

/// As `weakseg-data` writes, which this crate does not know: bytes and then the folder's entry are synced.
fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    // As other programs would make it: who may read, the user's mask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    std::fs::create_dir_all(folder)?;
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Loads a file that fits the network key by key; what else [`WeightsFile`] reads is taken as well.
///
/// # Errors
/// [`WeightsError::Mismatch`] with the full report if a key is missing, unused or of another
/// shape; see [`WeightsFile::read`] for the others.
pub fn load_safetensors<M: Module>(
    module: M,
    path: &Path,
) -> Result<(M, LoadReport), WeightsError> {
    WeightsFile::read(path)?.load_into(module)
}

/// What a file written by weakseg says about itself.
///
/// # Errors
/// If the file cannot be read or is no sound safetensors file; [`WeightsError::NoMetadata`] if
/// somebody else wrote it.
pub fn read_metadata(path: &Path) -> Result<Metadata, WeightsError> {
    let safetensors = detect(path)? == WeightsFormat::Safetensors;
    match safetensors
        .then(|| stored::read_info(path))
        .transpose()?
        .flatten()
    {
        Some(info) if info.get("arch").is_some() => {
            serde_json::from_value(info).map_err(|e| WeightsError::format(path, e))
        }
        _ => Err(WeightsError::NoMetadata {
            path: path.to_owned(),
        }),
    }
}
