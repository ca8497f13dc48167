//! The report of a run: `report.json` for scripts, tables for the terminal, a page for people.
//!
//! * [`rows`], [`keys`] and [`data`]: every figure with its keys, and what it was measured on.
//! * [`standing`]: what a figure is worth beside the masks that look at no image.
//! * [`instances`]: average precision of objects told apart, beside them.
//! * [`table`] and [`mod@text`]: the step table of the paper, as text and Markdown.
//! * [`curves`] and [`plot`]: training curves and intervals as SVG.
//! * [`colour`], [`figures`], [`mod@legend`] and [`gallery`]: pictures, what their colours mean, and which cases to
//!   show.
//! * [`reading`]: the figures in plain words.
//! * [`html`]: the page that holds all of it.

mod axis;
pub mod colour;
pub mod curves;
pub mod data;
pub mod error;
pub mod figures;
pub mod gallery;
pub mod html;
pub mod instances;
pub mod keys;
pub mod legend;
pub mod plot;
pub mod reading;
pub mod rows;
#[cfg(test)]
mod sample;
pub mod standing;
mod svg;
pub mod table;
pub mod text;

pub use curves::{Curve, Series};
pub use data::{Counts, DataSummary, Skipped, SplitCounts};
pub use error::ReportError;
pub use figures::Picture;
pub use gallery::{CasePictures, CaseScore, GalleryRow, Panel, Role, choose};
pub use html::{ReportInput, RunInfo};
pub use instances::{ClassPrecision, InstanceFigures, SplitPrecision};
pub use keys::{ImageLabels, Metric, Step, Subset};
pub use legend::legend;
pub use rows::{Report, Row, Timing};
pub use table::{Table, tables};
pub use text::{markdown, text};
