//! Removing regions that are small or unsure.
//!
//! The paper removes "small regions of low confidence" and gives no rule (reference §5.5, §13); this is ours.

use weakseg_data::Plane;
use weakseg_data::components::{self, Connectivity};

/// Removes from a 0/1 mask each 8-connected region that covers less than `min_area` of the image (a share,
/// `0.0..=1.0`), or whose mean of `scores` lies below `min_confidence`. Void pixels (255) stay and belong to no region.
///
/// # Panics
/// If mask and scores differ in size.
pub fn remove_weak_regions(
    mask: &Plane<u8>,
    scores: &Plane<f32>,
    min_area: f32,
    min_confidence: f32,
) -> Plane<u8> {
    assert_eq!(
        (mask.height(), mask.width()),
        (scores.height(), scores.width()),
        "one score a pixel"
    );
    let foreground = mask.map(|&v| u8::from(v == 1));
    let (labels, regions) = components::label(&foreground, Connectivity::Eight);
    let mut sums = vec![0f64; regions.len()];
    for (&label, &score) in labels.as_slice().iter().zip(scores.as_slice()) {
        if label > 0 {
            sums[label as usize - 1] += f64::from(score);
        }
    }
    let weak: Vec<bool> = regions
        .iter()
        .zip(&sums)
        .map(|(region, sum)| {
            let share = region.area as f32 / mask.len() as f32;
            let confidence = (sum / region.area as f64) as f32;
            share < min_area || confidence < min_confidence
        })
        .collect();
    let mut kept = mask.clone();
    for (value, &label) in kept.as_mut_slice().iter_mut().zip(labels.as_slice()) {
        if label > 0 && weak[label as usize - 1] {
            *value = 0;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_and_confidence_limits() {
        #[rustfmt::skip]
        let mask = Plane::new(3, 6, vec![
            1, 1, 0, 0, 0, 1,
            1, 0, 0, 0, 0, 0,
            0, 0, 0, 1, 1, 255,
        ]).unwrap();
        let mut scores = mask.map(|_| 0.9f32);
        scores.set(2, 3, 0.1);
        scores.set(2, 4, 0.4);
        let of = |area, confidence| remove_weak_regions(&mask, &scores, area, confidence);
        assert_eq!(of(0.0, 0.0), mask);
        // areas 3, 1 and 2 of 18
        let by_area = of(2.0 / 18.0, 0.0);
        assert_eq!(
            (
                by_area.get(0, 5),
                by_area.get(0, 0),
                by_area.get(2, 3),
                by_area.get(2, 5)
            ),
            (0, 1, 1, 255)
        );
        // means 0.9, 0.9 and 0.25
        let by_confidence = of(0.0, 0.3);
        assert_eq!(
            (
                by_confidence.get(0, 5),
                by_confidence.get(2, 3),
                by_confidence.get(2, 4)
            ),
            (1, 0, 0)
        );
        assert_eq!(of(0.0, 0.25).get(2, 3), 1);
        assert_eq!(
            of(1.0, 0.0).as_slice().iter().filter(|&&v| v == 1).count(),
            0
        );
    }
}
