//! From maps to masks.

use weakseg_data::{Plane, Stack};

use crate::metrics::interval;

/// min + f·(max − min) of a map, the threshold of the paper's plain CAM script at f = 0.2; `None` for a constant or
/// empty map, which has no place to cut.
pub fn fraction_of_range(map: &[f32], f: f32) -> Option<f32> {
    let (min, max) = map
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| {
            (l.min(v), h.max(v))
        });
    (min < max).then_some(min + f * (max - min))
}

/// The value below which a share `q` (`0.0..=1.0`) of the map lies, linear between neighbours (as NumPy); `None` for an
/// empty map.
pub fn percentile(map: &[f32], q: f64) -> Option<f32> {
    let mut sorted: Vec<f64> = map.iter().copied().map(f64::from).collect();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| interval::percentile(&sorted, q.clamp(0.0, 1.0)) as f32)
}

/// Otsu's threshold (1979): of 256 bins over the map's range, the cut with the greatest variance between the two sides,
/// as the centre of the last bin below it. `None` for a constant or empty map.
pub fn otsu(map: &[f32]) -> Option<f32> {
    const BINS: usize = 256;
    let low = fraction_of_range(map, 0.0)?;
    let high = fraction_of_range(map, 1.0)?;
    let width = (high - low) / BINS as f32;
    let mut counts = [0u64; BINS];
    for &v in map {
        counts[(((v - low) / width) as usize).min(BINS - 1)] += 1;
    }
    let total = map.len() as f64;
    let sum: f64 = counts
        .iter()
        .enumerate()
        .map(|(bin, &n)| bin as f64 * n as f64)
        .sum();
    let (mut below, mut below_sum, mut best) = (0.0, 0.0, (0usize, -1.0));
    for (bin, &n) in counts.iter().enumerate().take(BINS - 1) {
        below += n as f64;
        below_sum += bin as f64 * n as f64;
        let above = total - below;
        if below > 0.0 && above > 0.0 {
            let distance = below_sum / below - (sum - below_sum) / above;
            let between = below * above * distance * distance;
            if between > best.1 {
                best = (bin, between);
            }
        }
    }
    Some(low + (best.0 as f32 + 0.5) * width)
}

/// 1 where the map lies strictly above the threshold.
pub fn above(map: &Plane<f32>, threshold: f32) -> Plane<u8> {
    map.map(|&v| u8::from(v > threshold))
}

/// The class of the greatest map, k + 1, or 0 where none is above a background of constant value (IRNet's rule): of
/// equal maps the first, and the background before any.
///
/// `maps` is C × H × W with C below 255.
pub fn with_background(maps: &Stack<f32>, background: f32) -> Plane<u8> {
    let (height, width) = (maps.height(), maps.width());
    let mut best = vec![background; height * width];
    let mut labels = vec![0u8; height * width];
    for class in 0..maps.channels().min(254) {
        for ((best, label), &v) in best.iter_mut().zip(&mut labels).zip(maps.plane(class)) {
            if v > *best {
                (*best, *label) = (v, class as u8 + 1);
            }
        }
    }
    Plane::new(height, width, labels).expect("one label a pixel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraction_by_hand() {
        assert_eq!(fraction_of_range(&[1.0, 3.0, 6.0], 0.2), Some(2.0));
        assert_eq!(fraction_of_range(&[2.0, 2.0], 0.2), None);
        assert_eq!(fraction_of_range(&[], 0.2), None);
    }

    #[test]
    fn percentile_by_hand() {
        assert_eq!(percentile(&[4.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(percentile(&[0.0, 10.0], 0.7), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn otsu_separates_two_heaps() {
        let map: Vec<f32> = [vec![0.1; 60], vec![0.12; 20], vec![0.9; 20]].concat();
        let t = otsu(&map).unwrap();
        assert!(
            t > 0.1 && map.iter().filter(|&&v| v > t).count() == 20,
            "{t}"
        );
        assert_eq!(otsu(&[0.3; 5]), None);
    }

    #[test]
    fn background_wins_ties() {
        let maps = Stack::new(2, 1, 4, vec![0.2, 0.5, 0.3, 0.6, 0.1, 0.6, 0.3, 0.6]).unwrap();
        assert_eq!(with_background(&maps, 0.3).as_slice(), [0, 2, 0, 1]);
        assert_eq!(above(&maps.to_plane(0), 0.3).as_slice(), [0, 1, 0, 1]);
        assert_eq!(
            with_background(&Stack::filled(0, 1, 2, 0.0), 0.3).as_slice(),
            [0, 0]
        );
    }
}
