//! Passes over whole tensors, value by value on all threads, in one piece of the `[B, C, H, W]`
//! order. Each takes the function of a plane from the plane's number (image · C + channel).

use rayon::prelude::*;

use crate::buffers;
use crate::instructions::{Instructions, per_instruction_set};

/// Values a task takes at least: fewer cost less than handing them out.
const GRAIN: usize = 1 << 14;

/// Planes of `plane` values a task takes at least.
pub(crate) fn grain(plane: usize) -> usize {
    GRAIN.div_ceil(plane.max(1))
}

/// A function of each value.
pub(crate) fn map<F: Fn(f32) -> f32>(
    set: Instructions,
    x: &[f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) -> Vec<f32> {
    let mut output = buffers::take(x.len());
    output
        .par_chunks_mut(plane)
        .zip(x.par_chunks(plane))
        .enumerate()
        .with_min_len(grain(plane))
        .for_each(|(at, (output, x))| map_plane(set, output, x, of_plane(at)));
    output
}

/// A function of each pair of values.
pub(crate) fn zip_map<F: Fn(f32, f32) -> f32>(
    set: Instructions,
    a: &[f32],
    b: &[f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "sizes of the inputs");
    let mut output = buffers::take(a.len());
    output
        .par_chunks_mut(plane)
        .zip(a.par_chunks(plane).zip(b.par_chunks(plane)))
        .enumerate()
        .with_min_len(grain(plane))
        .for_each(|(at, (output, (a, b)))| zip_map_plane(set, output, a, b, of_plane(at)));
    output
}

/// [`map`] over its input.
pub(crate) fn update<F: Fn(f32) -> f32>(
    set: Instructions,
    x: &mut [f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) {
    x.par_chunks_mut(plane)
        .enumerate()
        .with_min_len(grain(plane))
        .for_each(|(at, x)| update_plane(set, x, of_plane(at)));
}

/// [`zip_map`] over its first input.
pub(crate) fn zip_update<F: Fn(f32, f32) -> f32>(
    set: Instructions,
    a: &mut [f32],
    b: &[f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) {
    assert_eq!(a.len(), b.len(), "sizes of the inputs");
    a.par_chunks_mut(plane)
        .zip(b.par_chunks(plane))
        .enumerate()
        .with_min_len(grain(plane))
        .for_each(|(at, (a, b))| zip_update_plane(set, a, b, of_plane(at)));
}

per_instruction_set! {
    fn map_plane[](output: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32) {
        for (output, x) in output.iter_mut().zip(x) {
            *output = f(*x);
        }
    }
}

per_instruction_set! {
    fn zip_map_plane[](output: &mut [f32], a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
        for (output, (a, b)) in output.iter_mut().zip(a.iter().zip(b)) {
            *output = f(*a, *b);
        }
    }
}

per_instruction_set! {
    /// [`update`] of one plane, or a part of it.
    pub(crate) fn update_plane[](x: &mut [f32], f: impl Fn(f32) -> f32) {
        for x in x {
            *x = f(*x);
        }
    }
}

per_instruction_set! {
    /// [`zip_update`] of one plane, or a part of it.
    pub(crate) fn zip_update_plane[](a: &mut [f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
        for (a, b) in a.iter_mut().zip(b) {
            *a = f(*a, *b);
        }
    }
}
