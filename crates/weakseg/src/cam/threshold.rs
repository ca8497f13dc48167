//! Where a map ends when a mask is made of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::Stack;

use super::binarise::otsu;

/// The value above which a pixel of a map belongs to its class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a number from 0 to 1, or the word \"otsu\""
)]
pub enum Threshold {
    /// The same for every map, in 0..=1.
    Fixed(f64),
    /// Taken from the map itself.
    Rule(ThresholdRule),
}

/// How a threshold is taken from a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdRule {
    /// Otsu's ([`otsu`]) of each map over its image: neither masks nor labels are asked.
    Otsu,
}

impl Threshold {
    /// [`ThresholdRule::Otsu`].
    pub const OTSU: Self = Self::Rule(ThresholdRule::Otsu);

    /// The number for one map. A constant map has no place to cut, and gets its own value: nothing lies above it.
    pub fn of(self, map: &[f32]) -> f32 {
        match self {
            Self::Fixed(value) => value as f32,
            Self::Rule(ThresholdRule::Otsu) => {
                otsu(map).unwrap_or_else(|| map.first().copied().unwrap_or(0.0))
            }
        }
    }

    /// The number for maps that compete for the pixels, C × H × W: that of the greatest of them at each pixel.
    pub fn of_greatest(self, maps: &Stack<f32>) -> f32 {
        if let Self::Fixed(value) = self {
            return value as f32;
        }
        let mut greatest = vec![f32::NEG_INFINITY; maps.height() * maps.width()];
        for class in 0..maps.channels() {
            for (top, &value) in greatest.iter_mut().zip(maps.plane(class)) {
                *top = top.max(value);
            }
        }
        self.of(&greatest)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => value.fmt(f),
            Self::Rule(ThresholdRule::Otsu) => f.write_str("otsu"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_two_heaps_is_cut_between_them_wherever_they_lie() {
        for (low, high) in [(0.0, 0.1), (0.1, 0.9), (0.7, 0.9)] {
            let map = [[low; 6].as_slice(), &[high; 2]].concat();
            let cut = Threshold::OTSU.of(&map);
            assert!(low < cut && cut < high, "{low} {cut} {high}");
            assert_eq!(Threshold::Fixed(0.3).of(&map), 0.3);
        }
    }

    #[test]
    fn a_constant_map_has_nothing_above() {
        assert_eq!(Threshold::OTSU.of(&[0.4; 3]), 0.4);
        assert_eq!(Threshold::OTSU.of(&[]), 0.0);
    }

    #[test]
    fn maps_that_compete_are_cut_where_the_greatest_of_them_is() {
        // Either alone is cut between 0 and its own peak; the greatest of both is 0.2, 1, 0.8, 0.2.
        let maps = Stack::new(2, 1, 4, vec![0.2, 1.0, 0.0, 0.0, 0.0, 0.0, 0.8, 0.2]).unwrap();
        let cut = Threshold::OTSU.of_greatest(&maps);
        assert!(0.2 < cut && cut < 0.8, "{cut}");
        assert_eq!(Threshold::Fixed(0.3).of_greatest(&maps), 0.3);
    }

    #[test]
    fn written_as_a_number_or_a_word() {
        for (threshold, text) in [
            (Threshold::Fixed(0.25), "0.25"),
            (Threshold::OTSU, "\"otsu\""),
        ] {
            assert_eq!(serde_json::to_string(&threshold).unwrap(), text);
            let read: Threshold = serde_json::from_str(text).unwrap();
            assert_eq!(read, threshold);
            assert_eq!(threshold.to_string(), text.trim_matches('"'));
        }
    }
}
