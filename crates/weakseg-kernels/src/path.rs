//! Pairs of pixels within a radius and the paths between them (IRNet, Ahn et al. 2019, §3.3).

use std::ops::Range;
use std::sync::Arc;

/// The directions of a radius and the path of each.
///
/// A direction is a displacement `[dy, dx]` from a source pixel to a destination pixel, in half a
/// plane so that every pair occurs once: `[0, 1]` … `[0, R - 1]`, and for `dy` from 1 to `R - 1`
/// every `dx` with `dx² + dy² < R²`. The path of a direction is every grid cell of the bounding
/// rectangle of its two ends whose distance to the line through them is less than 1, both ends
/// included, ordered from the destination (farthest from the source in `|dy| + |dx|`) to the
/// source.
///
/// Directions are ordered by the number of cells of their paths, and by `dy`, then `dx`, among
/// equals, as the reference groups them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathIndex {
    inner: Arc<Inner>,
}

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    radius: usize,
    directions: Vec<[isize; 2]>,
    paths: Vec<Vec<[isize; 2]>>,
}

impl PathIndex {
    /// The directions and paths of `radius` R, in pixels. A radius of 0 or 1 has none.
    #[must_use]
    pub fn new(radius: usize) -> Self {
        Self::within(radius, usize::MAX, usize::MAX)
    }

    /// Only the directions that some pair of pixels in a `height` x `width` map has.
    pub(crate) fn within(radius: usize, height: usize, width: usize) -> Self {
        // No two pixels of a map lie further apart than its sides together; squares of more would overflow.
        let reach = radius.min(height.saturating_add(width)) as isize;
        let rows = radius.min(height) as isize;
        let columns = radius.min(width) as isize;
        let mut directions: Vec<[isize; 2]> = (1..columns).map(|dx| [0, dx]).collect();
        for dy in 1..rows {
            let row = (1 - columns..columns).filter(|dx| dx * dx + dy * dy < reach * reach);
            directions.extend(row.map(|dx| [dy, dx]));
        }
        let mut both: Vec<_> = directions.into_iter().map(|d| (cells(d), d)).collect();
        both.sort_by_key(|(path, _)| path.len());
        let (paths, directions) = both.into_iter().unzip();
        Self {
            inner: Arc::new(Inner {
                radius,
                directions,
                paths,
            }),
        }
    }

    /// The radius R.
    #[must_use]
    pub fn radius(&self) -> usize {
        self.inner.radius
    }

    /// `[dy, dx]` of every direction.
    #[must_use]
    pub fn directions(&self) -> &[[isize; 2]] {
        &self.inner.directions
    }

    /// The path of every direction, as displacements `[dy, dx]` from the source, destination
    /// first, source (`[0, 0]`) last.
    #[must_use]
    pub fn paths(&self) -> &[Vec<[isize; 2]>] {
        &self.inner.paths
    }

    /// The pixels of a `height` x `width` map that are sources: those whose destinations lie in
    /// the map in every direction.
    #[must_use]
    pub fn sources(&self, height: usize, width: usize) -> Sources {
        let margin = self.inner.radius.saturating_sub(1);
        Sources {
            width,
            rows: 0..height.saturating_sub(margin),
            columns: margin..width.saturating_sub(margin).max(margin),
        }
    }
}

/// Cells of the path of one direction.
fn cells([dy, dx]: [isize; 2]) -> Vec<[isize; 2]> {
    let length = dy * dy + dx * dx;
    let mut path: Vec<[isize; 2]> = (0..=dy)
        .flat_map(|y| (dx.min(0)..=dx.max(0)).map(move |x| [y, x]))
        .filter(|[y, x]| {
            let cross = dy * x - dx * y;
            cross * cross < length
        })
        .collect();
    path.sort_by_key(|[y, x]| -(y.abs() + x.abs()));
    path
}

/// The source pixels of a map: a rectangle of rows `0..H - R'` and columns `R'..W - R'` with
/// `R' = R - 1`, counted row by row. Empty where the map is smaller than the radius asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    width: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Sources {
    /// Rows of the rectangle.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Columns of the rectangle.
    #[must_use]
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// Number of sources S.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Whether the map has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row-major pixel indices of the sources in the map.
    #[must_use]
    pub fn pixels(&self) -> Vec<usize> {
        self.rows()
            .flat_map(|y| self.columns().map(move |x| y * self.width + x))
            .collect()
    }

    /// Difference of the pixel indices of destination and source in a direction. Adding it to
    /// [`Sources::pixels`] gives the destinations in the same order.
    #[must_use]
    pub fn offset(&self, [dy, dx]: [isize; 2]) -> isize {
        dy * self.width as isize + dx
    }

    /// The rectangle the sources move to in a direction: rows and columns to slice a map of
    /// destinations by.
    #[must_use]
    pub fn shifted(&self, [dy, dx]: [isize; 2]) -> [Range<usize>; 2] {
        let shift = |range: &Range<usize>, by: isize| {
            range.start.saturating_add_signed(by)..range.end.saturating_add_signed(by)
        };
        [shift(&self.rows, dy), shift(&self.columns, dx)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_directions_and_cells() {
        for (radius, directions, total) in [
            (0, 0, 0),
            (1, 0, 0),
            (2, 4, 12),
            (3, 12, 56),
            (4, 22, 128),
            (5, 34, 242),
            (8, 96, 1078),
            (10, 152, 2134),
        ] {
            let paths = PathIndex::new(radius);
            let cells: usize = paths.paths().iter().map(Vec::len).sum();
            assert_eq!(paths.directions().len(), directions, "radius {radius}");
            assert_eq!(cells, total, "radius {radius}");
        }
    }

    #[test]
    fn paths_run_from_destination_to_source_and_grow() {
        let paths = PathIndex::new(6);
        for (direction, path) in paths.directions().iter().zip(paths.paths()) {
            assert_eq!(path.first(), Some(direction));
            assert_eq!(path.last(), Some(&[0, 0]));
        }
        assert!(paths.paths().windows(2).all(|w| w[0].len() <= w[1].len()));
        // By hand: the line to (1, 2) passes within 1 of all six cells of its rectangle.
        let at = paths.directions().iter().position(|d| *d == [1, 2]);
        let path = &paths.paths()[at.expect("a direction of radius 6")];
        assert_eq!(path.len(), 6, "{path:?}");
    }

    #[test]
    fn sources_of_the_reference_grid() {
        let paths = PathIndex::new(10);
        let sources = paths.sources(128, 128);
        assert_eq!((sources.rows(), sources.columns()), (0..119, 9..119));
        assert_eq!(sources.len(), 13_090);
        assert_eq!(sources.len() * paths.directions().len(), 1_989_680);
        let first = sources.pixels()[0] as isize;
        assert_eq!(first, 9);
        assert_eq!(first + sources.offset([2, -9]), 2 * 128);
        assert_eq!(sources.shifted([9, -9]), [9..128, 0..110]);
        assert!(paths.sources(9, 40).is_empty());
        assert!(paths.sources(40, 18).is_empty());
    }
}
