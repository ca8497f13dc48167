//! How a model is shown its images.

use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Result;
use clap::Args;
use weakseg::config;
use weakseg::networks::ModelCard;
use weakseg_data::{Tone, View};

/// How a model is shown its images.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// How grey images become 8 bits: window (as a DICOM file says), percentile (by the image's own range; also of PNGs
    /// with 16 bits) or raw (stored values). By default as the model was trained.
    #[arg(long, value_name = "TONE")]
    tone: Option<Tone>,
    /// The frame of a DICOM file of several, counted from 1. By default as the model was trained.
    #[arg(long, value_name = "N")]
    frame: Option<NonZeroU32>,
}

impl ViewArgs {
    /// What was given, else what a model's file says, else that of the run that the model is or lies in, else the usual:
    /// a file of an earlier version says nothing of it.
    pub fn of_model(&self, model: &Path) -> Result<View> {
        let card = match model.is_file() {
            true => ModelCard::read(model)?.view,
            false => None,
        };
        let usual = match card {
            Some(view) => view,
            None => of_run_around(model)?,
        };
        Ok(View {
            tone: self.tone.unwrap_or(usual.tone),
            frame: self.frame.or(usual.frame),
        })
    }
}

/// As the run that a model is or lies in saw its images; the usual outside of one.
fn of_run_around(model: &Path) -> Result<View> {
    let whole = std::path::absolute(model)?;
    let is_run = |folder: &&Path| folder.join("run.json").is_file();
    Ok(match whole.ancestors().find(is_run) {
        Some(run) => config::load(&run.join("config.toml"), None, &[])?
            .data
            .view(),
        None => View::default(),
    })
}
