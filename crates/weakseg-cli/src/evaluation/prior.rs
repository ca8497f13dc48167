//! The strongest mask that has not seen the image: where the finding lies in the *other* images.
//!
//! A run draws its prior from its training masks. Here there are none, so each image is judged by the mean of the other
//! images' true masks, cut at that of ten heights which overlaps them best.

use anyhow::Result;
use rayon::prelude::*;
use weakseg::metrics::{Confusion, VOID};
use weakseg::progress::Progress;
use weakseg_data::Plane;
use weakseg_data::resize::resize_nearest;

use super::pairs::Pair;
use super::read_all;
use super::reading::Reading;

/// Side of the square grid on which masks are averaged.
const GRID: usize = 128;

/// The counts of each image's truth against the prior of the others.
///
/// # Errors
/// When a true mask cannot be read.
pub fn score(pairs: &[Pair], reading: &Reading, progress: &dyn Progress) -> Result<Vec<Confusion>> {
    let small: Vec<Plane<u8>> = read_all(pairs, progress, "averaging masks", |pair| {
        let truth = reading.truth(&pair.truth)?;
        Ok(resize_nearest(&truth, GRID, GRID).map(|&v| u8::from(v == 1)))
    })?;
    let mut sums = vec![0u32; GRID * GRID];
    for mask in &small {
        sums.iter_mut()
            .zip(mask.as_slice())
            .for_each(|(sum, &v)| *sum += u32::from(v));
    }
    let share = best_share(&sums, &small);
    read_all(pairs, progress, "scoring the prior", |pair| {
        let truth = reading.truth(&pair.truth)?;
        let own = resize_nearest(&truth, GRID, GRID).map(|&v| u32::from(v == 1));
        let others: Vec<u32> = sums
            .iter()
            .zip(own.as_slice())
            .map(|(sum, own)| sum - own)
            .collect();
        let mask = Plane::new(GRID, GRID, cut(&others, share))?;
        let mut confusion = Confusion::new(2);
        confusion.add(
            truth.as_slice(),
            resize_nearest(&mask, truth.height(), truth.width()).as_slice(),
        )?;
        Ok(confusion)
    })
}

/// 1 where a count is above `share` of the largest.
fn cut(counts: &[u32], share: f64) -> Vec<u8> {
    let top = counts.iter().copied().max().unwrap_or(0);
    counts
        .iter()
        .map(|&count| u8::from(f64::from(count) > share * f64::from(top)))
        .collect()
}

/// That of ten heights whose mask has the greatest mean IoU with the masks that are not empty.
fn best_share(sums: &[u32], masks: &[Plane<u8>]) -> f64 {
    let score = |share: f64| -> f64 {
        let prior = cut(sums, share);
        let values: Vec<f64> = masks
            .par_iter()
            .map(|mask| {
                let (mut both, mut either, mut own) = (0u32, 0u32, 0u32);
                for (&m, &p) in mask.as_slice().iter().zip(&prior) {
                    both += u32::from(m & p);
                    either += u32::from(m | p);
                    own += u32::from(m);
                }
                if own == 0 {
                    0.0
                } else {
                    f64::from(both) / f64::from(either)
                }
            })
            .collect();
        values.iter().sum()
    };
    let shares = (0..10).map(|tenth| f64::from(tenth) / 10.0);
    let scored: Vec<(f64, f64)> = shares.map(|share| (score(share), share)).collect();
    scored
        .into_iter()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0.0, |(_, share)| share)
}

const _: () = assert!(VOID != 1, "void pixels must not count as the class");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_follows_the_masks() {
        let mask = |ones: &[usize]| Plane::from_fn(1, 4, |_, x| u8::from(ones.contains(&x)));
        let masks = [mask(&[0]), mask(&[0, 1]), mask(&[0])];
        let sums = [3, 1, 0, 0];
        let share = best_share(&sums, &masks);
        assert_eq!(cut(&sums, share), [1, 0, 0, 0], "cutting at {share}");
        assert_eq!(cut(&[0, 0], 0.5), [0, 0]);
    }
}
