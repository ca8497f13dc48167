//! From masks and maps to the rows of the report: of the steps of a run, of predictions that look at no image, and of
//! what anybody predicted.

mod baselines;
mod rows;
mod scores;

pub use baselines::{PriorMask, baseline_rows};
pub use rows::{Who, class_rows, finding_rows, mean_iou_row, precision_of};
pub use scores::{ScoreError, score_boxes, score_masks};
