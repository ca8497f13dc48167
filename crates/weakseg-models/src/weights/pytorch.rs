//! Reading the checkpoints that `torch.save` writes: zip files, and the stream of pickles from before PyTorch 1.6.
//!
//! Nothing in a file is ever run. `pytorch-reader` interprets the pickle as data; before it does, [`pickle::scan`]
//! refuses names that weights are not made of, and [`archive`] compares the checksums, which PyTorch does not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use pytorch_reader::{PickleValue, PytorchReader, Tensor};
use rayon::prelude::*;

use super::WeightsError;
use super::archive;
use super::contents::{COUNTER, Contents};
use super::host_tensor::HostTensor;
use super::pickle::{self, Refusal};

/// Keys that training scripts put a state dict under.
const NESTED: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];

/// The most bytes from the start of an old checkpoint in which its description must end.
const DESCRIPTION: u64 = 64 << 20;

/// Bytes that tensors may need for each byte of the file: tied weights share one storage, but a few bytes that claim to
/// be repeated a million times are no weights.
const GROWTH: u64 = 4;

/// Reads a zip file of `torch.save`.
pub(super) fn read_zip(path: &Path) -> Result<Contents, WeightsError> {
    let bad = |reason: String| WeightsError::format(path, reason);
    let mut file = File::open(path).map_err(|e| WeightsError::read(path, e))?;
    let entries = archive::entries(&file).map_err(bad)?;
    for entry in entries.iter().filter(|entry| !entry.is_data()) {
        if entry.name.ends_with(".pkl") {
            let bytes = archive::read(&mut file, entry).map_err(bad)?;
            pickle::scan(&bytes).map_err(|r| refuse(path, r))?;
        } else {
            archive::check(&mut file, entry).map_err(bad)?;
        }
    }
    let mut contents = read_state_dict(path)?;
    // After the tensors: an error of theirs names the key, this one only the entry.
    for entry in entries.iter().filter(|entry| entry.is_data()) {
        archive::check(&mut file, entry).map_err(bad)?;
    }
    let unchecked = entries.iter().filter(|e| !e.has_checksum()).count();
    if unchecked > 0 {
        contents.notes.push(format!(
            "{unchecked} entries were written without a checksum, so damage to them cannot be seen"
        ));
    }
    Ok(contents)
}

/// Reads a file of pickles, as PyTorch wrote them before 1.6.
pub(super) fn read_legacy(path: &Path) -> Result<Contents, WeightsError> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(DESCRIPTION).read_to_end(&mut head))
        .map_err(|e| WeightsError::read(path, e))?;
    // Magic number, version, machine, the object, the keys of the storages that follow. A file that is one pickle and
    // nothing else ends after the first.
    let mut rest = head.as_slice();
    for number in 0..5 {
        if number == 1 && rest.is_empty() {
            break;
        }
        let length = pickle::scan(rest).map_err(|r| refuse(path, r))?;
        rest = &rest[length..];
    }
    drop(head);
    let mut contents = read_state_dict(path)?;
    contents
        .notes
        .push("the format from before PyTorch 1.6 has no checksums, so damage to its numbers cannot be seen".to_owned());
    Ok(contents)
}

fn refuse(path: &Path, refusal: Refusal) -> WeightsError {
    match refusal {
        Refusal::Global(global) => WeightsError::Global {
            path: path.to_owned(),
            global,
        },
        Refusal::Malformed(reason) => WeightsError::format(path, reason),
    }
}

fn read_state_dict(path: &Path) -> Result<Contents, WeightsError> {
    let bad = |error: pytorch_reader::PytorchError| WeightsError::format(path, error.to_string());
    let mut notes = Vec::new();
    let root = PytorchReader::read_pickle_data(path, None).map_err(bad)?;
    let PickleValue::Dict(root) = root else {
        return Err(WeightsError::format(
            path,
            "it holds no state dict; save one with torch.save(model.state_dict(), FILE)".to_owned(),
        ));
    };
    let nested = NESTED.into_iter().find_map(|key| match root.get(key) {
        Some(PickleValue::Dict(inner)) => Some((key, inner)),
        _ => None,
    });
    let (reader, entries) = match nested {
        None => (PytorchReader::new(path).map_err(bad)?, &root),
        Some((key, inner)) => {
            let beside = root.keys().filter(|other| *other != key);
            notes.push(format!(
                "the state dict lies under `{key}`{}",
                listed(beside, "; left aside beside it: ")
            ));
            let reader = PytorchReader::with_top_level_key(path, key).map_err(bad)?;
            (reader, inner)
        }
    };
    let others = entries.iter().filter(|(_, value)| !is_tensor(value));
    let others = listed(others.map(|(key, _)| key), "no tensors, left aside: ");
    if !others.is_empty() {
        notes.push(others);
    }

    let tensors: Vec<Tensor> = reader
        .into_tensors()
        .into_values()
        .filter(|tensor| !tensor.name.ends_with(COUNTER))
        .collect();
    check_sizes(path, &tensors)?;
    let tensors = tensors
        .into_par_iter()
        .map(|tensor| read_tensor(path, &tensor).map(|values| (tensor.name, values)))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(Contents { tensors, notes })
}

fn is_tensor(value: &PickleValue) -> bool {
    match value {
        PickleValue::Unsupported(name) => name == "torch.Tensor",
        // Tensors inside are found by their path; what else lies there belongs to no network.
        PickleValue::Dict(_) | PickleValue::List(_) => true,
        _ => false,
    }
}

/// The first few names, behind `lead`; nothing if there are none.
fn listed<'a>(names: impl Iterator<Item = &'a String>, lead: &str) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    match names.as_slice() {
        [] => String::new(),
        few if few.len() <= 6 => format!("{lead}{}", few.join(", ")),
        many => format!("{lead}{} and {} more", many[..5].join(", "), many.len() - 5),
    }
}

/// Before anything is allocated: what the tensors claim to hold, against what the file can.
fn check_sizes(path: &Path, tensors: &[Tensor]) -> Result<(), WeightsError> {
    let file = path
        .metadata()
        .map_err(|e| WeightsError::read(path, e))?
        .len();
    let claimed = tensors.iter().fold(0u64, |total, tensor| {
        total.saturating_add(tensor.byte_len() as u64)
    });
    if claimed > file.saturating_mul(GROWTH) {
        let largest = tensors.iter().max_by_key(|tensor| tensor.byte_len());
        return Err(WeightsError::format(
            path,
            format!(
                "its tensors claim {claimed} bytes, the file has {file} (the largest is {} of shape {:?})",
                largest.map_or("", |tensor| &tensor.name),
                largest.map_or(&[] as &[usize], Tensor::shape)
            ),
        ));
    }
    Ok(())
}

fn read_tensor(path: &Path, tensor: &Tensor) -> Result<HostTensor, WeightsError> {
    if !HostTensor::is_float(tensor.dtype()) {
        return Err(WeightsError::ElementType {
            path: path.to_owned(),
            key: tensor.name.clone(),
            dtype: format!("{:?}", tensor.dtype()),
        });
    }
    let bytes = tensor.read().map_err(|error| {
        if error.raw_os_error().is_some() {
            WeightsError::read(path, error)
        } else {
            WeightsError::format(path, error.to_string())
        }
    })?;
    let values = HostTensor::from_native(tensor.dtype(), tensor.shape(), &bytes)
        .expect("a float, as asked above");
    values.checked(path, &tensor.name)
}
