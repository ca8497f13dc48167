//! The strongest mask that has not seen the image: where the finding lies in other images.
//!
//! What a score is worth is its distance from the best prediction that needs no network; of those that are not constant
//! this is one. Masks hold 0 and 1 and are brought to one grid first.

use rayon::prelude::*;
use weakseg_data::Plane;

use super::Overlap;

/// Side of the square grid on which masks are averaged.
pub const GRID: usize = 128;

/// How many of some masks, [`GRID`] × [`GRID`] each, have each pixel.
///
/// # Panics
/// If a mask has another size.
pub fn counts(masks: &[Plane<u8>]) -> Plane<u32> {
    let mut counts = Plane::filled(GRID, GRID, 0u32);
    for mask in masks {
        assert_eq!([mask.height(), mask.width()], [GRID; 2], "the prior's grid");
        for (count, &pixel) in counts.as_mut_slice().iter_mut().zip(mask.as_slice()) {
            *count += u32::from(pixel);
        }
    }
    counts
}

/// 1 where a count is above `share` of the largest.
pub fn cut(counts: &Plane<u32>, share: f64) -> Plane<u8> {
    let top = counts.as_slice().iter().copied().max().unwrap_or(0);
    counts.map(|&count| u8::from(f64::from(count) > share * f64::from(top)))
}

/// The counts as a map that is above one half where [`cut`] at this share is 1: the same baseline for scores that cut a
/// map themselves.
pub fn map(counts: &Plane<u32>, share: f64) -> Plane<f32> {
    let top = f64::from(counts.as_slice().iter().copied().max().unwrap_or(0).max(1));
    // Shares of the largest, moved so that the cut lies at one half; counts are whole, so that nothing but the cut
    // itself is there.
    counts.map(|&count| (0.5 + (f64::from(count) / top - share) / 2.0) as f32)
}

/// That of the shares 0, 0.1 … 0.9 whose [`cut`] has the greatest mean IoU with those of the masks that are not empty.
pub fn best_share(counts: &Plane<u32>, masks: &[Plane<u8>]) -> f64 {
    let score = |share: f64| -> f64 {
        let prior = cut(counts, share);
        let values: Vec<f64> = masks
            .par_iter()
            .map(|mask| {
                let overlap = Overlap::of(prior.as_slice(), mask.as_slice())
                    .expect("zeros and ones on one grid");
                f64::from(u8::from(overlap.is_positive())) * overlap.iou()
            })
            .collect();
        values.iter().sum()
    };
    (0..10)
        .map(|tenth| f64::from(tenth) / 10.0)
        .map(|share| (score(share), share))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0.0, |(_, share)| share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_follows_the_masks() {
        let mask = |ones: &[usize]| {
            Plane::from_fn(GRID, GRID, |y, x| u8::from(y == 0 && ones.contains(&x)))
        };
        let masks = [mask(&[0]), mask(&[0, 1]), mask(&[0]), mask(&[])];
        let counts = counts(&masks);
        assert_eq!(&counts.as_slice()[..3], [3, 1, 0]);
        let share = best_share(&counts, &masks);
        assert_eq!(cut(&counts, share), mask(&[0]), "cutting at {share}");
        assert_eq!(cut(&counts, 0.0), mask(&[0, 1]));
        assert_eq!(cut(&super::counts(&[]), 0.5), mask(&[]));
        for share in [0.0, 0.3, share, 0.9] {
            let above = map(&counts, share).map(|&v| u8::from(v > 0.5));
            assert_eq!(above, cut(&counts, share), "{share}");
        }
    }
}
