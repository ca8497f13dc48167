//! What a file of weights holds, whatever its format: tensors under the names that our networks use.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::module::Module;

use super::apply::{apply, compare};
use super::host_tensor::HostTensor;
use super::{LoadReport, WeightsError, naming, pytorch, stored};

/// Keys PyTorch writes and nobody reads.
pub(super) const COUNTER: &str = "num_batches_tracked";

/// Tensors as they are read, and what is worth telling of how they were found.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) tensors: BTreeMap<String, HostTensor>,
    pub(super) notes: Vec<String>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightsFormat {
    /// `.safetensors`.
    Safetensors,
    /// `.pth` since PyTorch 1.6, a zip file.
    PytorchZip,
    /// `.pth` from before PyTorch 1.6, a stream of pickles.
    PytorchLegacy,
}

impl WeightsFormat {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::PytorchZip => "PyTorch (zip)",
            Self::PytorchLegacy => "PyTorch (before 1.6)",
        }
    }
}

/// A file of weights, read and checked: every tensor f32 and finite, under the key it has in our networks.
///
/// Reads safetensors and what `torch.save` writes; which of them a file is, its first bytes tell, not its name. The
/// state dict may lie under `state_dict`, `model_state_dict`, `model` or `net`, its keys may carry `module.` in front
/// (`DataParallel`); [`notes`](Self::notes) say what was found. f16, bf16 and f64 become f32. PyTorch's counters
/// `num_batches_tracked` and the auxiliary head of torchvision's DeepLabv3 are left out, other integers are an error.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    format: WeightsFormat,
    contents: Contents,
}

impl WeightsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`WeightsError::Read`]; [`WeightsError::Format`] for anything cut off, changed (where the file has checksums) or
    /// of another kind; [`WeightsError::Global`] if a pickle names what weights are not made of, with nothing run;
    /// [`WeightsError::ElementType`] and [`WeightsError::NotFinite`] by key.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let format = detect(path)?;
        let mut contents = match format {
            WeightsFormat::Safetensors => stored::read(path)?,
            WeightsFormat::PytorchZip => pytorch::read_zip(path)?,
            WeightsFormat::PytorchLegacy => pytorch::read_legacy(path)?,
        };
        naming::to_ours(&mut contents);
        if contents.tensors.is_empty() {
            return Err(WeightsError::format(path, "it holds no tensors".to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            contents,
        })
    }

    /// How it is written.
    pub fn format(&self) -> WeightsFormat {
        self.format
    }

    /// What was found on the way, one line each.
    pub fn notes(&self) -> &[String] {
        &self.contents.notes
    }

    /// Every key with its shape.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let tensors = self.contents.tensors.iter();
        tensors
            .map(|(key, tensor)| (key.clone(), tensor.shape.clone()))
            .collect()
    }

    /// What fits a network and what does not, without changing it.
    pub fn compare<M: Module>(&self, module: &M) -> LoadReport {
        let mut report = compare(module, &self.contents.tensors);
        report.notes.clone_from(&self.contents.notes);
        report
    }

    /// Gives a network every tensor; both must fit key by key.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] with the lists of what is missing, unused or of another shape.
    pub fn load_into<M: Module>(self, module: M) -> Result<(M, LoadReport), WeightsError> {
        let report = self.compare(&module);
        if !report.is_complete() {
            return Err(WeightsError::Mismatch {
                path: self.path,
                report: Box::new(report),
            });
        }
        let (module, _) = apply(module, self.contents.tensors);
        Ok((module, report))
    }

    /// The tensors alone.
    pub(super) fn into_tensors(self) -> BTreeMap<String, HostTensor> {
        self.contents.tensors
    }
}

/// How a file is written, by its first bytes.
pub(super) fn detect(path: &Path) -> Result<WeightsFormat, WeightsError> {
    let read_error = |e| WeightsError::read(path, e);
    // Before it is opened: a pipe would wait for somebody to write.
    if !path.metadata().map_err(read_error)?.is_file() {
        return Err(WeightsError::format(path, "it is no file".to_owned()));
    }
    let mut file = File::open(path).map_err(read_error)?;
    let mut head = Vec::new();
    (&mut file)
        .take(512)
        .read_to_end(&mut head)
        .map_err(read_error)?;
    let reason = match head.as_slice() {
        [] => "it is empty".to_owned(),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => return Ok(WeightsFormat::PytorchZip),
        // A length, then the brace that opens the header. Before the pickles: a length may look like an opcode.
        [_, _, _, _, _, _, 0, 0, b'{', ..] => return Ok(WeightsFormat::Safetensors),
        [0x80, 0..=5, ..] => return Ok(WeightsFormat::PytorchLegacy),
        head if head.get(257..262) == Some(b"ustar") => {
            "it is a tar file, as PyTorch wrote before 0.1.10; open it there and save the state dict again".to_owned()
        }
        head if head.starts_with(b"version https://git-lfs") => {
            "it is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`".to_owned()
        }
        head => {
            let text: String = String::from_utf8_lossy(&head[..head.len().min(24)])
                .chars()
                .map(|c| if c.is_control() { '.' } else { c })
                .collect();
            // Old pickles and hostile ones may be plain text; but not all plain text is one that names something of
            // Python's.
            let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
            if let Err(super::pickle::Refusal::Global(global)) = super::pickle::scan(head)
                && global.chars().all(name)
            {
                return Err(WeightsError::Global {
                    path: path.to_owned(),
                    global,
                });
            }
            format!("neither safetensors nor a PyTorch checkpoint; it begins with `{text}`")
        }
    };
    Err(WeightsError::format(path, reason))
}
