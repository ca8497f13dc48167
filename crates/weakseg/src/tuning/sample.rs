//! Cases for tests.

use weakseg_data::Plane;

use super::{CaseCurves, Curve, Cuts};

/// The cuts of every curve here: the grid's.
pub fn cuts() -> Cuts {
    Cuts::of_scores(&[])
}

/// A case of one finding and of nobody, its image one row of pixels.
pub fn case(
    id: &str,
    positive: bool,
    values: &[f32],
    truth: &[u8],
    probability: f32,
) -> CaseCurves {
    let values = Plane::new(1, values.len(), values.to_vec()).unwrap();
    CaseCurves {
        id: id.to_owned(),
        patient: None,
        positive,
        curves: vec![Curve::new(&values, truth, probability, &cuts(), 0.0).unwrap()],
    }
}
