//! A dense CRF's numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A dense CRF (Krähenbühl and Koltun 2011) over scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Crf {
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in grey levels, and weight of the bilateral term.
    pub bilateral: [f32; 3],
}

impl Default for Crf {
    fn default() -> Self {
        Self {
            iterations: 10,
            gaussian: [3.0, 3.0],
            bilateral: [50.0, 5.0, 10.0],
        }
    }
}
