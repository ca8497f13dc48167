//! Instances, IRNet's own task (Ahn, Cho and Kwak 2019, §4; reference §5.6): which pixels belong to one and the same
//! object.
//!
//! IRNet's displacement field says for each cell where the centre of its object lies. [`centroid`] follows it to the
//! end, [`cluster`] gathers the cells that end at one place, and [`detect()`] lets each class map walk from each
//! cluster and cuts the result into instances. Where there are no displacements, each [`connected()`] region is one.
//! [`coco`] writes them for others to read, their masks as run lengths or as [`polygon`]s. How good they are,
//! `metrics::average_precision` says.

pub mod centroid;
pub mod cluster;
pub mod coco;
mod connected;
pub mod detect;
pub mod polygon;
mod region;

pub use connected::connected;
pub use detect::{Evidence, Found, InstanceRule, detect};
pub use region::Region;

use weakseg_data::Stack;
use weakseg_kernels::walk::WalkError;

/// One object of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Index of its class.
    pub class: usize,
    /// The greatest value of its walked map, above 0 and at most 1. It ranks the instances of one image: maps are
    /// divided by their greatest value, so the best instance of every image (of every finding in it) has 1, and scores
    /// of two images cannot be compared. Of a [`connected()`] region it is the mean probability of its pixels.
    pub score: f32,
    /// Its pixels.
    pub region: Region,
}

/// Why instances cannot be found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InstanceError {
    /// Classes and maps of different number.
    #[error("{keys} classes but {maps} class maps; expected one map a class")]
    Keys {
        /// Number of classes.
        keys: usize,
        /// Number of maps.
        maps: usize,
    },
    /// Arrays on different grids.
    #[error(
        "{what}: {}x{} cells (height x width), but the class maps have {}x{}; bring all to one grid",
        found[0], found[1], expected[0], expected[1]
    )]
    Grid {
        /// `edges` or `displacements`.
        what: &'static str,
        /// Height and width of the class maps.
        expected: [usize; 2],
        /// Height and width found.
        found: [usize; 2],
    },
    /// A displacement field that has not two planes.
    #[error("displacements: {found} planes; expected 2, down and to the right")]
    Planes {
        /// Number of planes.
        found: usize,
    },
    /// A value that is no number, or an edge outside 0..=1.
    #[error("{what}: {value} at row {row}, column {column}; expected {expected}")]
    Value {
        /// `class maps`, `edges` or `displacements`.
        what: &'static str,
        /// The value.
        value: f32,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// A setting out of range.
    #[error("{name} is {value}; expected {expected}")]
    Option {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f32,
        /// What would be right.
        expected: &'static str,
    },
    /// The walk.
    #[error(transparent)]
    Walk(#[from] WalkError),
}

/// Refuses a field that has not two planes of finite numbers.
fn check_field(field: &Stack<f32>) -> Result<(), InstanceError> {
    if field.channels() != 2 {
        return Err(InstanceError::Planes {
            found: field.channels(),
        });
    }
    check_values("displacements", field, "a finite number", f32::is_finite)
}

/// Refuses values that are not `right`.
fn check_values(
    what: &'static str,
    values: &Stack<f32>,
    expected: &'static str,
    right: impl Fn(f32) -> bool,
) -> Result<(), InstanceError> {
    let (height, width) = (values.height(), values.width());
    match values.as_slice().iter().position(|&v| !right(v)) {
        None => Ok(()),
        Some(at) => Err(InstanceError::Value {
            what,
            value: values.as_slice()[at],
            row: at % (height * width) / width,
            column: at % width,
            expected,
        }),
    }
}
