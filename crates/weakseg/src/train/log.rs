//! `metrics.jsonl`: one JSON line a figure, appended as training goes, cut back to the checkpoint on resuming; and
//! beside it the same figures for TensorBoard.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use weakseg_data::{DataError, atomic};

use super::events::EventFile;
use crate::files::io;

/// One figure of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricLine {
    /// Finished epochs, from 1.
    pub epoch: usize,
    /// Optimizer steps so far.
    pub step: usize,
    /// `train` or `val`.
    pub split: String,
    /// `loss`, `lr`, a term or a metric.
    pub name: String,
    /// The figure.
    pub value: f64,
}

/// The open log of one training.
#[derive(Debug)]
pub struct MetricLog {
    path: PathBuf,
    events: EventFile,
}

impl MetricLog {
    /// The file in a step's folder.
    pub(crate) const FILE: &str = "metrics.jsonl";

    /// Opens the log of `folder` and drops every line after `epochs` finished epochs, which a resumed run writes again.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn open(folder: &Path, epochs: usize) -> Result<Self, DataError> {
        let path = folder.join(Self::FILE);
        let kept: Vec<MetricLine> = Self::read(&path)?
            .into_iter()
            .filter(|l| l.epoch <= epochs)
            .collect();
        let mut text = String::new();
        for line in &kept {
            text.push_str(&json(line));
        }
        atomic::write_durably(&path, text.as_bytes())?;
        let events = EventFile::open(folder, &kept)?;
        Ok(Self { path, events })
    }

    /// Appends figures. A figure that is not a number is left out: JSON has no word for it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(&self, lines: &[MetricLine]) -> Result<(), DataError> {
        let finite = |line: &&MetricLine| line.value.is_finite();
        let lines: Vec<MetricLine> = lines.iter().filter(finite).cloned().collect();
        let text: String = lines.iter().map(json).collect();
        std::fs::OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(io(&self.path, "append to"))?;
        self.events.add(&lines)
    }

    /// What it holds so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lines(&self) -> Result<Vec<MetricLine>, DataError> {
        Self::read(&self.path)
    }

    /// Reads a log; a file that is not there is an empty one, a last line that was cut short is dropped.
    ///
    /// # Errors
    /// When the file cannot be read, and [`DataError::Unreadable`] for any other line that is no figure.
    pub fn read(path: &Path) -> Result<Vec<MetricLine>, DataError> {
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(path).map_err(io(path, "read"))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let figure = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| DataError::Unreadable {
                path: path.to_owned(),
                problem: format!("line {number} is no figure ({error})"),
                remedy: "put the file back, or remove its folder to do its step again".to_owned(),
            })
        };
        (1..).zip(text[..whole].lines()).map(figure).collect()
    }
}

fn json(line: &MetricLine) -> String {
    let mut text = serde_json::to_string(line).expect("plain fields");
    text.push('\n');
    text
}
