//! Affinity of pixel pairs: one minus the largest edge on the path, and its gradient.

use rayon::prelude::*;

use crate::path::{PathIndex, Sources};

/// Directions whose gradients share one buffer. Fixed, so that the order of the additions does
/// not depend on the number of threads.
const CHUNK: usize = 16;

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
    affinity
        .par_chunks_mut(count)
        .enumerate()
        .for_each(|(index, out)| {
            let (image, direction) = (index / directions, index % directions);
            let edge = &edge[image * height * width..][..height * width];
            let columns = sources.columns().len();
            for (row, out) in sources.rows().zip(out.chunks_exact_mut(columns)) {
                let (last, rest) = split(&paths.paths()[direction]);
                out.copy_from_slice(line(edge, width, &sources, row, last));
                for cell in rest {
                    for (out, value) in out.iter_mut().zip(line(edge, width, &sources, row, *cell))
                    {
                        *out = if *value > *out { *value } else { *out };
                    }
                }
                for out in out {
                    *out = 1.0 - *out;
                }
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
                scatter(
                    edge,
                    width,
                    &sources,
                    &paths.paths()[direction],
                    upstream,
                    part,
                );
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

/// Subtracts each pair's gradient from the cell that decided its affinity.
fn scatter(
    edge: &[f32],
    width: usize,
    sources: &Sources,
    path: &[[isize; 2]],
    upstream: &[f32],
    part: &mut [f32],
) {
    let columns = sources.columns().len();
    let offsets: Vec<isize> = path.iter().map(|cell| sources.offset(*cell)).collect();
    for (row, upstream) in sources.rows().zip(upstream.chunks_exact(columns)) {
        let start = row * width + sources.columns().start;
        for (x, upstream) in upstream.iter().enumerate() {
            let pixel = start + x;
            let mut best = pixel.wrapping_add_signed(offsets[0]);
            for offset in &offsets[1..] {
                let cell = pixel.wrapping_add_signed(*offset);
                if edge[cell] > edge[best] {
                    best = cell;
                }
            }
            part[best] -= upstream;
        }
    }
}

/// First cell of a path and the others.
fn split(path: &[[isize; 2]]) -> ([isize; 2], &[[isize; 2]]) {
    (path[0], &path[1..])
}

/// The edges one cell of the path has for the sources of a row.
fn line<'a>(
    edge: &'a [f32],
    width: usize,
    sources: &Sources,
    row: usize,
    cell: [isize; 2],
) -> &'a [f32] {
    let start = (row * width + sources.columns().start).wrapping_add_signed(sources.offset(cell));
    &edge[start..][..sources.columns().len()]
}
