//! Against the definition, whatever the choice says.

use super::super::ConvOptions;
use super::super::reference::{Case, Numbers, cases_of, convolve, error, followed, maps};
use super::*;

/// Shapes at the borders of what the tiles, blocks and parts hold, then random ones.
fn cases(count: usize) -> Vec<Case> {
    let same = ConvOptions::same;
    let named = [
        // Whole tiles; one pixel; less than a tile; several images in a block.
        ([1, 16, 16, 16], 16, same(3, 1)),
        ([1, 1, 1, 1], 1, same(3, 1)),
        ([2, 3, 3, 2], 5, same(3, 1)),
        ([5, 20, 14, 14], 24, same(3, 1)),
        // Dilations that leave parts of tiles, and that leave phases empty.
        ([2, 9, 28, 28], 10, same(3, 4)),
        ([1, 4, 5, 40], 7, same(3, 12)),
        // More blocks than are kept whole, and more channels than are held at a time.
        ([1, 5, 101, 66], 9, same(3, 1)),
        ([2, 3, 50, 54], 70, same(3, 1)),
        ([1, 70, 13, 9], 150, same(3, 2)),
        // More source channels than a task with few tiles takes at a time, both ways.
        ([1, 300, 6, 6], 220, same(3, 1)),
        // Without padding, and with more than the kernel reaches.
        ([1, 6, 20, 19], 6, ConvOptions::default()),
        (
            [1, 6, 9, 7],
            6,
            ConvOptions {
                padding: [5, 4],
                ..ConvOptions::default()
            },
        ),
    ];
    let weight = |x: [usize; 4], outputs| [outputs, x[1], 3, 3];
    let named = named.map(|(x, outputs, options)| (x, weight(x, outputs), options));
    let random = |numbers: &mut Numbers| {
        let mut two = |from, to| [numbers.pick(from, to), numbers.pick(from, to)];
        let dilation = two(1, 4);
        let padding = two(0, 100);
        let options = ConvOptions {
            padding: [0, 1].map(|axis| padding[axis] % (2 * dilation[axis] + 1)),
            dilation,
            ..ConvOptions::default()
        };
        let (size, channels) = (two(1, 30), two(1, 40));
        let x = [numbers.pick(1, 3), channels[0], size[0], size[1]];
        (x, weight(x, channels[1]), options)
    };
    cases_of(count, Numbers(0x9E37_79B9_7F4A_7C15), named, random)
}

/// The transforms add and subtract values several times as large as the results, so the error is
/// larger than the direct kernels' (2e-6), but far below the 1e-3 that convolutions by Winograd's
/// method are commonly granted.
const TOLERANCE: f64 = 1e-5;

#[test]
fn every_instruction_set_equals_the_definition() {
    let mut worst = [0.0f64; 3];
    for case in cases(60) {
        let Case {
            shape,
            x,
            weight,
            bias,
            upstream,
        } = &case;
        let (output, input, weights) = convolve(shape, x, weight, bias, upstream);
        for tiles in Tiles::available() {
            let errors = [
                error(
                    &forward(
                        &tiles,
                        shape,
                        x,
                        Weight::once(weight),
                        &Ending::bias(Some(bias)),
                    ),
                    &output,
                ),
                error(&input_gradient(&tiles, shape, weight, upstream), &input),
                error(&weight_gradient(&tiles, shape, x, upstream), &weights),
            ];
            assert!(
                errors.iter().all(|e| *e <= TOLERANCE),
                "{:?} {shape:?}: {errors:?}",
                tiles.set
            );
            for (worst, error) in worst.iter_mut().zip(errors) {
                *worst = worst.max(error);
            }
        }
    }
    eprintln!("largest errors: {worst:?}");
}

#[test]
fn maps_follow_on_every_instruction_set() {
    for case in cases(30) {
        let shape = &case.shape;
        let plain = Ending::bias(Some(&case.bias));
        for tiles in Tiles::available() {
            let run = |ending: &Ending<'_>| {
                forward(&tiles, shape, &case.x, Weight::once(&case.weight), ending)
            };
            let sums = run(&plain);
            for relu in [false, true] {
                let ending = Ending {
                    maps: Some(&maps(shape, relu)),
                    ..plain
                };
                assert!(
                    run(&ending) == followed(shape, &ending, &sums),
                    "{:?} {shape:?}, relu: {relu}",
                    tiles.set
                );
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    // The fifth is computed by channels, the seventh by tiles.
    for case in cases(7).drain(4..) {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a thread pool").install(|| {
                let tiles = Tiles::detect();
                [
                    forward(
                        tiles,
                        &case.shape,
                        &case.x,
                        Weight::once(&case.weight),
                        &Ending::default(),
                    ),
                    input_gradient(tiles, &case.shape, &case.weight, &case.upstream),
                    weight_gradient(tiles, &case.shape, &case.x, &case.upstream),
                ]
            })
        };
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn convolutions_use_it_where_it_pays() {
    let shape = |inputs, size, dilation| {
        let options = ConvOptions::same(3, dilation);
        let shape = ConvShape::new([2, inputs, size, size], [64, inputs, 3, 3], options);
        shape.expect("a convolution")
    };
    for (shape, serves) in [
        (shape(64, 28, 1), true),
        (shape(40, 7, 1), true),
        (shape(64, 28, 2), true),
        // Few channels; a tile for every four pixels.
        (shape(3, 28, 1), false),
        (shape(32, 28, 14), false),
    ] {
        let case = Numbers(7).case(shape);
        let (x, weight, upstream) = (&case.x, &case.weight, &case.upstream);
        let tiles = Tiles::detect();
        // The two methods round differently.
        let same = [
            super::super::forward(tiles, &shape, x, Weight::once(weight), &Ending::default())
                == forward(tiles, &shape, x, Weight::once(weight), &Ending::default()),
            super::super::input_gradient(tiles, &shape, weight, upstream)
                == input_gradient(tiles, &shape, weight, upstream),
            super::super::weight_gradient(tiles, &shape, x, upstream)
                == weight_gradient(tiles, &shape, x, upstream),
        ];
        assert_eq!(same, [serves; 3], "{shape:?}");
    }
}
