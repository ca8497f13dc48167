//! A data set named on the command line: a configuration, or the folder of a set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use weakseg::config;
use weakseg_data::DataConfig;

use crate::exit::usage;

/// The set, and the folder that its relative paths start from.
pub fn open(set: &Path) -> Result<(DataConfig, PathBuf)> {
    if set.is_dir() {
        return Ok((kind_of(set)?, set.to_owned()));
    }
    let base = set.parent().unwrap_or(Path::new("")).to_owned();
    Ok((config::load(set, None, &[])?.data, base))
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
