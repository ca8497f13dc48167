//! Which pairs teach what.

use std::sync::Arc;

use rayon::prelude::*;

use crate::path::PathIndex;

/// The label of a cell that is not sure.
pub(super) const UNSURE: u32 = u8::MAX as u32;

/// What a pair of pixels teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKind {
    /// Both are background.
    Background,
    /// Both are of one class that is not the background.
    Foreground,
    /// They are of two classes.
    Negative,
    /// Nothing: one of them is not sure.
    Unsure,
}

impl PairKind {
    fn of(source: u32, destination: u32) -> Self {
        match (source, destination) {
            (UNSURE, _) | (_, UNSURE) => Self::Unsure,
            (0, 0) => Self::Background,
            (a, b) if a == b => Self::Foreground,
            _ => Self::Negative,
        }
    }
}

/// The labels of a batch's cells, by which the pairs of a [`PathIndex`] are told apart.
#[derive(Debug, Clone)]
pub struct PairLabels {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    paths: PathIndex,
    shape: [usize; 3],
    /// As wide as the values that they meet in vector code.
    labels: Vec<u32>,
    counts: [u64; 3],
}

impl PairLabels {
    /// Of label maps `[B, H, W]` in a row: 0 background, any class above, 255 unsure.
    ///
    /// # Panics
    /// If there are more or fewer labels than the shape says.
    #[must_use]
    pub fn new(labels: &[u8], shape: [usize; 3], paths: &PathIndex) -> Self {
        let expected: usize = shape.iter().product();
        assert_eq!(labels.len(), expected, "labels of maps of {shape:?}");
        let mut pairs = Inner {
            paths: paths.clone(),
            shape,
            labels: labels.iter().map(|label| u32::from(*label)).collect(),
            counts: [0; 3],
        };
        let directions = (0..shape[0] * paths.directions().len()).into_par_iter();
        pairs.counts = directions
            .map(|at| pairs.counts_of(at))
            .reduce(|| [0; 3], |a, b| std::array::from_fn(|k| a[k] + b[k]));
        Self {
            inner: Arc::new(pairs),
        }
    }

    /// The pairs' directions and paths.
    #[must_use]
    pub fn paths(&self) -> &PathIndex {
        &self.inner.paths
    }

    /// `[B, H, W]` of the maps.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.inner.shape
    }

    /// Number of pairs that are background, foreground and negative.
    #[must_use]
    pub fn counts(&self) -> [u64; 3] {
        self.inner.counts
    }

    /// Every pair's kind, `[B, D, S]`: one row for each of [`PathIndex::directions`], one column for each of
    /// [`PathIndex::sources`].
    #[must_use]
    pub fn kinds(&self) -> Vec<PairKind> {
        let [batch, ..] = self.inner.shape;
        let directions = 0..batch * self.inner.paths.directions().len();
        directions.flat_map(|at| self.inner.kinds_of(at)).collect()
    }

    /// Number of pairs of any kind.
    pub(crate) fn len(&self) -> usize {
        let ([batch, height, width], paths) = (self.inner.shape, &self.inner.paths);
        batch * paths.directions().len() * paths.sources(height, width).len()
    }

    /// The labels of an image.
    pub(super) fn image(&self, image: usize) -> &[u32] {
        let [_, height, width] = self.inner.shape;
        &self.inner.labels[image * height * width..][..height * width]
    }
}

impl Inner {
    /// The kinds of the pairs in one direction of one image, both in one number.
    fn kinds_of(&self, at: usize) -> Vec<PairKind> {
        self.rows_of(at)
            .flat_map(|[sources, destinations]| sources.iter().zip(destinations))
            .map(|(source, destination)| PairKind::of(*source, *destination))
            .collect()
    }

    fn counts_of(&self, at: usize) -> [u64; 3] {
        let mut counts = [0; 3];
        for [sources, destinations] in self.rows_of(at) {
            let mut row = [0u32; 3];
            for (&source, &destination) in sources.iter().zip(destinations) {
                let [background, foreground, negative] = masks(source, destination);
                row[0] += u32::from(background);
                row[1] += u32::from(foreground);
                row[2] += u32::from(negative);
            }
            counts = std::array::from_fn(|kind| counts[kind] + u64::from(row[kind]));
        }
        counts
    }

    /// The labels of the sources and destinations, row by row.
    fn rows_of(&self, at: usize) -> impl Iterator<Item = [&[u32]; 2]> {
        let [_, height, width] = self.shape;
        let directions = self.paths.directions();
        let (image, direction) = (at / directions.len(), directions[at % directions.len()]);
        let labels = &self.labels[image * height * width..][..height * width];
        let sources = self.paths.sources(height, width);
        let (columns, offset) = (sources.columns(), sources.offset(direction));
        // A map may have rows of sources and no column.
        let rows = sources.rows().filter(move |_| !sources.is_empty());
        rows.map(move |row| {
            let first = row * width + columns.start;
            [first, first.wrapping_add_signed(offset)].map(|at| &labels[at..][..columns.len()])
        })
    }
}

/// Whether a pair is background, foreground, negative: at most one of them.
#[inline(always)]
pub(super) fn masks(source: u32, destination: u32) -> [bool; 3] {
    let sure = (source != UNSURE) & (destination != UNSURE);
    let same = source == destination;
    [
        (source | destination) == 0,
        sure & same & (source != 0),
        sure & !same,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_kinds() {
        for source in [0, 1, 7, 254, 255] {
            for destination in [0, 1, 7, 254, 255] {
                let kinds = [
                    PairKind::Background,
                    PairKind::Foreground,
                    PairKind::Negative,
                ];
                let kind = PairKind::of(source, destination);
                assert_eq!(masks(source, destination), kinds.map(|k| k == kind));
            }
        }
    }

    #[test]
    fn counts_are_those_of_the_kinds() {
        let labels: Vec<u8> = (0..2 * 7 * 9)
            .map(|i| [0, 1, 1, 255, 2][i * 7 / 3 % 5])
            .collect();
        let pairs = PairLabels::new(&labels, [2, 7, 9], &PathIndex::new(4));
        let kinds = pairs.kinds();
        let count = |kind| kinds.iter().filter(|k| **k == kind).count() as u64;
        let counts = [
            count(PairKind::Background),
            count(PairKind::Foreground),
            count(PairKind::Negative),
        ];
        assert!(counts.iter().all(|n| *n > 0));
        assert_eq!(pairs.counts(), counts);
        assert!(
            PairLabels::new(&[], [0, 7, 9], &PathIndex::new(4))
                .kinds()
                .is_empty()
        );
        // No rows of sources, and rows without a column.
        for side in [3, 4, 5, 6] {
            let labels = vec![0; side * side];
            let pairs = PairLabels::new(&labels, [1, side, side], &PathIndex::new(4));
            assert_eq!((pairs.counts(), pairs.kinds().len()), ([0; 3], 0), "{side}");
        }
    }
}
