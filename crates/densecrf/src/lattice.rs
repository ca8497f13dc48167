//! Gaussian filtering on the permutohedral lattice: splat, blur, slice.
//!
//! Source: Adams, Baek, Davis 2010 (see [`simplex`](crate::simplex)); the constants (blur kernel
//! ½, 1, ½ and the factor 1 / (1 + 2^−d)) are those of the densecrf reference.
//!
//! The lattice is built once from the features and reused for every filtering. Each output value
//! is one sum in a fixed order, so results do not depend on the number of threads.

use rayon::prelude::*;

use crate::simplex::{COORDINATE_LIMIT, Key, Simplex, axis_scales, lane, ones, step};
use crate::vertex_table::VertexTable;
use crate::{CrfError, Features};

/// Rows (pixels or vertices) that one parallel task handles.
const CHUNK: usize = 4096;

/// A permutohedral lattice over N pixels with M vertices, and its three linear maps.
///
/// Values are stored `[vertex][channel]` with vertex 0 always zero: it stands for missing
/// neighbours.
#[derive(Debug, Clone)]
pub(crate) struct Lattice {
    dimensions: usize,
    pixels: usize,
    vertices: usize,
    /// Splat, by receiving vertex: the contributions of vertex v (from 1) are
    /// `splat[splat_start[v − 1]..splat_start[v]]`, in the order of the pixels.
    splat_start: Vec<u32>,
    splat: Vec<Contribution>,
    /// Blur: per axis, the two neighbours of each vertex from 1; `[d + 1][M]`.
    neighbours: Vec<[u32; 2]>,
    /// Slice, by pixel: the corners of its simplex, `[N][d + 1]`.
    slice: Vec<Contribution>,
}

/// One entry of a sparse row: weight × row `source`.
#[derive(Debug, Clone, Copy)]
struct Contribution {
    source: u32,
    weight: f32,
}

impl Lattice {
    /// Embeds the features.
    ///
    /// # Errors
    /// [`CrfError::FeatureRange`]
    pub(crate) fn new(features: &Features) -> Result<Self, CrfError> {
        // Literal dimensions let the compiler unroll the embedding of the usual terms.
        match features.dimensions() {
            2 => Self::build::<1>(features, 2),
            3 => Self::build::<1>(features, 3),
            5 => Self::build::<2>(features, 5),
            d @ ..=4 => Self::build::<1>(features, d),
            d @ ..=8 => Self::build::<2>(features, d),
            d @ ..=16 => Self::build::<4>(features, d),
            d => Self::build::<8>(features, d),
        }
    }

    #[inline(always)]
    fn build<const WORDS: usize>(features: &Features, d: usize) -> Result<Self, CrfError> {
        let pixels = features.pixels();
        let scales = axis_scales(d);
        let one = ones::<WORDS>(d);
        // Lane d is the implied coordinate: nothing falls there.
        let falls: Vec<Key<WORDS>> = (0..=d)
            .map(|axis| {
                if axis < d {
                    lane(axis, d as u16 + 1)
                } else {
                    [0; WORDS]
                }
            })
            .collect();

        let mut table = VertexTable::<WORDS>::with_capacity(pixels);
        let mut simplex = Simplex::new();
        let mut slice = Vec::with_capacity(pixels * (d + 1));
        // Neighbouring pixels mostly share corners: ask the table only for new ones.
        let mut last = vec![([0; WORDS], 0u32); d + 1];
        for pixel in 0..pixels {
            simplex
                .enclose(features.vector(pixel), &scales, d)
                .map_err(|coordinate| CrfError::FeatureRange {
                    pixel,
                    coordinate,
                    limit: COORDINATE_LIMIT,
                })?;
            let mut key = simplex.origin_key::<WORDS>(d);
            for (corner, &weight) in simplex.weights(d).iter().enumerate() {
                let (last_key, last_vertex) = &mut last[corner];
                if *last_key != key || *last_vertex == 0 {
                    (*last_key, *last_vertex) = (key, table.insert(&key));
                }
                slice.push(Contribution {
                    source: *last_vertex,
                    weight,
                });
                key = step(key, &one, &falls[simplex.falling_axis(corner, d)]);
            }
        }
        let vertices = table.len();
        let neighbours = find_neighbours(&table, &one, &falls);
        let (splat_start, splat) = transpose(&slice, d + 1, vertices);
        let alpha = 1.0 / (1.0 + 0.5f32.powi(d as i32));
        for corner in &mut slice {
            corner.weight *= alpha;
        }
        Ok(Self {
            dimensions: d,
            pixels,
            vertices,
            splat_start,
            splat,
            neighbours,
            slice,
        })
    }

    /// Folds factors per pixel into the filter: before it, after it, or both.
    pub(crate) fn scale(&mut self, before: Option<&[f32]>, after: Option<&[f32]>) {
        if let Some(before) = before {
            self.splat
                .par_iter_mut()
                .for_each(|entry| entry.weight *= before[entry.source as usize]);
        }
        if let Some(after) = after {
            self.slice
                .par_chunks_mut(self.dimensions + 1)
                .zip(after)
                .for_each(|(corners, factor)| {
                    corners
                        .iter_mut()
                        .for_each(|corner| corner.weight *= factor);
                });
        }
    }

    /// Filters `channels` values per pixel.
    ///
    /// # Shapes
    /// - `input`, `output`: `[N, channels]`
    pub(crate) fn filter(&self, input: &[f32], channels: usize, output: &mut [f32]) {
        if channels == 0 || self.pixels == 0 {
            return;
        }
        debug_assert_eq!(input.len(), self.pixels * channels);
        let mut values = vec![0.0; (self.vertices + 1) * channels];
        let mut blurred = vec![0.0; (self.vertices + 1) * channels];

        rows_mut(&mut values[channels..], channels).for_each(|(first, rows)| {
            let starts = &self.splat_start[first..];
            weighted_rows(rows, channels, input, |row| {
                &self.splat[starts[row] as usize..starts[row + 1] as usize]
            });
        });
        for axis in self.neighbours.chunks_exact(self.vertices) {
            rows_mut(&mut blurred[channels..], channels).for_each(|(first, rows)| {
                blur(rows, first, channels, &values, &axis[first..]);
            });
            std::mem::swap(&mut values, &mut blurred);
        }
        let corners = self.dimensions + 1;
        rows_mut(output, channels).for_each(|(first, rows)| {
            let entries = &self.slice[first * corners..];
            weighted_rows(rows, channels, &values, |row| {
                &entries[row * corners..][..corners]
            });
        });
    }
}

/// Splits `[rows][channels]` for parallel work; yields the number of the first row with each part.
fn rows_mut(
    values: &mut [f32],
    channels: usize,
) -> impl IndexedParallelIterator<Item = (usize, &mut [f32])> {
    values
        .par_chunks_mut(CHUNK * channels)
        .enumerate()
        .map(|(chunk, rows)| (chunk * CHUNK, rows))
}

/// Runs `$body` with `$channels` a literal for the usual counts, so that inner loops unroll.
macro_rules! with_channels {
    ($channels:expr, $body:expr) => {
        match $channels {
            1 => $body(1),
            2 => $body(2),
            3 => $body(3),
            4 => $body(4),
            channels => $body(channels),
        }
    };
}

/// Each row of `out` = Σ weight × row of `input`, over the row's entries in their order.
fn weighted_rows<'a>(
    out: &mut [f32],
    channels: usize,
    input: &[f32],
    entries: impl Fn(usize) -> &'a [Contribution],
) {
    with_channels!(channels, |channels: usize| {
        for (row, out) in out.chunks_exact_mut(channels).enumerate() {
            out.fill(0.0);
            for entry in entries(row) {
                let source = &input[entry.source as usize * channels..][..channels];
                for (o, s) in out.iter_mut().zip(source) {
                    *o += entry.weight * s;
                }
            }
        }
    });
}

/// One axis of the blur: value + ½ (left + right). `out` starts at vertex `first` + 1.
fn blur(out: &mut [f32], first: usize, channels: usize, values: &[f32], neighbours: &[[u32; 2]]) {
    with_channels!(channels, |channels: usize| {
        let own = values[(first + 1) * channels..].chunks_exact(channels);
        for ((out, own), &[left, right]) in out.chunks_exact_mut(channels).zip(own).zip(neighbours)
        {
            let left = &values[left as usize * channels..][..channels];
            let right = &values[right as usize * channels..][..channels];
            for (((o, own), l), r) in out.iter_mut().zip(own).zip(left).zip(right) {
                *o = own + 0.5 * (l + r);
            }
        }
    });
}

/// The two neighbours of every vertex along every axis, `[d + 1][M]`; 0 where there is none.
fn find_neighbours<const WORDS: usize>(
    table: &VertexTable<WORDS>,
    one: &Key<WORDS>,
    falls: &[Key<WORDS>],
) -> Vec<[u32; 2]> {
    let vertices = table.len();
    let mut neighbours = vec![[0; 2]; falls.len() * vertices];
    neighbours
        .par_chunks_mut(vertices.max(1))
        .zip(falls)
        .for_each(|(axis, fall)| {
            for (vertex, key) in table.keys().iter().enumerate() {
                // Along axis j the neighbour has +d in coordinate j and −1 in all others.
                let neighbour = table.find(&step(*key, fall, one));
                if neighbour != 0 {
                    axis[vertex][0] = neighbour;
                    axis[neighbour as usize - 1][1] = vertex as u32 + 1;
                }
            }
        });
    neighbours
}

/// From the corners of each pixel to the pixels of each vertex, by counting sort: the pixels of a
/// vertex keep their order.
fn transpose(
    slice: &[Contribution],
    corners: usize,
    vertices: usize,
) -> (Vec<u32>, Vec<Contribution>) {
    // While filling, start[v] is the next free entry of vertex v; afterwards it is its end, which
    // is the start of vertex v + 1.
    let mut start = vec![0u32; vertices + 2];
    for entry in slice {
        start[entry.source as usize + 1] += 1;
    }
    for v in 1..start.len() {
        start[v] += start[v - 1];
    }
    let empty = Contribution {
        source: 0,
        weight: 0.0,
    };
    let mut splat = vec![empty; slice.len()];
    for (pixel, row) in slice.chunks_exact(corners).enumerate() {
        for entry in row {
            let next = &mut start[entry.source as usize];
            splat[*next as usize] = Contribution {
                source: pixel as u32,
                weight: entry.weight,
            };
            *next += 1;
        }
    }
    start.truncate(vertices + 1);
    (start, splat)
}
