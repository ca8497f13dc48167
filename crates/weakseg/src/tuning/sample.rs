//! Cases for tests.

use std::sync::Arc;

use weakseg_data::Plane;

use super::{CaseCurves, Curve, Cuts};

/// A case of one finding, its image one row of pixels.
pub fn case(
    id: &str,
    positive: bool,
    values: &[f32],
    truth: &[u8],
    probability: f32,
) -> CaseCurves {
    let values = Plane::new(1, values.len(), values.to_vec()).unwrap();
    let cuts = Arc::new(Cuts::of_scores(&[]));
    CaseCurves {
        id: id.to_owned(),
        positive,
        curves: vec![Curve::new(&values, truth, probability, &cuts, 0.0).unwrap()],
    }
}
