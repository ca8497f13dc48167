//! Passes over whole tensors, value by value on all threads, in one piece of the `[B, C, H, W]`
//! order. Each takes the function of a plane from the plane's number (image · C + channel).
#![allow(unsafe_code)] // Outputs are large; zeroing them first would cost a pass over memory.

use rayon::prelude::*;

/// Values a task takes at least: fewer cost less than handing them out.
const GRAIN: usize = 1 << 14;

/// Planes of `plane` values a task takes at least.
pub(crate) fn grain(plane: usize) -> usize {
    GRAIN.div_ceil(plane)
}

/// A function of each value.
pub(crate) fn map<F: Fn(f32) -> f32>(
    x: &[f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) -> Vec<f32> {
    zip_map(x, x, plane, |at| {
        let f = of_plane(at);
        move |x, _| f(x)
    })
}

/// A function of each pair of values.
pub(crate) fn zip_map<F: Fn(f32, f32) -> f32>(
    a: &[f32],
    b: &[f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "sizes of the inputs");
    let mut output = Vec::with_capacity(a.len());
    output.spare_capacity_mut()[..a.len()]
        .par_chunks_mut(plane)
        .zip(a.par_chunks(plane).zip(b.par_chunks(plane)))
        .enumerate()
        .with_min_len(grain(plane))
        .for_each(|(at, (output, (a, b)))| {
            let f = of_plane(at);
            for (output, (a, b)) in output.iter_mut().zip(a.iter().zip(b)) {
                output.write(f(*a, *b));
            }
        });
    // SAFETY: the three have the same length and are cut alike, so every value was written.
    unsafe { output.set_len(a.len()) };
    output
}

/// [`map`] over its input.
pub(crate) fn update<F: Fn(f32) -> f32>(
    x: &mut [f32],
    plane: usize,
    of_plane: impl Fn(usize) -> F + Sync,
) {
    x.par_chunks_mut(plane)
        .enumerate()
        .with_min_len(grain(plane))
        .for_each(|(at, x)| {
            let f = of_plane(at);
            x.iter_mut().for_each(|x| *x = f(*x));
        });
}

/// [`zip_map`] over its first input.
pub(crate) fn zip_update<F: Fn(f32, f32) -> f32>(
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
        .for_each(|(at, (a, b))| {
            let f = of_plane(at);
            for (a, b) in a.iter_mut().zip(b) {
                *a = f(*a, *b);
            }
        });
}
