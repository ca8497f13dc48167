//! The greatest edges on paths, pairs side by side.

use crate::path::Sources;

/// Edges with an infinite one for each NaN. So no path passes a NaN over, and no comparison along it need ask for one.
pub(super) fn marked(edge: &[f32]) -> Vec<f32> {
    let marked = |edge: &f32| if edge.is_nan() { f32::INFINITY } else { *edge };
    edge.iter().map(marked).collect()
}

/// One minus the greatest of [`marked`] edges; of an infinite one, which is none, NaN.
#[inline(always)]
pub(super) fn affinity(greatest: f32) -> f32 {
    if greatest.is_infinite() {
        f32::NAN
    } else {
        1.0 - greatest
    }
}

/// What the pairs of one direction look at.
pub(super) struct Line<'a> {
    edge: &'a [f32],
    /// From a source to each cell of its path, in the path's order.
    offsets: Vec<isize>,
    /// Of the rectangle of sources, the first column and their number; columns of the map.
    pub first: usize,
    pub columns: usize,
    pub width: usize,
}

impl<'a> Line<'a> {
    pub fn new(edge: &'a [f32], width: usize, sources: &Sources, path: &[[isize; 2]]) -> Self {
        Self {
            edge,
            offsets: path.iter().map(|cell| sources.offset(*cell)).collect(),
            first: sources.columns().start,
            columns: sources.columns().len(),
            width,
        }
    }

    /// The edges of one cell of the paths of `N` neighbouring sources.
    #[inline(always)]
    fn cell<const N: usize>(&self, cell: usize, pixel: usize) -> [f32; N] {
        let mut values = [0.0; N];
        let first = pixel.wrapping_add_signed(self.offsets[cell]);
        values.copy_from_slice(&self.edge[first..][..N]);
        values
    }

    /// Greatest edge on the paths of `N` neighbouring sources.
    #[inline(always)]
    pub fn greatest<const N: usize>(&self, pixel: usize) -> [f32; N] {
        let mut greatest: [f32; N] = self.cell(0, pixel);
        for offset in &self.offsets[1..] {
            let values = &self.edge[pixel.wrapping_add_signed(*offset)..][..N];
            for lane in 0..N {
                let greater = values[lane] > greatest[lane];
                greatest[lane] = if greater {
                    values[lane]
                } else {
                    greatest[lane]
                };
            }
        }
        greatest
    }

    /// From a source to a cell of its path.
    #[inline(always)]
    pub fn offset(&self, cell: u32) -> isize {
        self.offsets[cell as usize]
    }

    /// [`greatest`](Self::greatest), and which cell of their paths has it: the first of equals.
    #[inline(always)]
    pub fn deciding<const N: usize>(&self, pixel: usize) -> ([f32; N], [u32; N]) {
        let mut greatest: [f32; N] = self.cell(0, pixel);
        let mut cells = [0; N];
        for (cell, offset) in (1u32..).zip(&self.offsets[1..]) {
            let values = &self.edge[pixel.wrapping_add_signed(*offset)..][..N];
            for lane in 0..N {
                let greater = values[lane] > greatest[lane];
                greatest[lane] = if greater {
                    values[lane]
                } else {
                    greatest[lane]
                };
                cells[lane] = if greater { cell } else { cells[lane] };
            }
        }
        (greatest, cells)
    }
}
