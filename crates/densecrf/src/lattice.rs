//! Gaussian filtering on the permutohedral lattice: splat, blur, slice.
//!
//! Source: Adams, Baek, Davis 2010 (see [`simplex`](crate::simplex)); the constants (blur kernel
//! ½, 1, ½ and the factor 1 / (1 + 2^−d)) are those of the densecrf reference.
//!
//! The lattice is built once from the features and reused for every filtering. Pixels are worked on
//! in parts of a fixed size. A part numbers the vertices it touches itself, in 16 bits, and keeps
//! copies of their values side by side: splat and slice run within the cache, and many times a
//! pixel. The copies of a vertex are added in the order of the parts, so each output value is one sum
//! in a fixed order, and results do not depend on the number of threads.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use crate::simplex::{COORDINATE_LIMIT, Key, LANES, Simplices, axis_scales, lane, ones, step};
use crate::vectorized::vectorized;
use crate::vertex_table::VertexTable;
use crate::{CrfError, Features};

/// Vertices that one parallel task handles.
const CHUNK: usize = 4096;

/// Most pixels of a part.
const PART: usize = 8192;

/// Channels that are worked on at a time where there are many.
pub(crate) const WIDE: usize = 8;

/// Runs `$body` with `$channels` a literal for the usual counts, so that inner loops unroll. (A block
/// and not a closure: one that is called from several places need not be inlined, and only what is
/// inlined is compiled for the machine's vectors.)
macro_rules! with_channels {
    ($channels:ident, $body:block) => {
        match $channels {
            1 => {
                let $channels = 1;
                $body
            }
            2 => {
                let $channels = 2;
                $body
            }
            3 => {
                let $channels = 3;
                $body
            }
            4 => {
                let $channels = 4;
                $body
            }
            _ => $body,
        }
    };
}

/// A permutohedral lattice over N pixels with M vertices, and its three linear maps.
///
/// Values are stored `[vertex][channel]` with vertex 0 always zero: it stands for missing
/// neighbours.
#[derive(Debug, Clone)]
pub(crate) struct Lattice {
    dimensions: usize,
    pixels: usize,
    vertices: usize,
    parts: Vec<Part>,
    /// Vertices of all parts together.
    copies: usize,
    /// The copies of vertex v (from 1) are `copies_of[copies_start[v − 1]..copies_start[v]]`.
    copies_start: Vec<u32>,
    copies_of: Vec<u32>,
    /// Blur: per axis, the two neighbours of each vertex from 1; `[d + 1][M]`.
    neighbours: Vec<[u32; 2]>,
    /// Factors of each pixel before the filter, none for 1, and after it.
    before: Option<Vec<f32>>,
    after: Vec<f32>,
}

/// Some consecutive pixels.
#[derive(Debug, Clone)]
struct Part {
    /// The vertices that the part touches, in the order of their first appearance.
    vertices: Vec<u32>,
    /// The corners of each pixel's simplex, `[pixel, d + 1]`: places among the vertices, and weights.
    corners: Vec<u16>,
    weights: Vec<f32>,
}

/// Memory for filtering that is worth keeping from call to call.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    copies: Vec<f32>,
    values: Vec<f32>,
    blurred: Vec<f32>,
}

impl Lattice {
    /// Embeds the features.
    ///
    /// # Errors
    /// [`CrfError::FeatureRange`]
    pub(crate) fn new(features: &Features) -> Result<Self, CrfError> {
        match features.dimensions() {
            d @ ..=4 => Self::build::<1>(features, d),
            d @ ..=8 => Self::build::<2>(features, d),
            d @ ..=16 => Self::build::<4>(features, d),
            d => Self::build::<8>(features, d),
        }
    }

    fn build<const WORDS: usize>(features: &Features, d: usize) -> Result<Self, CrfError> {
        let pixels = features.pixels();
        let steps = Steps::<WORDS>::new(d);
        // No part touches more vertices than 16 bits can number.
        let part = PART.min(usize::from(u16::MAX) / (d + 1) / LANES * LANES);
        let parts: Vec<(Part, Vec<Key<WORDS>>)> = features
            .values()
            .par_chunks(part * d)
            .enumerate()
            .map(|(number, features)| {
                Arch::new().dispatch(Embedding {
                    features,
                    steps: &steps,
                    dimensions: d,
                    first: number * part,
                })
            })
            .collect::<Result<_, _>>()?;

        // Vertices are numbered in the order of their first appearance in the image.
        let most: usize = parts.iter().map(|(_, keys)| keys.len()).sum();
        let mut table = VertexTable::<WORDS>::with_capacity(most);
        let parts: Vec<Part> = parts
            .into_iter()
            .map(|(mut part, keys)| {
                part.vertices = keys.iter().map(|key| table.insert(key)).collect();
                part
            })
            .collect();
        let vertices = table.len();
        let (copies_start, copies_of) = copies(&parts, vertices);
        Ok(Self {
            dimensions: d,
            pixels,
            vertices,
            copies: most,
            parts,
            copies_start,
            copies_of,
            neighbours: find_neighbours(&table, &steps),
            before: None,
            after: vec![1.0 / (1.0 + 0.5f32.powi(d as i32)); pixels],
        })
    }

    /// Folds factors per pixel into the filter: before it, after it, or both.
    pub(crate) fn scale(&mut self, before: Option<&[f32]>, after: Option<&[f32]>) {
        if let Some(factors) = before {
            let own = (self.before).get_or_insert_with(|| vec![1.0; factors.len()]);
            multiply(own, factors);
        }
        if let Some(factors) = after {
            multiply(&mut self.after, factors);
        }
    }

    /// Filters `channels` values per pixel; fastest for few, and for multiples of [`WIDE`].
    ///
    /// # Shapes
    /// - `input`, `output`: `[N, channels]`
    pub(crate) fn filter(
        &self,
        input: &[f32],
        channels: usize,
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        if channels == 0 || self.pixels == 0 {
            return;
        }
        debug_assert_eq!(input.len(), self.pixels * channels);
        let Scratch {
            copies,
            values,
            blurred,
        } = scratch;
        copies.resize(self.copies * channels, 0.0);
        values.resize((self.vertices + 1) * channels, 0.0);
        blurred.resize((self.vertices + 1) * channels, 0.0);
        values[..channels].fill(0.0);
        blurred[..channels].fill(0.0);

        let part = self.parts[0].pixels(self.dimensions);
        let pixels = |number: usize| number * part..self.pixels.min((number + 1) * part);
        (self.split(copies, channels).into_par_iter().enumerate()).for_each(|(number, copies)| {
            let pixels = pixels(number);
            let before = self.before.as_ref().map(|before| &before[pixels.clone()]);
            let input = &input[pixels.start * channels..pixels.end * channels];
            splat(&self.parts[number], input, channels, before, copies);
        });
        let starts = &self.copies_start;
        rows_mut(&mut values[channels..], channels).for_each(|(first, rows)| {
            gather(rows, channels, copies, &starts[first..], &self.copies_of);
        });
        for axis in self.neighbours.chunks_exact(self.vertices) {
            rows_mut(&mut blurred[channels..], channels).for_each(|(first, rows)| {
                blur(rows, first, channels, values, &axis[first..]);
            });
            std::mem::swap(values, blurred);
        }
        let copies = self.split(copies, channels);
        let outputs = output.par_chunks_mut(part * channels);
        (copies.into_par_iter().zip(outputs).enumerate()).for_each(|(number, (copies, output))| {
            let after = &self.after[pixels(number)];
            slice(&self.parts[number], values, channels, after, copies, output);
        });
    }

    /// The copies of each part.
    fn split<'a>(&self, mut copies: &'a mut [f32], channels: usize) -> Vec<&'a mut [f32]> {
        let mut split = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let (own, rest) = copies.split_at_mut(part.vertices.len() * channels);
            split.push(own);
            copies = rest;
        }
        split
    }
}

/// The embedding of a part, compiled for the machine's vectors.
struct Embedding<'a, const WORDS: usize> {
    /// `[pixels, dimensions]`
    features: &'a [f32],
    steps: &'a Steps<WORDS>,
    dimensions: usize,
    /// Pixel of the image that is the part's first.
    first: usize,
}

impl<const WORDS: usize> NullaryFnOnce for Embedding<'_, WORDS> {
    type Output = Result<(Part, Vec<Key<WORDS>>), CrfError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        // Literal dimensions let the compiler unroll the embedding of the usual terms.
        match self.dimensions {
            2 => self.embed(2),
            3 => self.embed(3),
            5 => self.embed(5),
            d => self.embed(d),
        }
    }
}

impl<const WORDS: usize> Embedding<'_, WORDS> {
    /// The part, and the keys of its vertices, which have no numbers yet.
    ///
    /// # Errors
    /// [`CrfError::FeatureRange`]
    #[inline(always)]
    fn embed(self, d: usize) -> Result<(Part, Vec<Key<WORDS>>), CrfError> {
        let Self {
            features,
            steps,
            first,
            ..
        } = self;
        let pixels = features.len() / d;
        let mut table = VertexTable::<WORDS>::with_capacity(pixels / 2);
        let mut simplices = Simplices::new();
        let mut corners = Vec::with_capacity(pixels * (d + 1));
        let mut weights = Vec::with_capacity(pixels * (d + 1));
        // Neighbouring pixels mostly share corners: ask the table only for new ones.
        let mut last = vec![([0; WORDS], 0u32); d + 1];
        for (block, features) in features.chunks(LANES * d).enumerate() {
            simplices
                .enclose(features, &steps.scales, d)
                .map_err(|(lane, coordinate)| CrfError::FeatureRange {
                    pixel: first + block * LANES + lane,
                    coordinate,
                    limit: COORDINATE_LIMIT,
                })?;
            for lane in 0..features.len() / d {
                let mut key = simplices.origin_key::<WORDS>(lane, d);
                for (corner, (last_key, last_vertex)) in last.iter_mut().enumerate() {
                    if *last_key != key || *last_vertex == 0 {
                        (*last_key, *last_vertex) = (key, table.insert(&key));
                    }
                    corners.push((*last_vertex - 1) as u16);
                    weights.push(simplices.weight(corner, lane));
                    let falls = &steps.falls[simplices.falling_axis(corner, lane, d)];
                    key = step(key, &steps.one, falls);
                }
            }
        }
        let part = Part {
            vertices: Vec::new(),
            corners,
            weights,
        };
        Ok((part, table.into_keys()))
    }
}

impl Part {
    fn pixels(&self, d: usize) -> usize {
        self.weights.len() / (d + 1)
    }

    /// The corners of each pixel.
    #[inline(always)]
    fn simplices(&self, pixels: usize) -> impl Iterator<Item = (&[u16], &[f32])> {
        let corners = self.weights.len() / pixels;
        (self.corners.chunks_exact(corners)).zip(self.weights.chunks_exact(corners))
    }
}

vectorized! {
    /// Adds every pixel's row of `input`, by its factor, to its corners' copies.
    fn splat<'a>(
        part: &'a Part,
        input: &'a [f32],
        channels: usize,
        before: Option<&'a [f32]>,
        copies: &'a mut [f32],
    ) {
        copies.fill(0.0);
        let pixels = input.len() / channels;
        with_channels!(channels, {
            let rows = input.chunks_exact(channels).zip(part.simplices(pixels));
            for (pixel, (row, (corners, weights))) in rows.enumerate() {
                let factor = before.map_or(1.0, |before| before[pixel]);
                for (corner, weight) in corners.iter().zip(weights) {
                    let to = &mut copies[usize::from(*corner) * channels..][..channels];
                    add_product(to, weight * factor, row);
                }
            }
        });
    }
}

vectorized! {
    /// Fetches the values of the part's vertices and sums them for every pixel.
    fn slice<'a>(
        part: &'a Part,
        values: &'a [f32],
        channels: usize,
        after: &'a [f32],
        copies: &'a mut [f32],
        output: &'a mut [f32],
    ) {
        let pixels = output.len() / channels;
        with_channels!(channels, {
            for (copy, vertex) in copies.chunks_exact_mut(channels).zip(&part.vertices) {
                copy.copy_from_slice(&values[*vertex as usize * channels..][..channels]);
            }
            let rows = output.chunks_exact_mut(channels).zip(part.simplices(pixels));
            for (pixel, (row, (corners, weights))) in rows.enumerate() {
                let factor = after[pixel];
                row.fill(0.0);
                for (corner, weight) in corners.iter().zip(weights) {
                    let from = &copies[usize::from(*corner) * channels..][..channels];
                    add_product(row, weight * factor, from);
                }
            }
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

/// `to · factors`, in place.
fn multiply(to: &mut [f32], factors: &[f32]) {
    for (to, factor) in to.iter_mut().zip(factors) {
        *to *= factor;
    }
}

/// `to += weight · from`.
#[inline(always)]
fn add_product(to: &mut [f32], weight: f32, from: &[f32]) {
    let (wide_to, to) = to.as_chunks_mut::<WIDE>();
    let (wide_from, from) = from.as_chunks::<WIDE>();
    for (to, from) in wide_to.iter_mut().zip(wide_from) {
        // All are read before any is written, which makes one vector of them.
        *to = std::array::from_fn(|at| to[at] + weight * from[at]);
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to += weight * from;
    }
}

vectorized! {
    /// Each row of `out` = the sum of its rows of `from`, in their order.
    fn gather<'a>(
        out: &'a mut [f32],
        channels: usize,
        from: &'a [f32],
        starts: &'a [u32],
        sources: &'a [u32],
    ) {
        with_channels!(channels, {
            for (out, range) in out.chunks_exact_mut(channels).zip(starts.windows(2)) {
                out.fill(0.0);
                for source in &sources[range[0] as usize..range[1] as usize] {
                    let from = &from[*source as usize * channels..][..channels];
                    add_product(out, 1.0, from);
                }
            }
        });
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
        with_channels!(channels, {
            let own = values[(first + 1) * channels..].chunks_exact(channels);
            let rows = out.chunks_exact_mut(channels).zip(own);
            for ((out, own), &[left, right]) in rows.zip(neighbours) {
                let left = &values[left as usize * channels..][..channels];
                let right = &values[right as usize * channels..][..channels];
                let (wide_out, out) = out.as_chunks_mut::<WIDE>();
                let [(wide_own, own), (wide_left, left), (wide_right, right)] =
                    [own, left, right].map(|row| row.as_chunks::<WIDE>());
                let rows = wide_own.iter().zip(wide_left).zip(wide_right);
                for (out, ((own, left), right)) in wide_out.iter_mut().zip(rows) {
                    *out = std::array::from_fn(|at| own[at] + 0.5 * (left[at] + right[at]));
                }
                for (((out, own), left), right) in out.iter_mut().zip(own).zip(left).zip(right) {
                    *out = own + 0.5 * (left + right);
                }
            }
        });
    }
}

/// Ways from a vertex to others.
struct Steps<const WORDS: usize> {
    scales: Vec<f32>,
    /// One in every coordinate.
    one: Key<WORDS>,
    /// d + 1 in one coordinate. Lane d is the implied coordinate: nothing falls there.
    falls: Vec<Key<WORDS>>,
}

impl<const WORDS: usize> Steps<WORDS> {
    fn new(d: usize) -> Self {
        let fall = |axis| match axis {
            axis if axis < d => lane(axis, d as u16 + 1),
            _ => [0; WORDS],
        };
        Self {
            scales: axis_scales(d),
            one: ones(d),
            falls: (0..=d).map(fall).collect(),
        }
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
            for (vertex, key) in table.keys().iter().enumerate() {
                // Along axis j the neighbour has +d in coordinate j and −1 in all others.
                let neighbour = table.find(&step(*key, fall, &steps.one));
                if neighbour != 0 {
                    axis[vertex][0] = neighbour;
                    axis[neighbour as usize - 1][1] = vertex as u32 + 1;
                }
            }
        });
    neighbours
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
