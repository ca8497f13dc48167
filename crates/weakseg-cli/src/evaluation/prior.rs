//! The strongest mask that has not seen the image: where each class lies in the *other* images.
//!
//! A run draws its prior from its training masks. Here there are none, so each image is judged by the mean of the other
//! images' true masks, cut at that of ten heights which overlaps them best. Where cuts of several classes overlap the
//! first class wins, as in a run.

use anyhow::Result;
use weakseg::metrics::Confusion;
use weakseg::metrics::prior::{GRID, best_share, counts, cut};
use weakseg::progress::Progress;
use weakseg_data::resize::resize_nearest;
use weakseg_data::{Plane, VOID};

use super::pairs::Pair;
use super::read_all;
use super::reading::Reading;

/// Where a class lies in all images, and the height to cut at.
struct Prior {
    class: u8,
    counts: Plane<u32>,
    share: f64,
}

/// The counts of each image's truth against the prior of the others.
///
/// # Errors
/// When a true mask cannot be read.
pub fn score(pairs: &[Pair], reading: &Reading, progress: &dyn Progress) -> Result<Vec<Confusion>> {
    let small: Vec<Plane<u8>> = read_all(pairs, progress, "averaging masks", |pair| {
        Ok(resize_nearest(&reading.truth(&pair.truth)?, GRID, GRID))
    })?;
    let classes = reading.classes.count();
    // One class at a time: the masks of all would be as many times as large.
    let priors: Vec<Prior> = (1..classes as u8)
        .map(|class| {
            let masks: Vec<Plane<u8>> = small.iter().map(|truth| of_class(truth, class)).collect();
            let counts = counts(&masks);
            let share = best_share(&counts, &masks);
            Prior {
                class,
                counts,
                share,
            }
        })
        .collect();
    drop(small);
    read_all(pairs, progress, "scoring the prior", |pair| {
        let truth = reading.truth(&pair.truth)?;
        let mask = unseen(&priors, &resize_nearest(&truth, GRID, GRID));
        let mut confusion = Confusion::new(classes);
        confusion.add(
            truth.as_slice(),
            resize_nearest(&mask, truth.height(), truth.width()).as_slice(),
        )?;
        Ok(confusion)
    })
}

/// The prior without the image whose truth is `own`.
fn unseen(priors: &[Prior], own: &Plane<u8>) -> Plane<u8> {
    let mut mask = Plane::filled(GRID, GRID, 0);
    for prior in priors {
        let others = Plane::from_fn(GRID, GRID, |y, x| {
            prior.counts.get(y, x) - u32::from(own.get(y, x) == prior.class)
        });
        let cut = cut(&others, prior.share);
        for (pixel, &inside) in mask.as_mut_slice().iter_mut().zip(cut.as_slice()) {
            if inside == 1 && *pixel == 0 {
                *pixel = prior.class;
            }
        }
    }
    mask
}

fn of_class(truth: &Plane<u8>, class: u8) -> Plane<u8> {
    truth.map(|&value| u8::from(value == class))
}

const _: () = assert!(VOID == 255, "void pixels must not count as a class");
