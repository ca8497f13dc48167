//! Bringing a map to a common range.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the map of one class in one image is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// Negative values to 0, then divided by the maximum + 1e-5, as IRNet does: the maximum m becomes m/(m + 1e-5).
    #[default]
    Max,
    /// (v − min) / (max − min).
    MinMax,
    /// As it is.
    None,
}

/// What IRNet adds to the maximum.
const EPSILON: f32 = 1e-5;

impl Normalise {
    /// Scales a map in place. A map of zeros stays zeros under each of the three; under `MinMax` every constant map
    /// becomes zeros, as it points nowhere.
    pub fn apply(self, map: &mut [f32]) {
        match self {
            Self::Max => {
                let max = map.iter().copied().fold(0.0, f32::max);
                map.iter_mut()
                    .for_each(|v| *v = v.max(0.0) / (max + EPSILON));
            }
            Self::MinMax => {
                let (min, max) = map
                    .iter()
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| {
                        (l.min(v), h.max(v))
                    });
                let range = max - min;
                map.iter_mut()
                    .for_each(|v| *v = if range > 0.0 { (*v - min) / range } else { 0.0 });
            }
            Self::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(how: Normalise, map: &[f32]) -> Vec<f32> {
        let mut map = map.to_vec();
        how.apply(&mut map);
        map
    }

    #[test]
    fn by_hand() {
        assert_eq!(
            of(Normalise::Max, &[-1.0, 0.0, 2.0]),
            [0.0, 0.0, 2.0 / (2.0 + 1e-5)]
        );
        assert_eq!(of(Normalise::MinMax, &[-1.0, 0.0, 3.0]), [0.0, 0.25, 1.0]);
        assert_eq!(of(Normalise::None, &[-1.0, 3.0]), [-1.0, 3.0]);
    }

    #[test]
    fn zeros_stay_zeros() {
        for how in [Normalise::Max, Normalise::MinMax, Normalise::None] {
            assert_eq!(of(how, &[0.0; 3]), [0.0; 3]);
        }
        assert_eq!(of(Normalise::MinMax, &[7.0; 2]), [0.0; 2]);
        assert_eq!(of(Normalise::Max, &[-7.0; 2]), [0.0; 2]);
        assert!(of(Normalise::Max, &[]).is_empty());
    }
}
