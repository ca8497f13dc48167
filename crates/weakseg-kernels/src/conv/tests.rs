//! Every way beside the definition, and what follows beside passes of its own.

use std::collections::BTreeMap;

use super::reference::{Case, cases, error, followed, maps, rounding_tiles};
use super::*;

/// Sums of up to some thousand products in another order than the definition's.
const DIRECT: f64 = 2e-6;
/// The transforms of F(4x4, 3x3) lose most of a digit; see `winograd::tests`.
const WINOGRAD: f64 = 1e-5;

/// Which of a convolution's passes.
#[derive(Debug, Clone, Copy)]
enum Pass {
    Forward,
    Input,
    Weight,
}

/// What every way that can compute a convolution finds, and what the shape decides on.
fn all_ways(tiles: &Tiles, case: &Case) -> Vec<(&'static str, Pass, f64, Vec<f32>)> {
    let Case {
        shape,
        x,
        weight,
        bias,
        upstream,
    } = case;
    let bias = &Ending::bias(Some(bias.as_slice()));
    let grouped = shape.options.groups > 1;
    let mut all = Vec::new();
    let correlates: [(&str, Correlate); 2] =
        [("direct", direct::correlate), ("panels", panels::correlate)];
    for (name, correlate) in &correlates[..if grouped { 1 } else { 2 }] {
        let way = |_: &Planes<'_>, _: &Correlation| *correlate;
        let found = forward_by(way, tiles, shape, x, Weight::once(weight), bias);
        all.push((*name, Pass::Forward, DIRECT, found));
        let found = input_gradient_by(way, tiles, shape, weight, upstream);
        all.push((*name, Pass::Input, DIRECT, found));
    }
    let found = weight_gradient::weight_gradient(tiles, shape, x, upstream);
    all.push(("blocks", Pass::Weight, DIRECT, found));
    if !grouped {
        let found = dots::weight_gradient(tiles, shape, x, upstream);
        all.push(("dots", Pass::Weight, DIRECT, found));
    }
    let tolerance = match winograd::choice::serves(shape) {
        true => WINOGRAD,
        false => DIRECT,
    };
    let found = forward(tiles, shape, x, Weight::once(weight), bias);
    all.push(("chosen", Pass::Forward, tolerance, found));
    let found = input_gradient(tiles, shape, weight, upstream);
    all.push(("chosen", Pass::Input, tolerance, found));
    let found = weight_gradient(tiles, shape, x, upstream);
    all.push(("chosen", Pass::Weight, tolerance, found));
    all
}

#[test]
fn every_way_on_every_instruction_set_equals_the_definition() {
    for case in cases(90) {
        let (shape, bias) = (&case.shape, &case.bias);
        let (output, input, weights) =
            reference::convolve(shape, &case.x, &case.weight, bias, &case.upstream);
        for tiles in &Tiles::available() {
            for (name, pass, tolerance, found) in all_ways(tiles, &case) {
                let expected = match pass {
                    Pass::Forward => &output,
                    Pass::Input => &input,
                    Pass::Weight => &weights,
                };
                let error = error(&found, expected);
                let set = tiles.set;
                assert!(
                    error <= tolerance,
                    "{name} {pass:?} on {set:?}: {error} for {shape:?}"
                );
            }
        }
    }
}

/// The way that a shape's forward pass goes in f32.
fn way_of(shape: &ConvShape) -> &'static str {
    if let Some(plain) = pointwise::plain(shape) {
        way_of(&plain)
    } else if depthwise::serves(shape) {
        "depthwise"
    } else if winograd::choice::serves(shape) {
        "winograd"
    } else {
        "correlations"
    }
}

#[test]
fn what_follows_is_what_passes_of_their_own_would_make_of_it() {
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases(60) {
        let (shape, x, weight) = (&case.shape, &case.x, &case.weight);
        let plain = Ending::bias(Some(&case.bias));
        let maps = [false, true].map(|relu| maps(shape, relu));
        let mut compare = |way, tiles: &Tiles, run: &dyn Fn(&Ending<'_>) -> Vec<f32>| {
            let sums = run(&plain);
            for maps in &maps {
                // Any values of the output's size.
                for shortcut in [None, Some(case.upstream.as_slice())] {
                    let ending = Ending {
                        maps: Some(maps),
                        shortcut,
                        ..plain
                    };
                    let (set, shortcut) = (tiles.set, shortcut.is_some());
                    assert!(
                        run(&ending) == followed(shape, &ending, &sums),
                        "{way} on {set:?} for {shape:?}, shortcut: {shortcut}"
                    );
                }
            }
            *compared.entry(way).or_default() += 1;
        };
        for tiles in &Tiles::available() {
            compare(way_of(shape), tiles, &|ending| {
                forward(tiles, shape, x, Weight::once(weight), ending)
            });
            let correlates: [(&str, Correlate); 2] =
                [("direct", direct::correlate), ("panels", panels::correlate)];
            let ways = if shape.options.groups > 1 { 1 } else { 2 };
            for (name, correlate) in correlates.into_iter().take(ways) {
                let way = |_: &Planes<'_>, _: &Correlation| correlate;
                compare(name, tiles, &|ending| {
                    forward_by(way, tiles, shape, x, Weight::once(weight), ending)
                });
            }
        }
        for tiles in rounding_tiles() {
            if bf16::forward(&tiles, shape, x, Weight::once(weight), &plain).is_none() {
                continue;
            }
            compare("bf16", &tiles, &|ending| {
                forward(&tiles, shape, x, Weight::once(weight), ending)
            });
        }
    }
    let (sets, rounding) = (Tiles::available().len(), rounding_tiles().len());
    for (way, least) in [
        ("depthwise", 2 * sets),
        ("winograd", sets),
        ("correlations", 40 * sets),
        ("direct", 60 * sets),
        ("panels", 30 * sets),
        ("bf16", 3 * rounding),
    ] {
        let count = compared.get(way).copied().unwrap_or(0);
        assert!(count >= least, "{way}: {count} of {least}");
    }
}

#[test]
fn what_is_kept_of_a_weight_gives_the_same_bytes() {
    let mut made = [0; 3];
    for case in cases(60) {
        let (shape, weight) = (&case.shape, case.weight.as_slice());
        let ending = Ending::bias(Some(&case.bias));
        let other: Vec<f32> = case.x.iter().map(|x| 0.5 - x).collect();
        for tiles in Tiles::available().into_iter().chain(rounding_tiles()) {
            let layouts = Layouts::default();
            let kept = Weight {
                values: weight,
                layouts: Some(&layouts),
            };
            for x in [&case.x, &other, &case.x] {
                let once = forward(&tiles, shape, x, Weight::once(weight), &ending);
                let found = forward(&tiles, shape, x, kept, &ending);
                assert!(found == once, "{:?} for {shape:?}", tiles.set);
            }
            // Two passes at once, of which either may be the one to make the layout.
            let layouts_of_both = Layouts::default();
            let both = Weight {
                values: weight,
                layouts: Some(&layouts_of_both),
            };
            let pass = || forward(&tiles, shape, &case.x, both, &ending);
            let (one, other) = rayon::join(pass, pass);
            assert!(one == other, "{:?} for {shape:?}", tiles.set);
            made[0] += usize::from(layouts.columns.get().is_some());
            made[1] += usize::from(layouts.steps.get().is_some());
            made[2] += usize::from(layouts.kernels.get().is_some());
        }
    }
    let (sets, rounding) = (Tiles::available().len(), rounding_tiles().len());
    let least = [40 * sets, 3 * rounding, sets];
    assert!(
        made.iter().zip(least).all(|(made, least)| *made >= least),
        "{made:?}"
    );
}

/// The first case with a bias and a shortcut of so many values more than fit, and with maps or without.
fn follow_first(bias: usize, with_maps: bool, shortcut: usize) {
    let case = &cases(1)[0];
    let bias = vec![0.0; case.shape.outputs + bias];
    let shortcut = vec![0.0; case.shape.output_len() + shortcut];
    let maps = maps(&case.shape, true);
    let ending = Ending {
        bias: Some(&bias),
        maps: with_maps.then_some(&maps),
        shortcut: Some(&shortcut),
    };
    let weight = Weight::once(&case.weight);
    let _ = forward(Tiles::detect(), &case.shape, &case.x, weight, &ending);
}

#[test]
#[should_panic(expected = "bias size")]
fn a_bias_has_a_value_for_each_channel() {
    follow_first(1, true, 0);
}

#[test]
#[should_panic(expected = "shortcut size")]
fn a_shortcut_is_of_the_outputs_size() {
    follow_first(0, true, 1);
}

#[test]
#[should_panic(expected = "maps of a shortcut")]
fn a_shortcut_needs_maps() {
    follow_first(0, false, 0);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for case in cases(25) {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("a thread pool");
            pool.install(|| all_ways(Tiles::detect(), &case))
        };
        for ((name, pass, _, one), (_, _, _, three)) in run(1).into_iter().zip(run(3)) {
            assert_eq!(one, three, "{name} {pass:?} for {:?}", case.shape);
        }
    }
}
