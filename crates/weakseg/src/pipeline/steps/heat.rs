//! [`Heat`]: class maps as they are shown.

use weakseg_data::{Plane, Stack};

use super::ClassMaps;
use super::maps::upsample;

/// The class maps of one case, all divided by the greatest value there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// The classes that have a map, ascending.
    pub classes: Vec<usize>,
    /// One plane for each, of 0..=1, at twice the maps' height and width; each covers the whole image.
    pub maps: Stack<f32>,
}

impl Heat {
    /// That of a case's maps; none without maps.
    pub fn of(maps: &ClassMaps) -> Option<Self> {
        if maps.keys.is_empty() {
            return None;
        }
        let large = upsample(&maps.maps, maps.maps.height() * 2, maps.maps.width() * 2);
        let top = large.as_slice().iter().copied().fold(0.0f32, f32::max);
        let share = |&value: &f32| match top > 0.0 {
            true => (value / top).clamp(0.0, 1.0),
            false => 0.0,
        };
        Some(Self {
            classes: maps.keys.clone(),
            maps: large.map(share),
        })
    }

    /// The greatest of all maps at each place.
    pub fn greatest(&self) -> Plane<f32> {
        let mut plane = self.maps.to_plane(0);
        for class in 1..self.maps.channels() {
            for (value, other) in plane.as_mut_slice().iter_mut().zip(self.maps.plane(class)) {
                *value = value.max(*other);
            }
        }
        plane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat(values: [f32; 2]) -> Option<Heat> {
        let maps = ClassMaps {
            keys: vec![1, 4],
            maps: Stack::new(2, 1, 1, values.to_vec()).expect("two maps"),
            probabilities: Vec::new(),
            size: [8, 8],
        };
        Heat::of(&maps)
    }

    #[test]
    fn the_greatest_of_all_maps_is_1() {
        let found = heat([0.5, 2.0]).expect("two maps");
        assert_eq!(found.classes, [1, 4]);
        assert_eq!(found.maps.as_slice(), [[0.25; 4], [1.0; 4]].concat());
        assert_eq!(found.greatest().as_slice(), [1.0; 4]);
        let nothing = heat([0.0, 0.0]).expect("two maps");
        assert_eq!(nothing.greatest().as_slice(), [0.0; 4]);
    }

    #[test]
    fn without_maps_there_is_no_heat() {
        let none = ClassMaps {
            keys: Vec::new(),
            maps: Stack::filled(0, 1, 1, 0.0),
            probabilities: vec![0.1],
            size: [8, 8],
        };
        assert_eq!(Heat::of(&none), None);
    }
}
