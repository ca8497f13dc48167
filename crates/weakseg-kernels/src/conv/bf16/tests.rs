//! Every pass on every instruction set beside the definition, of operands that were rounded before.

use super::super::ConvOptions;
use super::super::ending::Ending;
use super::super::layouts::Weight;
use super::super::reference::{Case, Numbers, cases_of, convolve, error, rounding_tiles};
use super::{forward, input_gradient, weight_gradient};
use crate::bf16::{Bf16, rounded};
use crate::tile::Tiles;

/// Sums of up to four thousand products in f32, in another order than the definition's; AVX512-BF16
/// rounds each product's sum twice. (Both sets take subnormal sums for zero, of which there are none.)
const TOLERANCE: f64 = 5e-6;

fn as_bf16(values: &[f32]) -> Vec<f32> {
    let value = |v: &f32| f32::from_bits(u32::from(rounded(*v)) << 16);
    values.iter().map(value).collect()
}

/// Shapes of the networks scaled down, then random ones.
fn cases(count: usize) -> Vec<Case> {
    let same = ConvOptions::same;
    let named = [
        ([1, 32, 9, 11], [32, 32, 3, 3], same(3, 1)),
        ([3, 40, 7, 7], [72, 40, 3, 3], same(3, 1)),
        ([2, 33, 8, 8], [35, 33, 1, 1], same(1, 1)),
        ([4, 64, 7, 7], [32, 64, 1, 1], same(1, 1)),
        ([2, 32, 14, 13], [33, 32, 3, 3], same(3, 4)),
        // More places than a chunk or a task takes at a time.
        ([2, 32, 40, 50], [32, 32, 3, 3], same(3, 1)),
        // More channels than are read in one pass, more places than a stretch.
        ([2, 1300, 29, 31], [32, 1300, 1, 1], same(1, 1)),
        ([2, 420, 18, 18], [40, 420, 3, 3], same(3, 6)),
        ([1, 32, 5, 6], [40, 32, 5, 2], ConvOptions::default()),
        ([2, 64, 14, 14], [64, 64, 3, 3], same(3, 1).with_stride(2)),
        ([1, 40, 15, 17], [32, 40, 3, 3], same(3, 1).with_stride(3)),
        ([1, 32, 20, 20], [33, 32, 7, 7], same(7, 1).with_stride(2)),
    ];
    let random = |numbers: &mut Numbers| {
        let mut two = |from, to| [numbers.pick(from, to), numbers.pick(from, to)];
        let (size, kernel, channels) = (two(1, 20), two(1, 4), two(32, 70));
        let options = ConvOptions {
            stride: two(1, 2),
            padding: two(0, 3),
            dilation: two(1, 2),
            ..ConvOptions::default()
        };
        let batch = numbers.pick(1, 3);
        let [inputs, outputs] = channels;
        let x = [batch, inputs, size[0], size[1]];
        (x, [outputs, inputs, kernel[0], kernel[1]], options)
    };
    cases_of(count, Numbers(0x9e37_79b9_7f4a_7c15), named, random)
}

#[test]
fn every_pass_on_every_instruction_set_equals_the_definition() {
    let mut served = [0; 3];
    for case in cases(40) {
        let (x, weight, upstream) = (
            as_bf16(&case.x),
            as_bf16(&case.weight),
            as_bf16(&case.upstream),
        );
        // The bias is not rounded.
        let (output, input, weights) = convolve(&case.shape, &x, &weight, &case.bias, &upstream);
        for tiles in &rounding_tiles() {
            let (shape, bias) = (&case.shape, &Ending::bias(Some(&case.bias)));
            let passes = [
                (
                    forward(tiles, shape, &case.x, Weight::once(&case.weight), bias),
                    &output,
                ),
                (
                    input_gradient(tiles, shape, &case.weight, &case.upstream),
                    &input,
                ),
                (
                    weight_gradient(tiles, shape, &case.x, &case.upstream),
                    &weights,
                ),
            ];
            for (pass, (found, expected)) in passes.into_iter().enumerate() {
                let Some(found) = found else { continue };
                served[pass] += 1;
                let error = error(&found, expected);
                let sets = (tiles.set, tiles.bf16);
                assert!(
                    error <= TOLERANCE,
                    "pass {pass} on {sets:?}: {error} for {shape:?}"
                );
            }
        }
    }
    let sets = rounding_tiles().len();
    assert!(
        served.iter().all(|n| *n >= 15 * sets),
        "{served:?} on {sets} sets"
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for case in cases(12) {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let best = *Bf16::available().last().expect("the portable one");
            let best = &Tiles::detect().rounding(best);
            pool.expect("a thread pool").install(|| {
                let (shape, x, up) = (&case.shape, &case.x, &case.upstream);
                [
                    forward(
                        best,
                        shape,
                        x,
                        Weight::once(&case.weight),
                        &Ending::default(),
                    ),
                    input_gradient(best, shape, &case.weight, up),
                    weight_gradient(best, shape, x, up),
                ]
            })
        };
        assert_eq!(run(1), run(3), "{:?}", case.shape);
    }
}
