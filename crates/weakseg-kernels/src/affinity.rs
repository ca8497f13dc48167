//! Affinity of pixel pairs: one minus the largest edge on the path, and its gradient.

use rayon::prelude::*;

use crate::instructions::{Instructions, per_instruction_set};
use crate::path::{PathIndex, Sources};

/// Directions whose gradients share one buffer. Fixed, so that the order of the additions does
/// not depend on the number of threads.
pub(crate) const CHUNK: usize = 16;

/// Affinities `[B, D, S]` of edges `[B, H, W]`.
pub(crate) fn forward(
    edge: &[f32],
    [batch, height, width]: [usize; 3],
    paths: &PathIndex,
) -> Vec<f32> {
    let sources = paths.sources(height, width);
    let (directions, count) = (paths.directions().len(), sources.len());
    let mut affinity = vec![0.0; batch * directions * count];
    if affinity.is_empty() {
        return affinity;
    }
    let set = Instructions::detect();
    affinity
        .par_chunks_mut(count)
        .enumerate()
        .for_each(|(index, out)| {
            let (image, direction) = (index / directions, index % directions);
            let edge = &edge[image * height * width..][..height * width];
            let line = Line::new(edge, width, &sources, &paths.paths()[direction]);
            for (row, out) in sources.rows().zip(out.chunks_exact_mut(line.columns)) {
                affinities(set, &line, row, out);
            }
        });
    affinity
}

/// Gradient with respect to the edges: each pair's goes to the first cell of its path (from the
/// destination on) that holds the largest edge.
pub(crate) fn backward(
    edge: &[f32],
    [batch, height, width]: [usize; 3],
    paths: &PathIndex,
    affinity_gradient: &[f32],
) -> Vec<f32> {
    let sources = paths.sources(height, width);
    let (directions, count) = (paths.directions().len(), sources.len());
    let pixels = height * width;
    let mut gradient = vec![0.0; batch * pixels];
    if directions * count == 0 || batch == 0 {
        return gradient;
    }
    let set = Instructions::detect();
    let chunks = directions.div_ceil(CHUNK);
    let mut parts = vec![0.0; batch * chunks * pixels];
    parts
        .par_chunks_mut(pixels)
        .enumerate()
        .for_each(|(index, part)| {
            let (image, chunk) = (index / chunks, index % chunks);
            let edge = &edge[image * pixels..][..pixels];
            let first = chunk * CHUNK;
            for direction in first..directions.min(first + CHUNK) {
                let upstream =
                    &affinity_gradient[(image * directions + direction) * count..][..count];
                let line = Line::new(edge, width, &sources, &paths.paths()[direction]);
                let rows = upstream.chunks_exact(line.columns);
                for (row, upstream) in sources.rows().zip(rows) {
                    scatter(set, &line, row, upstream, part);
                }
            }
        });
    gradient
        .par_chunks_mut(pixels)
        .zip(parts.par_chunks(chunks * pixels))
        .for_each(|(gradient, parts)| {
            for part in parts.chunks_exact(pixels) {
                for (gradient, value) in gradient.iter_mut().zip(part) {
                    *gradient += value;
                }
            }
        });
    gradient
}

/// What the pairs of one direction look at.
pub(crate) struct Line<'a> {
    edge: &'a [f32],
    /// From a source to each cell of its path, in the path's order.
    offsets: Vec<isize>,
    /// Of the rectangle of sources, the first column and their number; columns of the map.
    pub first: usize,
    pub columns: usize,
    pub width: usize,
}

/// Pairs whose paths are walked side by side.
pub(crate) const WIDE: usize = 32;

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

per_instruction_set! {
    /// The affinities of one row of sources.
    fn affinities[](line: &Line<'_>, row: usize, out: &mut [f32]) {
        let start = row * line.width + line.first;
        let mut at = 0;
        while at < out.len() {
            if let Some(out) = out[at..].first_chunk_mut::<WIDE>() {
                let greatest = line.greatest::<WIDE>(start + at);
                for lane in 0..WIDE {
                    out[lane] = 1.0 - greatest[lane];
                }
                at += WIDE;
            } else {
                let [greatest] = line.greatest::<1>(start + at);
                out[at] = 1.0 - greatest;
                at += 1;
            }
        }
    }
}

per_instruction_set! {
    /// Subtracts each pair's gradient from the cell that decided its affinity.
    fn scatter[](line: &Line<'_>, row: usize, upstream: &[f32], part: &mut [f32]) {
        let start = row * line.width + line.first;
        let mut at = 0;
        while at < upstream.len() {
            if let Some(upstream) = upstream[at..].first_chunk::<WIDE>() {
                let (_, cells) = line.deciding::<WIDE>(start + at);
                for lane in 0..WIDE {
                    let offset = line.offset(cells[lane]);
                    part[(start + at + lane).wrapping_add_signed(offset)] -= upstream[lane];
                }
                at += WIDE;
            } else {
                let (_, [cell]) = line.deciding::<1>(start + at);
                let offset = line.offset(cell);
                part[(start + at).wrapping_add_signed(offset)] -= upstream[at];
                at += 1;
            }
        }
    }
}
