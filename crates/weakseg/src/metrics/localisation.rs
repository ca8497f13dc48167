//! Scoring a map against boxes: does it point at the finding, and how large does it think the finding is?

use weakseg_data::Plane;
use weakseg_data::components::{self, Connectivity};

use super::{MetricError, same_length};

/// An axis-aligned box in pixels: it covers `x..x + width` and `y..y + height`, pixel `(i, j)` being the unit square
/// with its corner at `(i, j)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rectangle {
    /// Whether the centre of a pixel lies inside.
    pub fn contains_pixel(&self, y: usize, x: usize) -> bool {
        let (cy, cx) = (y as f64 + 0.5, x as f64 + 0.5);
        cx >= self.x && cx < self.x + self.width && cy >= self.y && cy < self.y + self.height
    }

    /// Intersection over union of two boxes, in `0.0..=1.0`; 0 for two boxes without area.
    pub fn iou(&self, other: &Self) -> f64 {
        let overlap = |a: f64, la: f64, b: f64, lb: f64| ((a + la).min(b + lb) - a.max(b)).max(0.0);
        let both = overlap(self.x, self.width, other.x, other.width)
            * overlap(self.y, self.height, other.y, other.height);
        let union = self.width * self.height + other.width * other.height - both;
        if union > 0.0 { both / union } else { 0.0 }
    }
}

/// Pointing game: whether the map's maximum lies inside one of the boxes of its finding (Zhang et al. 2018, without the
/// tolerance margin).
///
/// `map` is row-major `height` × `width`. Where several pixels share the maximum, the result is the share of them
/// inside: what choosing one by lot would score on average. A constant map points nowhere and scores 0. `None` where
/// there is no box to hit.
///
/// # Errors
/// If the map's length is not `height · width` or a value is not finite.
pub fn pointing_hit(
    map: &[f32],
    height: usize,
    width: usize,
    boxes: &[Rectangle],
) -> Result<Option<f64>, MetricError> {
    same_length("map", height * width, map.len())?;
    let (low, high) = range(map)?;
    if boxes.is_empty() {
        return Ok(None);
    }
    if low >= high {
        return Ok(Some(0.0));
    }
    let peaks = map
        .iter()
        .enumerate()
        .filter(|(_, v)| **v == high)
        .map(|(i, _)| (i / width, i % width));
    let (inside, all) = peaks.fold((0u64, 0u64), |(inside, all), (y, x)| {
        (
            inside + u64::from(boxes.iter().any(|b| b.contains_pixel(y, x))),
            all + 1,
        )
    });
    Ok(super::ratio(inside, all))
}

/// IoU of the map's own box with the best fitting of `boxes`.
///
/// The map's box surrounds the largest 8-connected component of the pixels strictly above `threshold`. 0 where no pixel
/// is above it, `None` where there is no box to compare with.
///
/// # Errors
/// If the map's length is not `height · width` or a value is not finite.
pub fn box_iou(
    map: &[f32],
    height: usize,
    width: usize,
    threshold: f32,
    boxes: &[Rectangle],
) -> Result<Option<f64>, MetricError> {
    let found = largest_box(map, height, width, threshold)?;
    Ok(boxes
        .iter()
        .map(|b| found.map_or(0.0, |f| f.iou(b)))
        .max_by(f64::total_cmp))
}

/// Bounding box of the largest 8-connected component of the pixels strictly above `threshold`, or `None` if there is
/// no such pixel. Of equally large components the first in reading order is taken.
///
/// # Errors
/// If the map's length is not `height · width` or a value is not finite.
pub fn largest_box(
    map: &[f32],
    height: usize,
    width: usize,
    threshold: f32,
) -> Result<Option<Rectangle>, MetricError> {
    same_length("map", height * width, map.len())?;
    range(map)?;
    let above = Plane::from_fn(height, width, |y, x| {
        u8::from(map[y * width + x] > threshold)
    });
    let (_, regions) = components::label(&above, Connectivity::Eight);
    // The last of equal maxima is what max_by_key takes, hence the reversal.
    let largest = regions.into_iter().rev().max_by_key(|region| region.area);
    Ok(largest.map(|region| {
        let [top, left, bottom, right] = region.bounds.map(|edge| edge as f64);
        Rectangle {
            x: left,
            y: top,
            width: right - left,
            height: bottom - top,
        }
    }))
}

/// Least and greatest value; infinities the wrong way round for an empty map.
fn range(map: &[f32]) -> Result<(f32, f32), MetricError> {
    if let Some(at) = map.iter().position(|v| !v.is_finite()) {
        return Err(MetricError::NotFinite {
            what: "map",
            value: map[at],
            at,
        });
    }
    Ok(map
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| {
            (l.min(v), h.max(v))
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Rectangle {
        Rectangle {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn the_peak_hits_or_misses() {
        let map = [0.0, 0.1, 0.2, 0.0, 0.9, 0.1];
        let hit = |b: &[Rectangle]| pointing_hit(&map, 2, 3, b).unwrap();
        assert_eq!(hit(&[rectangle(1.0, 1.0, 1.0, 1.0)]), Some(1.0));
        assert_eq!(hit(&[rectangle(0.0, 0.0, 3.0, 1.0)]), Some(0.0));
        assert_eq!(
            hit(&[rectangle(0.0, 0.0, 1.0, 1.0), rectangle(1.0, 0.0, 2.0, 2.0)]),
            Some(1.0)
        );
        assert_eq!(hit(&[]), None);
    }

    #[test]
    fn tied_peaks_share_and_flat_maps_miss() {
        let b = [rectangle(0.0, 0.0, 1.0, 1.0)];
        assert_eq!(
            pointing_hit(&[1.0, 1.0, 0.0, 0.0], 2, 2, &b).unwrap(),
            Some(0.5)
        );
        assert_eq!(pointing_hit(&[0.0; 4], 2, 2, &b).unwrap(), Some(0.0));
        assert_eq!(pointing_hit(&[], 0, 0, &b).unwrap(), Some(0.0));
    }

    #[test]
    fn box_of_the_largest_component() {
        #[rustfmt::skip]
        let map = [
            0.9, 0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.6, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.7, 0.0,
            0.0, 0.0, 0.0, 0.8, 0.0,
        ];
        let found = largest_box(&map, 4, 5, 0.5).unwrap().unwrap();
        assert_eq!(found, rectangle(2.0, 1.0, 2.0, 3.0));
        // truth 2x2 at (3,2): both 1x2 = 2, union 6 + 4 - 2
        let truth = rectangle(3.0, 2.0, 2.0, 2.0);
        assert_eq!(box_iou(&map, 4, 5, 0.5, &[truth]).unwrap(), Some(2.0 / 8.0));
        assert_eq!(
            box_iou(&map, 4, 5, 0.5, &[truth, found]).unwrap(),
            Some(1.0)
        );
        assert_eq!(box_iou(&map, 4, 5, 1.0, &[truth]).unwrap(), Some(0.0));
        assert_eq!(box_iou(&map, 4, 5, 0.5, &[]).unwrap(), None);
    }

    #[test]
    fn nan_and_wrong_sizes_are_refused() {
        assert!(matches!(
            pointing_hit(&[0.0, f32::NAN], 1, 2, &[]),
            Err(MetricError::NotFinite { at: 1, .. })
        ));
        assert!(largest_box(&[0.0], 1, 2, 0.5).is_err());
    }

    #[test]
    fn boxes_without_area_have_no_nan() {
        assert_eq!(
            rectangle(0.0, 0.0, 0.0, 0.0).iou(&rectangle(0.0, 0.0, 0.0, 0.0)),
            0.0
        );
    }
}
