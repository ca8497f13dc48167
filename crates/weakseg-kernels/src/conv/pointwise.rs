//! Strided 1x1 convolutions: plain ones of the pixels that are read.

use rayon::prelude::*;

use super::{ConvOptions, ConvShape};
use crate::scratch::{Shared, Temporary, written_by, zeros};

/// The convolution of the pixels that a 1x1 kernel with a stride and no padding reads, none for
/// other shapes.
pub(super) fn plain(shape: &ConvShape) -> Option<ConvShape> {
    let options = &shape.options;
    let strided = options.padding == [0, 0] && options.stride != [1, 1];
    (shape.taps() == 1 && strided).then_some(ConvShape {
        size: shape.output_size,
        options: ConvOptions {
            stride: [1, 1],
            ..*options
        },
        ..*shape
    })
}

/// The pixels of x that are read, `[B, I, OH, OW]`.
#[allow(unsafe_code)] // The outputs are written by tasks of a plane each.
pub(super) fn thinned(shape: &ConvShape, x: &[f32]) -> Temporary {
    assert_eq!(x.len(), shape.input_len(), "input size");
    let [[height, width], [rows, columns]] = [shape.size, shape.output_size];
    let stride = shape.options.stride;
    let planes = shape.batch * shape.inputs;
    // SAFETY: each task writes the whole of its own plane.
    let thin = unsafe {
        written_by(planes * rows * columns, |thin: Shared| {
            x.par_chunks_exact(height * width)
                .enumerate()
                .for_each(|(plane, x)| {
                    let to = thin.get().add(plane * rows * columns);
                    for row in 0..rows {
                        let from = &x[row * stride[0] * width..][..width];
                        let to = std::slice::from_raw_parts_mut(to.add(row * columns), columns);
                        take_every(from, stride[1], to);
                    }
                });
        })
    };
    Temporary::new(thin)
}

/// A gradient of the pixels that are read, `[B, I, OH, OW]`, among zeros, `[B, I, H, W]`.
pub(super) fn spread(shape: &ConvShape, thin: &[f32]) -> Vec<f32> {
    let [[height, width], [rows, columns]] = [shape.size, shape.output_size];
    let stride = shape.options.stride;
    let mut gradient = zeros(shape.input_len());
    gradient
        .par_chunks_exact_mut(height * width)
        .zip(thin.par_chunks_exact(rows * columns))
        .for_each(|(plane, thin)| {
            for (row, thin) in thin.chunks_exact(columns).enumerate() {
                let to = &mut plane[row * stride[0] * width..][..width];
                for (to, value) in to.iter_mut().step_by(stride[1]).zip(thin) {
                    *to = *value;
                }
            }
        });
    gradient
}

/// Every `step`-th value.
fn take_every(from: &[f32], step: usize, to: &mut [f32]) {
    if step == 2 {
        // The usual one, in a form that becomes vector code.
        let (pairs, rest) = from.as_chunks::<2>();
        for (to, pair) in to.iter_mut().zip(pairs) {
            *to = pair[0];
        }
        if let (Some(last), [value]) = (to.get_mut(pairs.len()), rest) {
            *last = *value;
        }
    } else {
        for (to, value) in to.iter_mut().zip(from.iter().step_by(step)) {
            *to = *value;
        }
    }
}
