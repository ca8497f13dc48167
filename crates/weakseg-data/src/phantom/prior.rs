//! The mean lung fields of many phantoms: where lungs lie in a frontal chest X-ray, known before any image is seen.

use super::Side;
use super::anatomy::Anatomy;
use super::chance::{Chance, Stream};
use super::pose::Pose;
use crate::Plane;

/// Phantoms that are averaged.
const BODIES: u64 = 100;

/// The share of 100 phantoms whose lung fields cover a pixel, 0..=1, on a grid of `size` × `size`.
#[must_use]
pub fn mean_lungs(size: usize) -> Plane<f32> {
    let mut mean = Plane::filled(size, size, 0.0);
    for index in 0..BODIES {
        let anatomy = Anatomy::draw(&mut Chance::new(0, index, Stream::Build), 0.0);
        let pose = Pose::draw(&mut Chance::new(0, index, Stream::Pose), size);
        for row in 0..size {
            for column in 0..size {
                let (x, y) = pose.to_body(row, column);
                let side = if x < anatomy.shift {
                    Side::Right
                } else {
                    Side::Left
                };
                if anatomy.lung(side).in_field(x * side.sign(), y) {
                    mean.set(row, column, mean.get(row, column) + 1.0 / BODIES as f32);
                }
            }
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lungs_lie_on_both_sides_of_the_midline() {
        let mean = mean_lungs(40);
        assert!(mean.as_slice().iter().all(|v| (0.0..=1.001).contains(v)));
        assert!(mean.get(16, 11) > 0.9 && mean.get(16, 28) > 0.9);
        assert!(mean.get(16, 20) < 0.1 && mean.get(38, 10) < 0.1 && mean.get(0, 10) < 0.1);
    }
}
