//! What can be wrong with a report.

use std::path::PathBuf;

/// Why a figure, a report file or a picture was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A figure is NaN or infinite.
    #[error(
        "{row}: {what} is {value}, expected a finite number; leave the row out where the metric is not defined"
    )]
    NotFinite {
        /// The row, by its keys.
        row: String,
        /// `value`, `ci95 low` or `ci95 high`.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// A figure lies outside 0..=1, where every metric of the format lives.
    #[error(
        "{row}: {what} is {value}, expected 0 to 1; a mask stored as 0/255 instead of 0/1 is the usual cause"
    )]
    OutOfRange {
        /// The row, by its keys.
        row: String,
        /// `value`, `ci95 low` or `ci95 high`.
        what: &'static str,
        /// What was given.
        value: f64,
    },
    /// The ends of an interval are swapped.
    #[error("{row}: ci95 is [{low}, {high}], expected the lower end first")]
    Interval {
        /// The row, by its keys.
        row: String,
        /// The end given first.
        low: f64,
        /// The end given second.
        high: f64,
    },
    /// Two rows have the same keys, so a reader could not know which to believe.
    #[error(
        "{row}: given twice; each step, split, image_labels, subset and metric may have one value"
    )]
    Duplicate {
        /// The row, by its keys.
        row: String,
    },
    /// A time is negative, NaN or infinite.
    #[error("timing of step `{step}`: seconds is {seconds}, expected a finite number of 0 or more")]
    Timing {
        /// The step timed.
        step: String,
        /// What was given.
        seconds: f64,
    },
    /// A class has one of the names that mean something else in `subset`.
    #[error("class name `{name}` is taken by the subsets `all`, `pos` and `neg`; rename the class")]
    ReservedClass {
        /// The name of the class.
        name: String,
    },
    /// The file states a format this program does not know.
    #[error(
        "{path}: report format {found}, expected {expected}; read it with the version that wrote it"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What the file states.
        found: u64,
        /// What this program reads.
        expected: u32,
    },
    /// The file is not a report.
    #[error("{path}: not a report: {source}; write it anew: `weakseg run` with --from report")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file could not be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture has a number of channels that is not 1 or 3.
    #[error("picture of {channels} channels, expected 1 (grey) or 3 (RGB)")]
    Channels {
        /// What was given.
        channels: usize,
    },
    /// A map without a pixel was to be laid over a picture.
    #[error(
        "map without a pixel, expected one value or more; leave the map out where a step made none"
    )]
    EmptyMap,
    /// A file could not be written.
    #[error(transparent)]
    Data(#[from] weakseg_data::DataError),
    /// A picture could not be encoded.
    #[error("thumbnail as PNG: {0}")]
    Png(#[from] png::EncodingError),
    /// The page could not be written.
    #[error("report page: {0}")]
    Page(#[from] askama::Error),
}
