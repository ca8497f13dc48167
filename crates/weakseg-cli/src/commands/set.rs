//! A data set named on the command line: a configuration, or the folder of a set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use weakseg_data::DataConfig;

use super::run::Layers;
use crate::args::Settings;
use crate::base;
use crate::exit::usage;

/// A set that was named.
pub struct OpenSet {
    pub data: DataConfig,
    /// The folder that its relative paths start from.
    pub base: PathBuf,
    /// Ids that may be left out, by the configuration.
    pub allow_skips: usize,
}

/// Reads what names a set.
///
/// # Errors
/// [`crate::exit::Usage`] for a folder that is no set, or with layers of a configuration; those of the configuration.
pub fn open(set: &Path, layers: &Layers, settings: &Settings) -> Result<OpenSet> {
    if !set.is_dir() {
        let config = layers.load(set, settings)?;
        return Ok(OpenSet {
            data: config.data,
            base: base::of(set)?,
            allow_skips: config.evaluate.allow_skips,
        });
    }
    if layers.are_given() {
        return usage(format!(
            "{} is a folder; --preset and --set are layers of a configuration, name one",
            set.display()
        ));
    }
    Ok(OpenSet {
        data: kind_of(set)?,
        base: set.to_owned(),
        allow_skips: 0,
    })
}

/// The kind of set that a folder holds, by its usual files.
fn kind_of(folder: &Path) -> Result<DataConfig> {
    let kind = if folder.join("JPEGImages").is_dir() {
        "voc"
    } else if folder.join("labels.csv").is_file() {
        "table"
    } else if folder.join("train-rle.csv").is_file() {
        "siim"
    } else {
        return usage(format!(
            "{}: neither a voc set (no JPEGImages/) nor a table set (no labels.csv) nor a siim set (no train-rle.csv); \
             name its files in a configuration and verify that",
            folder.display()
        ));
    };
    Ok(serde_json::from_value(
        serde_json::json!({ "kind": kind, "root": "." }),
    )?)
}
