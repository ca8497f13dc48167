//! Planes times one number each, and means of planes: squeeze and excitation, for f32.

use rayon::prelude::*;

use crate::elementwise::grain;
use crate::instructions::{Instructions, per_instruction_set};
use crate::norm::Upstream;
use crate::sums::{PairSums, sum};

/// Writes the gradient of x to the upstream's buffer; that of each plane's gate.
pub(crate) fn backward(
    set: Instructions,
    x: &[f32],
    gate: &[f32],
    plane: usize,
    upstream: Upstream<'_>,
) -> Vec<f32> {
    match upstream {
        Upstream::Own(upstream) => {
            assert_eq!(x.len(), upstream.len(), "sizes");
            let planes = upstream.par_chunks_mut(plane).zip(x.par_chunks(plane));
            planes
                .zip(gate)
                .with_min_len(grain(plane))
                .map(|((upstream, x), gate)| {
                    let sum = product_sum(set, x, upstream);
                    scale(set, upstream, *gate);
                    sum
                })
                .collect()
        }
        Upstream::Other(upstream, output) => {
            assert_eq!([x.len(); 2], [upstream.len(), output.len()], "sizes");
            let inputs = upstream.par_chunks(plane).zip(x.par_chunks(plane));
            output
                .par_chunks_mut(plane)
                .zip(inputs)
                .zip(gate)
                .with_min_len(grain(plane))
                .map(|((output, (upstream, x)), gate)| {
                    scaled(set, output, upstream, *gate);
                    product_sum(set, x, upstream)
                })
                .collect()
        }
    }
}

/// The mean of each plane, summed in f64.
pub(crate) fn means(set: Instructions, x: &[f32], plane: usize) -> Vec<f32> {
    x.par_chunks(plane)
        .with_min_len(grain(plane))
        .map(|x| mean(set, x))
        .collect()
}

per_instruction_set! {
    fn product_sum[](a: &[f32], b: &[f32]) -> f32 {
        let mut sums = PairSums::new();
        sums.add(a, b, |a, b| [a, b]);
        sums.totals()[1] as f32
    }
}

per_instruction_set! {
    fn scale[](x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }
}

per_instruction_set! {
    fn scaled[](output: &mut [f32], x: &[f32], factor: f32) {
        for (output, x) in output.iter_mut().zip(x) {
            *output = x * factor;
        }
    }
}

per_instruction_set! {
    fn mean[](x: &[f32]) -> f32 {
        (sum(x) / x.len() as f64) as f32
    }
}
