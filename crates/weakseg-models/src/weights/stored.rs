//! The bytes of a safetensors file: reading, writing, and the digest of its numbers.
//!
//! The format has no checksum. Files that we write carry the SHA-256 of their data section in the header, inside the
//! JSON under our one metadata key, and it is compared when such a file is read.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::contents::{COUNTER, Contents};
use super::host_tensor::HostTensor;
use super::{Metadata, WeightsError};

/// Field of our metadata.
const DIGEST: &str = "data_sha256";

/// The longest header that the format allows.
const HEADER: u64 = 100_000_000;

/// Stands in the header while the digest is not known; as long as it.
const PLACEHOLDER: &str = "????????????????????????????????????????????????????????????????";

/// Every float tensor of a file as f32, checked to be finite; PyTorch's counters left out.
pub(super) fn read(path: &Path) -> Result<Contents, WeightsError> {
    let bytes = fs::read(path).map_err(|e| WeightsError::read(path, e))?;
    let (header, info) =
        SafeTensors::read_metadata(&bytes).map_err(|e| WeightsError::format(path, e))?;
    let info = info.metadata().as_ref().and_then(|m| m.get(Metadata::KEY));
    let written = info.and_then(|json| digest_in(json));
    let file = SafeTensors::deserialize(&bytes).map_err(|e| WeightsError::format(path, e))?;
    let (digest, tensors) = rayon::join(
        || written.as_ref().map(|_| sha256(&bytes[header + 8..])),
        || tensors(path, &file),
    );
    if written != digest {
        return Err(WeightsError::format(
            path,
            format!(
                "the SHA-256 of its numbers is {}, but {} was written: they were changed or damaged since",
                digest.unwrap_or_default(),
                written.unwrap_or_default()
            ),
        ));
    }
    Ok(Contents {
        tensors: tensors?,
        notes: Vec::new(),
    })
}

fn tensors(
    path: &Path,
    file: &SafeTensors<'_>,
) -> Result<BTreeMap<String, HostTensor>, WeightsError> {
    let views: Vec<_> = file
        .iter()
        .filter(|(key, _)| !key.ends_with(COUNTER))
        .collect();
    views
        .into_par_iter()
        .map(|(key, view)| {
            let tensor = HostTensor::from_view(&view).ok_or_else(|| WeightsError::ElementType {
                path: path.to_owned(),
                key: key.to_owned(),
                dtype: format!("{:?}", view.dtype()),
            })?;
            Ok((key.to_owned(), tensor.checked(path, key)?))
        })
        .collect()
}

/// The bytes of a file with `metadata`, an object or nothing, under our key, and the digest in it.
pub(super) fn serialise(
    tensors: &[(String, HostTensor)],
    metadata: Option<Value>,
) -> Result<Vec<u8>, String> {
    let mut metadata = metadata.unwrap_or_else(|| Value::Object(Default::default()));
    metadata[DIGEST] = PLACEHOLDER.into();
    let info = HashMap::from([(Metadata::KEY.to_owned(), metadata.to_string())]);
    let mut bytes = safetensors::serialize(
        tensors.iter().map(|(key, tensor)| (key, tensor)),
        Some(info),
    )
    .map_err(|e| e.to_string())?;
    let (header, _) = SafeTensors::read_metadata(&bytes).map_err(|e| e.to_string())?;
    let digest = sha256(&bytes[header + 8..]);
    let place = bytes[..header + 8]
        .windows(PLACEHOLDER.len())
        .position(|window| window == PLACEHOLDER.as_bytes())
        .ok_or("the header has no place for the digest")?;
    bytes[place..place + PLACEHOLDER.len()].copy_from_slice(digest.as_bytes());
    Ok(bytes)
}

/// Our metadata of a file, as JSON; none if somebody else wrote it. Reads the header alone.
pub(super) fn read_info(path: &Path) -> Result<Option<Value>, WeightsError> {
    let read_error = |e| WeightsError::read(path, e);
    let mut file = fs::File::open(path).map_err(read_error)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|e| WeightsError::format(path, format!("its header is cut off ({e})")))?;
    let length = u64::from_le_bytes(length);
    if length > HEADER {
        return Err(WeightsError::format(
            path,
            "it does not begin with a header of safetensors",
        ));
    }
    let mut header = Vec::new();
    file.take(length)
        .read_to_end(&mut header)
        .map_err(read_error)?;
    if (header.len() as u64) < length {
        return Err(WeightsError::format(path, "its header is cut off"));
    }
    let header: Value =
        serde_json::from_slice(&header).map_err(|e| WeightsError::format(path, e))?;
    header["__metadata__"][Metadata::KEY]
        .as_str()
        .map(serde_json::from_str)
        .transpose()
        .map_err(|e| WeightsError::format(path, e))
}

fn digest_in(json: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    value.get(DIGEST)?.as_str().map(str::to_owned)
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
