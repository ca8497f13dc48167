//! Instances of a finished mask, without displacements.

use weakseg_data::Plane;
use weakseg_data::components::{Connectivity, label};

use super::{Instance, Region};

/// The connected regions of the pixels that are 1 in a class's mask, by sides and corners, in the order in which rows
/// meet them. A region's score is the mean of `probabilities` (of the mask's size) over its pixels.
pub fn connected(class: usize, mask: &Plane<u8>, probabilities: &Plane<f32>) -> Vec<Instance> {
    let present = mask.map(|&value| u8::from(value == 1));
    let (labels, components) = label(&present, Connectivity::Eight);
    let mut sums = vec![0.0_f64; components.len()];
    for (&label, &value) in labels.as_slice().iter().zip(probabilities.as_slice()) {
        if label > 0 {
            sums[label as usize - 1] += f64::from(value);
        }
    }
    let size = [mask.height(), mask.width()];
    let regions = components.iter().zip(sums);
    regions
        .filter_map(|(component, sum)| {
            let [top, left, bottom, right] = component.bounds;
            let own = Plane::from_fn(bottom - top, right - left, |y, x| {
                u8::from(labels.get(top + y, left + x) == component.label)
            });
            Some(Instance {
                class,
                score: (sum / component.area as f64) as f32,
                region: Region::within(size, [top, left], &own)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_that_touch_in_a_corner_are_one_and_others_are_not() {
        // 1 0 0 1
        // 0 1 0 1
        // 0 0 255 0
        let mask = Plane::new(3, 4, vec![1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 255, 0]).unwrap();
        let mut probabilities = Plane::filled(3, 4, 0.1_f32);
        for (y, x, value) in [(0, 0, 0.5), (1, 1, 1.0), (0, 3, 0.75), (1, 3, 0.25)] {
            probabilities.set(y, x, value);
        }
        let found = connected(2, &mask, &probabilities);
        let pixels: Vec<Vec<_>> = found.iter().map(|i| i.region.pixels().collect()).collect();
        assert_eq!(pixels, [[(0, 0), (1, 1)], [(0, 3), (1, 3)]]);
        let scores: Vec<f32> = found.iter().map(|i| i.score).collect();
        assert_eq!(scores, [0.75, 0.5]);
        assert!(
            found
                .iter()
                .all(|i| i.class == 2 && i.region.size() == [3, 4])
        );
    }
}
