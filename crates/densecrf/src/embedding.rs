//! Pixels among vertices: the parts of an image, and what all parts have in common.
//!
//! A vertex has a copy of its value in every part that touches it. The copies are added in the order
//! of the parts, so each value is one sum in a fixed order, and results do not depend on the number
//! of threads.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::features::Source;
use crate::part::Part;
use crate::simplex::{COORDINATE_LIMIT, Key, Simplices, Steps};
use crate::vectorized::LANES;
use crate::vertex_table::VertexTable;
use crate::{CrfError, MAX_DIMENSIONS};

/// Most pixels of a part.
pub(crate) const PART: usize = 8192;

/// Pixels of a part in many dimensions, so that 16 bits number its vertices.
const SMALL_PART: usize = 1024;

/// How an image's pixels lie among vertices.
#[derive(Debug, Clone)]
pub(crate) struct Embedding {
    pub(crate) parts: Vec<Part>,
    /// Pixels of every part but the last, which has the rest.
    pub(crate) part: usize,
    /// Vertices around each pixel.
    pub(crate) corners: usize,
    pub(crate) vertices: usize,
    /// Vertices of all parts together.
    pub(crate) copies: usize,
    /// The copies of vertex v (from 1) are `copies_of[copies_start[v − 1]..copies_start[v]]`.
    pub(crate) copies_start: Vec<u32>,
    pub(crate) copies_of: Vec<u32>,
}

impl Embedding {
    /// Pixels in their simplices of the permutohedral lattice; also the lattice's vertices.
    ///
    /// # Errors
    /// [`CrfError::FeatureRange`]
    pub(crate) fn in_lattice<const WORDS: usize>(
        source: &Source,
        steps: &Steps<WORDS>,
    ) -> Result<(Self, VertexTable<WORDS>), CrfError> {
        let d = source.dimensions();
        let pixels = source.pixels();
        let part = if PART * (d + 1) < usize::from(u16::MAX) {
            PART
        } else {
            SMALL_PART
        };
        let parts: Vec<(Part, Vec<Key<WORDS>>)> = (0..pixels.div_ceil(part))
            .into_par_iter()
            .map(|number| {
                Arch::new().dispatch(Task {
                    source,
                    steps,
                    first: number * part,
                    pixels: part.min(pixels - number * part),
                })
            })
            .collect::<Result<_, _>>()?;

        // Vertices are numbered in the order of their first appearance in the image.
        let copies: usize = parts.iter().map(|(_, keys)| keys.len()).sum();
        let mut table = VertexTable::<WORDS>::with_capacity(copies);
        let parts: Vec<Part> = parts
            .into_iter()
            .map(|(mut part, keys)| {
                part.vertices = keys.iter().map(|key| table.insert(key)).collect();
                part
            })
            .collect();
        Ok((Self::new(parts, part, d + 1, table.len()), table))
    }

    /// Every pixel is a vertex.
    pub(crate) fn of_pixels(pixels: usize) -> Self {
        let part = |first: usize| {
            let own = PART.min(pixels - first);
            let blocks = own.div_ceil(LANES);
            let place = |at: usize| if at < own { at as u16 } else { 0 };
            let lanes = |block: usize| std::array::from_fn(|lane| block * LANES + lane);
            Part {
                vertices: (first..first + own).map(|pixel| pixel as u32 + 1).collect(),
                corners: (0..blocks).map(|block| lanes(block).map(place)).collect(),
                weights: (0..blocks)
                    .map(|block| lanes(block).map(|at| f32::from(u8::from(at < own))))
                    .collect(),
            }
        };
        let parts = (0..pixels).step_by(PART).map(part).collect();
        Self::new(parts, PART, 1, pixels)
    }

    fn new(parts: Vec<Part>, part: usize, corners: usize, vertices: usize) -> Self {
        let (copies_start, copies_of) = copies(&parts, vertices);
        Self {
            part,
            corners,
            vertices,
            copies: copies_of.len(),
            copies_start,
            copies_of,
            parts,
        }
    }

    /// The copies of each `together` parts among `values`, `[copies][channels]`.
    pub(crate) fn split<'a>(
        &self,
        mut values: &'a mut [f32],
        channels: usize,
        together: usize,
    ) -> Vec<&'a mut [f32]> {
        let mut split = Vec::with_capacity(self.parts.len().div_ceil(together));
        for parts in self.parts.chunks(together) {
            let copies: usize = parts.iter().map(|part| part.vertices.len()).sum();
            let (own, rest) = values.split_at_mut(copies * channels);
            split.push(own);
            values = rest;
        }
        split
    }
}

/// The embedding of a part, compiled for the machine's vectors.
struct Task<'a, const WORDS: usize> {
    source: &'a Source<'a>,
    steps: &'a Steps<WORDS>,
    /// The part's first pixel, and their number.
    first: usize,
    pixels: usize,
}

impl<const WORDS: usize> NullaryFnOnce for Task<'_, WORDS> {
    type Output = Result<(Part, Vec<Key<WORDS>>), CrfError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        // Literal dimensions let the compiler unroll the embedding of the usual terms.
        match self.source.dimensions() {
            2 => self.embed(2),
            5 => self.embed(5),
            d => self.embed(d),
        }
    }
}

impl<const WORDS: usize> Task<'_, WORDS> {
    /// The part, and the keys of its vertices, which have no numbers yet.
    ///
    /// # Errors
    /// [`CrfError::FeatureRange`]
    #[inline(always)]
    fn embed(self, d: usize) -> Result<(Part, Vec<Key<WORDS>>), CrfError> {
        let Self {
            source,
            steps,
            first,
            pixels,
        } = self;
        let blocks = pixels.div_ceil(LANES);
        let mut table = VertexTable::<WORDS>::with_capacity(pixels / 2);
        let mut simplices = Simplices::new();
        let mut features = [[0.0; LANES]; MAX_DIMENSIONS];
        let mut keys = [[[0; WORDS]; LANES]; MAX_DIMENSIONS + 1];
        let mut corners = vec![[0u16; LANES]; blocks * (d + 1)];
        let mut weights = vec![[0.0f32; LANES]; blocks * (d + 1)];
        // Neighbouring pixels mostly share corners: ask the table only for new ones.
        let mut last = [([u64::MAX; WORDS], 0u16); MAX_DIMENSIONS + 1];
        let own = corners
            .chunks_exact_mut(d + 1)
            .zip(weights.chunks_exact_mut(d + 1));
        for (block, (corners, weights)) in own.enumerate() {
            let start = first + block * LANES;
            source.lanes(start, &mut features[..d]);
            simplices
                .enclose(&features, &steps.scales, d)
                .map_err(|(lane, coordinate)| CrfError::FeatureRange {
                    pixel: start + lane,
                    coordinate,
                    limit: COORDINATE_LIMIT,
                })?;
            simplices.keys(steps, d, &mut keys);
            for corner in 0..=d {
                let (mut last_key, mut last_place) = last[corner];
                for lane in 0..LANES {
                    let key = keys[corner][lane];
                    if key != last_key {
                        (last_key, last_place) = (key, (table.insert(&key) - 1) as u16);
                    }
                    corners[corner][lane] = last_place;
                }
                last[corner] = (last_key, last_place);
                weights[corner] = *simplices.weights(corner);
            }
        }
        // Lanes beyond the last pixel repeat it, with no weight.
        for weights in &mut weights[(blocks - 1) * (d + 1)..] {
            weights[pixels - (blocks - 1) * LANES..].fill(0.0);
        }
        let part = Part {
            vertices: Vec::new(),
            corners,
            weights,
        };
        Ok((part, table.into_keys()))
    }
}

/// From the vertices of each part to the copies of each vertex, by counting sort: the copies of a
/// vertex keep the order of the parts.
fn copies(parts: &[Part], vertices: usize) -> (Vec<u32>, Vec<u32>) {
    // While filling, start[v] is the next free entry of vertex v; afterwards it is its end, which
    // is the start of vertex v + 1.
    let mut start = vec![0u32; vertices + 2];
    let all = || parts.iter().flat_map(|part| &part.vertices);
    for vertex in all() {
        start[*vertex as usize + 1] += 1;
    }
    for v in 1..start.len() {
        start[v] += start[v - 1];
    }
    let mut copies = vec![0; all().count()];
    for (copy, vertex) in all().enumerate() {
        let next = &mut start[*vertex as usize];
        copies[*next as usize] = copy as u32;
        *next += 1;
    }
    start.truncate(vertices + 1);
    (start, copies)
}
