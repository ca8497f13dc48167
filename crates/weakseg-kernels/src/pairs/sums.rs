//! The sums over all pairs and their gradient on the CPU: pairs are walked side by side, and nothing is kept of them.
//!
//! A task is some directions of an image. Its sums, or its part of the gradient, are added to the others' in order, so
//! that the number of threads changes nothing.

use rayon::prelude::*;

use super::labels::{PairLabels, masks};
use super::line::{Line, affinity, marked};
use super::{EPSILON, SUMS};
use crate::instructions::{Instructions, per_instruction_set};

/// Directions of a task. Fixed, so that the order of the additions does not depend on the number of threads.
const CHUNK: usize = 16;
/// Pairs walked side by side.
const WIDE: usize = 32;
/// Pairs walked side by side behind the last [`WIDE`] of a row.
const NARROW: usize = 8;
/// Factors of a product before its logarithm is taken: each is 1e-5 or more.
const FACTORS: usize = 32;
const NEAR: f32 = EPSILON as f32;

/// What the pairs of a batch look at.
#[derive(Clone, Copy)]
pub(crate) struct Maps<'a> {
    /// `[B, H, W]`.
    pub edge: &'a [f32],
    /// `[B, 2, H, W]`.
    pub displacement: &'a [f32],
    pub labels: &'a PairLabels,
}

impl<'a> Maps<'a> {
    fn pixels(&self) -> usize {
        let [_, height, width] = self.labels.shape();
        height * width
    }

    /// Images, and tasks of each.
    fn tasks(&self) -> [usize; 2] {
        let [batch, height, width] = self.labels.shape();
        let paths = self.labels.paths();
        match paths.sources(height, width).is_empty() {
            true => [batch, 0],
            false => [batch, paths.directions().len().div_ceil(CHUNK)],
        }
    }

    /// The directions of a task of an image.
    fn directions(&self, image: usize, task: usize) -> impl Iterator<Item = Pairs<'a>> {
        let Self {
            edge,
            displacement,
            labels,
        } = *self;
        let ([_, height, width], pixels) = (labels.shape(), self.pixels());
        let paths = labels.paths();
        let sources = paths.sources(height, width);
        let all = paths.directions().len();
        (task * CHUNK..all.min((task + 1) * CHUNK)).map(move |at| {
            let direction = paths.directions()[at];
            let edge = &edge[image * pixels..][..pixels];
            Pairs {
                line: Line::new(edge, width, &sources, &paths.paths()[at]),
                rows: sources.rows(),
                labels: labels.image(image),
                field: [0, 1].map(|axis| &displacement[(2 * image + axis) * pixels..][..pixels]),
                reach: sources.offset(direction),
                direction: direction.map(|step| step as f32),
            }
        })
    }
}

/// The sums, in f64 until the last.
pub(crate) fn forward(set: Instructions, maps: &Maps<'_>) -> [f32; SUMS] {
    let [images, tasks] = maps.tasks();
    let edge = &marked(maps.edge);
    let maps = Maps { edge, ..*maps };
    let parts: Vec<[f64; SUMS]> = (0..images * tasks)
        .into_par_iter()
        .map(|at| {
            let mut sums = Sums::new();
            for pairs in maps.directions(at / tasks, at % tasks) {
                add_pairs(set, &pairs, &mut sums);
            }
            sums.totals()
        })
        .collect();
    std::array::from_fn(|sum| parts.iter().map(|part| part[sum]).sum::<f64>() as f32)
}

/// Gradients with respect to the edge map and the displacements, from those of the sums.
pub(crate) fn backward(set: Instructions, maps: &Maps<'_>, upstream: [f32; SUMS]) -> [Vec<f32>; 2] {
    let ([images, tasks], pixels) = (maps.tasks(), maps.pixels());
    let edge = &marked(maps.edge);
    let maps = Maps { edge, ..*maps };
    let mut parts = vec![0.0; images * tasks * 3 * pixels];
    parts
        .par_chunks_mut((3 * pixels).max(1))
        .enumerate()
        .for_each(|(at, part)| {
            let (edge, field) = part.split_at_mut(pixels);
            let (vertical, horizontal) = field.split_at_mut(pixels);
            let mut part = Part {
                edge,
                field: [vertical, horizontal],
            };
            for pairs in maps.directions(at / tasks, at % tasks) {
                add_gradient(set, &pairs, upstream, &mut part);
            }
        });
    let total = |planes: std::ops::Range<usize>| {
        let mut gradient = vec![0.0; images * planes.len() * pixels];
        gradient
            .par_chunks_mut((planes.len() * pixels).max(1))
            .enumerate()
            .for_each(|(image, gradient)| {
                for task in 0..tasks {
                    let part = &parts[(image * tasks + task) * 3 * pixels..][..3 * pixels];
                    let part = &part[planes.start * pixels..planes.end * pixels];
                    for (gradient, value) in gradient.iter_mut().zip(part) {
                        *gradient += value;
                    }
                }
            });
        gradient
    };
    [total(0..1), total(1..3)]
}

/// The pairs of one direction in one image.
struct Pairs<'a> {
    line: Line<'a>,
    rows: std::ops::Range<usize>,
    labels: &'a [u32],
    /// Displacements, vertical and horizontal.
    field: [&'a [f32]; 2],
    /// From the pixel of a source to that of its destination.
    reach: isize,
    direction: [f32; 2],
}

impl Pairs<'_> {
    /// `N` values of a map at neighbouring sources, and at their destinations.
    #[inline(always)]
    fn ends<T: Copy + Default, const N: usize>(&self, map: &[T], pixel: usize) -> [[T; N]; 2] {
        let mut ends = [[T::default(); N]; 2];
        for (end, first) in (ends.iter_mut()).zip([pixel, pixel.wrapping_add_signed(self.reach)]) {
            end.copy_from_slice(&map[first..][..N]);
        }
        ends
    }
}

/// Lanes of the sums.
struct Sums {
    /// Products of affinities of background and foreground pairs, and of what negative pairs have left to 1, since the
    /// last logarithm.
    products: [[f64; WIDE]; 3],
    factors: usize,
    /// −log of the products before.
    logarithms: [f64; 3],
    /// Distances of foreground and background pairs.
    distances: [[f64; WIDE]; 2],
}

impl Sums {
    fn new() -> Self {
        Self {
            products: [[1.0; WIDE]; 3],
            factors: 0,
            logarithms: [0.0; 3],
            distances: [[0.0; WIDE]; 2],
        }
    }

    fn take_logarithms(&mut self) {
        for (sum, products) in self.logarithms.iter_mut().zip(&mut self.products) {
            for product in products {
                *sum -= std::mem::replace(product, 1.0).ln();
            }
        }
        self.factors = 0;
    }

    fn totals(mut self) -> [f64; SUMS] {
        self.take_logarithms();
        let [background, foreground, negative] = self.logarithms;
        let [near, still] = self.distances.map(|lanes| lanes.iter().sum());
        [background, foreground, negative, near, still]
    }

    /// Adds `N` neighbouring pairs.
    #[inline(always)]
    fn add<const N: usize>(&mut self, pairs: &Pairs<'_>, pixel: usize) {
        if self.factors == FACTORS {
            self.take_logarithms();
        }
        self.factors += 1;
        let greatest = pairs.line.greatest::<N>(pixel);
        let [sources, destinations] = pairs.ends::<u32, N>(pairs.labels, pixel);
        let mut factors = [[1.0f32; N]; 3];
        for lane in 0..N {
            let affinity = affinity(greatest[lane]);
            let (near, apart) = (affinity + NEAR, (1.0 + NEAR) - affinity);
            let [background, foreground, negative] = masks(sources[lane], destinations[lane]);
            factors[0][lane] = if background { near } else { 1.0 };
            factors[1][lane] = if foreground { near } else { 1.0 };
            factors[2][lane] = if negative { apart } else { 1.0 };
        }
        for (products, factors) in self.products.iter_mut().zip(&factors) {
            for lane in 0..N {
                products[lane] *= f64::from(factors[lane]);
            }
        }
        for axis in 0..2 {
            let [from, to] = pairs.ends::<f32, N>(pairs.field[axis], pixel);
            let mut terms = [[0.0f32; N]; 2];
            for lane in 0..N {
                let moved = from[lane] - to[lane];
                let [background, foreground, _] = masks(sources[lane], destinations[lane]);
                let near = (moved - pairs.direction[axis]).abs();
                terms[0][lane] = if foreground { near } else { 0.0 };
                terms[1][lane] = if background { moved.abs() } else { 0.0 };
            }
            for (distances, terms) in self.distances.iter_mut().zip(&terms) {
                for lane in 0..N {
                    distances[lane] += f64::from(terms[lane]);
                }
            }
        }
    }
}

/// What one task adds to the gradients of an image.
struct Part<'a> {
    edge: &'a mut [f32],
    field: [&'a mut [f32]; 2],
}

impl Part<'_> {
    /// Adds the gradients of `N` neighbouring pairs.
    #[inline(always)]
    fn add<const N: usize>(&mut self, pairs: &Pairs<'_>, upstream: [f32; SUMS], pixel: usize) {
        let [background_edge, foreground_edge, negative_edge, near, still] = upstream;
        let (greatest, cells) = pairs.line.deciding::<N>(pixel);
        let [sources, destinations] = pairs.ends::<u32, N>(pairs.labels, pixel);
        // Of the affinities: −1/(a + ε) times the sum's, or 1/(1 + ε − a).
        let mut gradients = [0.0f32; N];
        for lane in 0..N {
            let affinity = affinity(greatest[lane]);
            let [background, foreground, negative] = masks(sources[lane], destinations[lane]);
            let none_or_negative = if negative { negative_edge } else { 0.0 };
            let or_foreground = if foreground {
                -foreground_edge
            } else {
                none_or_negative
            };
            let factor = if background {
                -background_edge
            } else {
                or_foreground
            };
            let below = if negative {
                (1.0 + NEAR) - affinity
            } else {
                affinity + NEAR
            };
            gradients[lane] = factor / below;
        }
        for lane in 0..N {
            let at = (pixel + lane).wrapping_add_signed(pairs.line.offset(cells[lane]));
            self.edge[at] -= gradients[lane];
        }
        for (axis, gradient) in self.field.iter_mut().enumerate() {
            let [from, to] = pairs.ends::<f32, N>(pairs.field[axis], pixel);
            let mut signs = [0.0f32; N];
            for lane in 0..N {
                let moved = from[lane] - to[lane];
                let [background, foreground, _] = masks(sources[lane], destinations[lane]);
                let excess = if foreground {
                    moved - pairs.direction[axis]
                } else {
                    moved
                };
                let or_still = if background { still } else { 0.0 };
                let factor = if foreground { near } else { or_still };
                let sign = factor.copysign(excess) * factor.signum();
                signs[lane] = if excess == 0.0 { 0.0 } else { sign };
            }
            for (gradient, sign) in gradient[pixel..][..N].iter_mut().zip(signs) {
                *gradient += sign;
            }
            let to = pixel.wrapping_add_signed(pairs.reach);
            for (gradient, sign) in gradient[to..][..N].iter_mut().zip(signs) {
                *gradient -= sign;
            }
        }
    }
}

/// Calls `$each::<N>(pixel)` for all sources of the pairs.
macro_rules! for_each_source {
    ($pairs:ident, |$pixel:ident| $wide:expr, $narrow:expr, $single:expr) => {
        for row in $pairs.rows.clone() {
            let start = row * $pairs.line.width + $pairs.line.first;
            let end = start + $pairs.line.columns;
            let mut $pixel = start;
            while $pixel + WIDE <= end {
                $wide;
                $pixel += WIDE;
            }
            while $pixel + NARROW <= end {
                $narrow;
                $pixel += NARROW;
            }
            while $pixel < end {
                $single;
                $pixel += 1;
            }
        }
    };
}

per_instruction_set! {
    fn add_pairs[](pairs: &Pairs<'_>, sums: &mut Sums) {
        for_each_source!(
            pairs,
            |pixel| sums.add::<WIDE>(pairs, pixel),
            sums.add::<NARROW>(pairs, pixel),
            sums.add::<1>(pairs, pixel)
        );
    }
}

per_instruction_set! {
    fn add_gradient[](pairs: &Pairs<'_>, upstream: [f32; SUMS], part: &mut Part<'_>) {
        for_each_source!(
            pairs,
            |pixel| part.add::<WIDE>(pairs, upstream, pixel),
            part.add::<NARROW>(pairs, upstream, pixel),
            part.add::<1>(pairs, upstream, pixel)
        );
    }
}
