//! A data set named on the command line: a configuration, or the folder of a set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use weakseg_data::DataConfig;

use super::run::Layers;
use crate::args::Settings;
use crate::base;
use crate::exit::usage;

/// The set, and the folder that its relative paths start from.
///
/// # Errors
/// [`crate::exit::Usage`] for a folder that is no set, or with layers of a configuration; those of the configuration.
pub fn open(set: &Path, layers: &Layers, settings: &Settings) -> Result<(DataConfig, PathBuf)> {
    if !set.is_dir() {
        return Ok((layers.load(set, settings)?.data, base::of(set)?));
    }
    if layers.are_given() {
        return usage(format!(
            "{} is a folder; --preset and --set are layers of a configuration, name one",
            set.display()
        ));
    }
    Ok((kind_of(set)?, set.to_owned()))
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
