//! The permutohedral lattice: its vertices' neighbours, and the blur along every axis.
//!
//! Source: Adams, Baek, Davis 2010 (see [`simplex`](crate::simplex)); the blur kernel ½, 1, ½ is that
//! of the densecrf reference.

use rayon::prelude::*;

use crate::CrfError;
use crate::aligned::Aligned;
use crate::embedding::Embedding;
use crate::features::Source;
use crate::rows::{NARROW, WIDE};
use crate::simplex::{Packing, Steps, step};
use crate::vectorized::{LANES, each, vectorized};
use crate::vertex_table::VertexTable;

/// Vertices that one parallel task handles.
pub(crate) const CHUNK: usize = 4096;

/// The neighbours of M vertices.
#[derive(Debug, Clone)]
pub(crate) struct Lattice {
    vertices: usize,
    /// Per axis, the two neighbours of each vertex from 1, 0 for none; `[d + 1][M]`.
    neighbours: Vec<[u32; 2]>,
}

impl Lattice {
    /// Embeds the features.
    ///
    /// # Errors
    /// [`CrfError::FeatureRange`]
    pub(crate) fn new(source: &Source) -> Result<(Embedding, Self), CrfError> {
        let packing = Packing::new(&source.ranges());
        match packing.words() {
            1 => Self::build::<1>(source, packing),
            _ => Self::build::<8>(source, packing),
        }
    }

    fn build<const WORDS: usize>(
        source: &Source,
        packing: Packing,
    ) -> Result<(Embedding, Self), CrfError> {
        let steps = Steps::<WORDS>::new(packing);
        let (embedding, table) = Embedding::in_lattice(source, &steps)?;
        let lattice = Self {
            vertices: table.len(),
            neighbours: find_neighbours(&table, &steps),
        };
        Ok((embedding, lattice))
    }

    /// Blurs `values` along every axis, with `other` for what lies in between.
    ///
    /// # Shapes
    /// - `values`, `other`: `[1 + M][channels]`, the first row zero: it stands for missing
    ///   neighbours
    pub(crate) fn blur(&self, values: &mut Aligned, other: &mut Aligned, channels: usize) {
        for axis in self.neighbours.chunks_exact(self.vertices) {
            other[channels..]
                .par_chunks_mut(CHUNK * channels)
                .zip(axis.par_chunks(CHUNK))
                .enumerate()
                .for_each(|(chunk, (out, neighbours))| {
                    blur(out, chunk * CHUNK, channels, values, neighbours);
                });
            std::mem::swap(values, other);
        }
    }
}

vectorized! {
    /// One axis of the blur: value + ½ (left + right). `out` starts at vertex `first` + 1.
    fn blur<'a>(
        out: &'a mut [f32],
        first: usize,
        channels: usize,
        values: &'a [f32],
        neighbours: &'a [[u32; 2]],
    ) {
        match channels {
            1 => blur_rows::<1>(out, first, values, neighbours),
            2 => blur_rows::<2>(out, first, values, neighbours),
            3 => blur_rows::<3>(out, first, values, neighbours),
            4 => blur_rows::<4>(out, first, values, neighbours),
            NARROW => blur_rows::<NARROW>(out, first, values, neighbours),
            _ => blur_rows::<WIDE>(out, first, values, neighbours),
        }
    }
}

#[inline(always)]
fn blur_rows<const C: usize>(
    out: &mut [f32],
    first: usize,
    values: &[f32],
    neighbours: &[[u32; 2]],
) {
    let values = values.as_chunks::<C>().0;
    let rows = out
        .as_chunks_mut::<C>()
        .0
        .iter_mut()
        .zip(&values[first + 1..]);
    for ((out, own), &[left, right]) in rows.zip(neighbours) {
        let (left, right) = (values[left as usize], values[right as usize]);
        *out = each!(C, c => own[c] + 0.5 * (left[c] + right[c]));
    }
}

/// The two neighbours of every vertex along every axis, `[d + 1][M]`; 0 where there is none.
fn find_neighbours<const WORDS: usize>(
    table: &VertexTable<WORDS>,
    steps: &Steps<WORDS>,
) -> Vec<[u32; 2]> {
    let vertices = table.len();
    let mut neighbours = vec![[0; 2]; steps.falls.len() * vertices];
    neighbours
        .par_chunks_mut(vertices.max(1))
        .zip(&steps.falls)
        .for_each(|(axis, fall)| {
            let blocks = table.keys().chunks(LANES);
            for (first, keys) in (1u32..).step_by(LANES).zip(blocks) {
                // Along axis j the neighbour has +d in coordinate j and −1 in all others.
                let mut wanted = [[0; WORDS]; LANES];
                for (at, wanted) in wanted.iter_mut().enumerate() {
                    *wanted = step(keys[at.min(keys.len() - 1)], fall, &steps.one);
                }
                let found = table.find(&wanted);
                for ((vertex, _), neighbour) in (first..).zip(keys).zip(found) {
                    if neighbour != 0 {
                        axis[vertex as usize - 1][0] = neighbour;
                        axis[neighbour as usize - 1][1] = vertex;
                    }
                }
            }
        });
    neighbours
}
