//! Scores of masks that anybody made: two folders of index maps, matched by stem; and of [`instances`].
//!
//! Images are read one at a time and only their counts are kept, so that any number of them fits into memory.

mod boxes;
mod findings;
mod instances;
mod pairs;
mod prior;
mod reading;
mod rows;

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use weakseg::metrics::{Bootstrap, Confusion};
use weakseg::progress::Progress;
use weakseg::report::{Row, Step};
use weakseg_data::{MaskResize, Plane, counted};

pub use boxes::score_boxes;
pub use findings::score_findings;
pub use instances::score_instances;
pub use pairs::{Pair, Pairs, finding_folders, png_stems};
pub use reading::{ClassList, Reading, Void};

/// Figures of the judged masks and of the trivial ones beside them.
pub struct Scores {
    /// Rows as in report.json, baselines first.
    pub rows: Vec<Row>,
    /// Images scored: those whose truth is not void everywhere.
    pub images: u64,
    /// Images whose truth is not empty.
    pub positive: u64,
    /// What was odd and could be scored all the same.
    pub warnings: Vec<String>,
}

/// Counts of a folder's masks and of the trivial ones beside them.
struct Counts {
    /// Names of the images whose truth is not void everywhere, ascending.
    stems: Vec<String>,
    /// Of each step, the counts of these images; baselines first, the masks last.
    steps: [(Step, Vec<Confusion>); 4],
    warnings: Vec<String>,
}

/// Scores every pair.
///
/// # Errors
/// Those of [`count`].
pub fn score_masks(
    pairs: &[Pair],
    reading: &Reading,
    resize: Option<MaskResize>,
    bootstrap: &Bootstrap,
    progress: &dyn Progress,
) -> Result<Scores> {
    let counts = count(pairs, reading, resize, progress)?;
    let names = reading.classes.names();
    let mut rows = Vec::new();
    for (step, images) in &counts.steps {
        rows.extend(rows::of_masks(*step, &names, images, bootstrap)?);
    }
    Ok(Scores {
        rows,
        images: counts.stems.len() as u64,
        positive: counts.positive().count() as u64,
        warnings: counts.warnings,
    })
}

impl Counts {
    /// Names of the images whose truth is not empty.
    fn positive(&self) -> impl Iterator<Item = &String> {
        let [.., (_, images)] = &self.steps;
        let shown = images.iter().map(|i| i.truth_pixels(0) < i.total());
        let named = self.stems.iter().zip(shown);
        named.filter(|(_, shown)| *shown).map(|(stem, _)| stem)
    }
}

/// Counts every pair.
///
/// Beside the masks stand the empty mask, the full mask (of several classes, the one with most true pixels everywhere)
/// and the best mask that has not seen the image ([`prior`]).
///
/// # Errors
/// With the path, when a file cannot be read, holds a value that is no class, or two of a pair differ in size and no
/// way is given to bring the prediction to that of the truth; when all truth is void.
fn count(
    pairs: &[Pair],
    reading: &Reading,
    resize: Option<MaskResize>,
    progress: &dyn Progress,
) -> Result<Counts> {
    let classes = reading.classes.count();
    let resized = AtomicUsize::new(0);
    let images: Vec<Confusion> = read_all(pairs, progress, "comparing masks", |pair| {
        let truth = reading.truth(&pair.truth)?;
        let pred = reading.pred(&pair.pred)?;
        resized.fetch_add(usize::from(!alike(&pred, &truth)), Ordering::Relaxed);
        let pred = fitted(pred, &truth, pair, resize)?;
        let mut confusion = Confusion::new(classes);
        confusion
            .add(truth.as_slice(), pred.as_slice())
            .with_context(|| format!("{} against {}", pair.pred.display(), pair.truth.display()))?;
        Ok(confusion)
    })?;
    let mut warnings = Vec::new();
    match resized.into_inner() {
        0 => {}
        count => warnings.push(format!(
            "brought to the size of its truth: {}",
            counted(count, "prediction")
        )),
    }
    let scored: Vec<Pair> = pairs
        .iter()
        .zip(&images)
        .filter(|(_, image)| image.total() > 0)
        .map(|(pair, _)| pair.clone())
        .collect();
    match pairs.len() - scored.len() {
        0 => {}
        void if scored.is_empty() => bail!(
            "all true masks ({void}) are void everywhere; there is nothing to score by (--void VALUE says what is void)"
        ),
        void => warnings.push(format!(
            "not scored, for it is void everywhere: {}",
            counted(void, "true mask")
        )),
    }
    let images: Vec<Confusion> = images.into_iter().filter(|i| i.total() > 0).collect();
    let constant = |class: u8| {
        images
            .iter()
            .map(|image| of_constant(image, class))
            .collect::<Vec<_>>()
    };
    let mut pooled = Confusion::new(classes);
    for image in &images {
        pooled.merge(image)?;
    }
    let largest = pooled.largest_class() as u8;

    Ok(Counts {
        stems: scored.iter().map(|pair| stem(&pair.truth)).collect(),
        steps: [
            (Step::BaselineEmpty, constant(0)),
            (Step::BaselineFull, constant(largest)),
            (
                Step::BaselinePrior,
                prior::score(&scored, reading, progress)?,
            ),
            (Step::Segmentation, images),
        ],
        warnings,
    })
}

/// The counts of an image's truth against one class everywhere.
fn of_constant(image: &Confusion, class: u8) -> Confusion {
    let mut counts = Confusion::new(image.classes());
    for truth in 0..image.classes() {
        let pixels = image.truth_pixels(truth) as usize;
        counts
            .add(&vec![truth as u8; pixels], &vec![class; pixels])
            .expect("both are classes of the matrix");
    }
    counts
}

fn alike(pred: &Plane<u8>, truth: &Plane<u8>) -> bool {
    (pred.height(), pred.width()) == (truth.height(), truth.width())
}

/// The prediction of a pair at the size of its truth.
fn fitted(
    pred: Plane<u8>,
    truth: &Plane<u8>,
    pair: &Pair,
    resize: Option<MaskResize>,
) -> Result<Plane<u8>> {
    match resize {
        _ if alike(&pred, truth) => Ok(pred),
        Some(resize) => Ok(resize.apply(&pred, truth.height(), truth.width())),
        None => bail!(
            "{}: the prediction is {}x{} (height x width), the truth {} is {}x{}; save predictions at the size of the truth, \
             or give --resize-masks nearest",
            pair.pred.display(),
            pred.height(),
            pred.width(),
            pair.truth.display(),
            truth.height(),
            truth.width()
        ),
    }
}

/// Works on all pairs in parallel; the order of the results is that of the pairs.
fn read_all<T: Send>(
    pairs: &[Pair],
    progress: &dyn Progress,
    what: &str,
    work: impl Fn(&Pair) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    progress.begin(what, pairs.len() as u64);
    let done = AtomicU64::new(0);
    let results = pairs
        .par_iter()
        .map(|pair| {
            let result = work(pair);
            progress.at(1 + done.fetch_add(1, Ordering::Relaxed), "");
            result
        })
        .collect();
    progress.end();
    results
}

/// The stem of a path as text, for names and messages.
fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
