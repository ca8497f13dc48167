//! Resizing by repeating pixels, alone or beside other maps: the two halves of a U-Net's decoder
//! block, for f32.

use rayon::prelude::*;

use crate::buffers;
use crate::elementwise::grain;
use crate::instructions::{Instructions, per_instruction_set};

/// Sizes of a resizing: images and channels of x, its height and width, those of the result, channels
/// of the maps behind it (0 for none).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    images: usize,
    channels: usize,
    from: [usize; 2],
    to: [usize; 2],
    joined: usize,
}

impl Growth {
    /// Of x of this shape, with `joined` channels behind it.
    pub fn new(shape: [usize; 4], to: [usize; 2], joined: usize) -> Self {
        let [images, channels, height, width] = shape;
        Self {
            images,
            channels,
            from: [height, width],
            to,
            joined,
        }
    }

    /// The result's shape.
    pub fn shape(&self) -> [usize; 4] {
        let [height, width] = self.to;
        [self.images, self.channels + self.joined, height, width]
    }

    /// Pixel ⌊i·m/n⌋ of m for each i of n.
    fn sources(&self, axis: usize) -> Vec<u32> {
        let (from, to) = (self.from[axis], self.to[axis]);
        (0..to).map(|at| (at * from / to) as u32).collect()
    }

    fn columns(&self) -> Columns {
        if self.to[1] == 2 * self.from[1] {
            Columns::Pairs
        } else {
            Columns::From(self.sources(1))
        }
    }

    fn pixels(size: [usize; 2]) -> usize {
        size[0] * size[1]
    }
}

/// Where the pixels of a row come from.
enum Columns {
    /// Two from each.
    Pairs,
    /// Each from the one with this number.
    From(Vec<u32>),
}

/// x resized, and behind its channels those of `skip`.
pub(crate) fn forward(set: Instructions, x: &[f32], skip: &[f32], growth: Growth) -> Vec<f32> {
    let (small, large) = (Growth::pixels(growth.from), Growth::pixels(growth.to));
    let channels = growth.channels + growth.joined;
    let (rows, columns) = (growth.sources(0), growth.columns());
    let mut output = buffers::take(growth.images * channels * large);
    output
        .par_chunks_mut(large)
        .enumerate()
        .with_min_len(grain(large))
        .for_each(|(at, output)| {
            let (image, channel) = (at / channels, at % channels);
            match channel.checked_sub(growth.channels) {
                None => {
                    let at = image * growth.channels + channel;
                    repeat(
                        set,
                        output,
                        &x[at * small..][..small],
                        growth,
                        &rows,
                        &columns,
                    );
                }
                Some(channel) => {
                    let at = image * growth.joined + channel;
                    output.copy_from_slice(&skip[at * large..][..large]);
                }
            }
        });
    output
}

/// The gradient of x.
pub(crate) fn backward(set: Instructions, upstream: &[f32], growth: Growth) -> Vec<f32> {
    let (small, large) = (Growth::pixels(growth.from), Growth::pixels(growth.to));
    let (rows, columns) = (growth.sources(0), growth.columns());
    let mut gradient = buffers::take(growth.images * growth.channels * small);
    gradient
        .par_chunks_mut(small)
        .enumerate()
        .with_min_len(grain(large))
        .for_each(|(at, gradient)| {
            let (image, channel) = (at / growth.channels, at % growth.channels);
            let at = image * (growth.channels + growth.joined) + channel;
            gather(
                set,
                gradient,
                &upstream[at * large..][..large],
                growth,
                &rows,
                &columns,
            );
        });
    gradient
}

/// The gradient of the maps behind x.
pub(crate) fn skip_gradient(upstream: &[f32], growth: Growth) -> Vec<f32> {
    let large = Growth::pixels(growth.to);
    let (own, joined) = (growth.channels * large, growth.joined * large);
    let mut gradient = buffers::take(growth.images * joined);
    gradient
        .par_chunks_mut(large)
        .enumerate()
        .with_min_len(grain(large))
        .for_each(|(at, gradient)| {
            let (image, channel) = (at / growth.joined, at % growth.joined);
            let start = image * (own + joined) + own + channel * large;
            gradient.copy_from_slice(&upstream[start..][..large]);
        });
    gradient
}

per_instruction_set! {
    fn repeat[](
        output: &mut [f32],
        x: &[f32],
        growth: Growth,
        rows: &[u32],
        columns: &Columns,
    ) {
        let ([_, from], [_, to]) = (growth.from, growth.to);
        for (at, row) in rows.iter().enumerate() {
            if at > 0 && rows[at - 1] == *row {
                output.copy_within((at - 1) * to..at * to, at * to);
                continue;
            }
            let x = &x[*row as usize * from..][..from];
            let output = &mut output[at * to..][..to];
            match columns {
                Columns::Pairs => {
                    for (pair, x) in output.as_chunks_mut::<2>().0.iter_mut().zip(x) {
                        *pair = [*x; 2];
                    }
                }
                Columns::From(columns) => {
                    for (output, column) in output.iter_mut().zip(columns) {
                        *output = x[*column as usize];
                    }
                }
            }
        }
    }
}

per_instruction_set! {
    fn gather[](
        gradient: &mut [f32],
        upstream: &[f32],
        growth: Growth,
        rows: &[u32],
        columns: &Columns,
    ) {
        let ([_, from], [_, to]) = (growth.from, growth.to);
        gradient.fill(0.0);
        for (upstream, row) in upstream.chunks_exact(to).zip(rows) {
            let gradient = &mut gradient[*row as usize * from..][..from];
            match columns {
                Columns::Pairs => {
                    for (gradient, pair) in gradient.iter_mut().zip(upstream.as_chunks::<2>().0) {
                        *gradient += pair[0] + pair[1];
                    }
                }
                Columns::From(columns) => {
                    for (upstream, column) in upstream.iter().zip(columns) {
                        gradient[*column as usize] += upstream;
                    }
                }
            }
        }
    }
}
