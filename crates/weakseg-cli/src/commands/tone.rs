//! The tone that a model's images had when it was trained.

use std::path::Path;

use anyhow::Result;
use weakseg::config;
use weakseg_data::Tone;

/// The tone given, else that of the run's configuration, else the usual one: a file of weights alone says nothing of it.
pub fn of_model(model: &Path, given: Option<Tone>) -> Result<Tone> {
    let file = model.join("config.toml");
    match given {
        Some(tone) => Ok(tone),
        None if file.is_file() => Ok(config::load(&file, None, &[])?.data.tone()),
        None => Ok(Tone::default()),
    }
}
