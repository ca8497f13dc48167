//! The strongest mask that has not seen the image: where the finding lies in the *other* images.
//!
//! A run draws its prior from its training masks. Here there are none, so each image is judged by the mean of the other
//! images' true masks, cut at that of ten heights which overlaps them best.

use anyhow::Result;
use weakseg::metrics::Confusion;
use weakseg::metrics::prior::{GRID, best_share, counts, cut};
use weakseg::progress::Progress;
use weakseg_data::resize::resize_nearest;
use weakseg_data::{Plane, VOID};

use super::pairs::Pair;
use super::read_all;
use super::reading::Reading;

/// The counts of each image's truth against the prior of the others.
///
/// # Errors
/// When a true mask cannot be read.
pub fn score(pairs: &[Pair], reading: &Reading, progress: &dyn Progress) -> Result<Vec<Confusion>> {
    let small: Vec<Plane<u8>> = read_all(pairs, progress, "averaging masks", |pair| {
        let truth = reading.truth(&pair.truth)?;
        Ok(resize_nearest(&truth, GRID, GRID).map(|&v| u8::from(v == 1)))
    })?;
    let all = counts(&small);
    let share = best_share(&all, &small);
    read_all(pairs, progress, "scoring the prior", |pair| {
        let truth = reading.truth(&pair.truth)?;
        let own = resize_nearest(&truth, GRID, GRID);
        let others = Plane::from_fn(GRID, GRID, |y, x| {
            all.get(y, x) - u32::from(own.get(y, x) == 1)
        });
        let mask = cut(&others, share);
        let mut confusion = Confusion::new(2);
        confusion.add(
            truth.as_slice(),
            resize_nearest(&mask, truth.height(), truth.width()).as_slice(),
        )?;
        Ok(confusion)
    })
}

const _: () = assert!(VOID != 1, "void pixels must not count as the class");
