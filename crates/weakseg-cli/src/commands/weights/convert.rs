//! `weakseg weights convert`: from any file to safetensors with a library's names.

use std::path::PathBuf;

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;
use serde::Serialize;
use weakseg::progress::Progress;
use weakseg_models::weights::{Names, export_safetensors, read_metadata};

use super::super::output_path::{check_distinct, check_ending};
use super::network::Which;
use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// Write weights as safetensors, with the names that torchvision, timm or segmentation_models_pytorch use.
///
/// Reads safetensors and PyTorch's .pth. Every key must have its place in the network, and the other way round; what is
/// written loads there with strict=True.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg weights convert checkpoint.pth --arch unet-resnet50 --out unet.safetensors
  weakseg weights convert vgg.pth --arch vgg16-bn --names timm --out vgg.safetensors")]
pub struct Convert {
    /// The weights.
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    which: Which,
    /// The file to write.
    #[arg(long, value_name = "OUT.safetensors")]
    out: PathBuf,
    /// Whose names: torchvision, timm or smp. Our own where nothing is said, which are torchvision's and smp's wherever
    /// these have the network.
    #[arg(long, value_name = "LIBRARY")]
    names: Option<Names>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    arch: &'a str,
    out: String,
    names: Option<String>,
    keys: usize,
    notes: &'a [String],
}

impl Convert {
    /// Reads, renames, writes.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("weights convert")?;
        check_distinct(&[&self.input], &[&self.out])?;
        check_ending(&self.out, "safetensors")?;
        let loaded = self.which.load(&self.input, &Device::flex())?;
        let Some(network) = loaded.network else {
            bail!(
                "{} does not fit {}: {}; nothing was written. `weakseg weights verify` lists every key",
                self.input.display(),
                self.which.arch,
                loaded.report
            );
        };
        // What weakseg noted of its own files stays with them.
        let metadata = read_metadata(&self.input).ok();
        export_safetensors(&network, &self.out, metadata.as_ref(), self.names)?;
        let notes = &loaded.report.notes;
        if settings.json {
            return output::json(&Outcome {
                arch: &self.which.arch,
                out: self.out.display().to_string(),
                names: self.names.map(|names| names.to_string()),
                keys: loaded.report.applied.len(),
                notes,
            })
            .map(|()| Done::Whole);
        }
        notes.iter().for_each(|note| settings.ui.note(note));
        output::line(format!(
            "{}: {}, {} keys{}",
            self.out.display(),
            self.which.arch,
            loaded.report.applied.len(),
            self.names
                .map(|names| format!(", {names}'s names"))
                .unwrap_or_default()
        ))?;
        Ok(Done::Whole)
    }
}
