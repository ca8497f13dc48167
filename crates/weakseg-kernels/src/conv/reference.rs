//! The definition of a convolution and its gradients in f64, and shapes to try it on; what follows a convolution, value
//! by value.

use super::{ConvOptions, ConvShape, Ending};
use crate::bf16::Bf16;
use crate::norm::{ChannelMap, affine};
use crate::tile::Tiles;

/// Tensors of one convolution.
pub(super) struct Case {
    pub shape: ConvShape,
    pub x: Vec<f32>,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub upstream: Vec<f32>,
}

/// A stream of numbers without a pattern (xorshift64).
pub(super) struct Numbers(pub u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn pick(&mut self, from: usize, to: usize) -> usize {
        from + (self.next() >> 33) as usize % (to - from + 1)
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }

    pub fn case(&mut self, shape: ConvShape) -> Case {
        Case {
            x: self.values(shape.input_len()),
            weight: self.values(shape.weight_len()),
            bias: self.values(shape.outputs),
            upstream: self.values(shape.output_len()),
            shape,
        }
    }
}

/// `count` cases: the sizes and options of the networks scaled down, then random ones.
pub(super) fn cases(count: usize) -> Vec<Case> {
    let same = ConvOptions::same;
    let named = [
        ([1, 3, 32, 32], [8, 3, 3, 3], same(3, 1)),
        ([2, 3, 17, 19], [8, 3, 7, 7], same(7, 1).with_stride(2)),
        ([1, 16, 16, 48], [16, 16, 3, 3], same(3, 1)),
        ([1, 20, 14, 14], [24, 20, 3, 3], same(3, 2)),
        ([2, 16, 8, 8], [9, 16, 1, 1], ConvOptions::default()),
        ([2, 12, 7, 9], [8, 12, 1, 1], ConvOptions::default()),
        (
            [1, 8, 9, 9],
            [16, 8, 1, 1],
            ConvOptions::default().with_stride(2),
        ),
        ([1, 12, 10, 10], [12, 1, 3, 3], same(3, 1).with_groups(12)),
        ([1, 8, 10, 33], [16, 2, 3, 3], same(3, 1).with_groups(4)),
        ([1, 20, 24, 64], [72, 20, 3, 3], same(3, 1)),
        // More channels than a task takes at a time, in both directions; many small tasks.
        ([1, 800, 5, 5], [8, 800, 1, 1], ConvOptions::default()),
        ([3, 4, 70, 66], [8, 4, 3, 3], same(3, 1)),
        ([1, 150, 9, 10], [130, 150, 3, 3], same(3, 1)),
        // Far dilations, whose taps lie outside for some pixels or all.
        ([2, 40, 9, 11], [72, 40, 3, 3], same(3, 4)),
        ([1, 8, 7, 9], [8, 8, 3, 3], same(3, 6)),
        ([1, 6, 5, 6], [7, 6, 3, 3], same(3, 9)),
        // Padding that no tap reaches across.
        (
            [1, 3, 4, 5],
            [2, 3, 3, 3],
            ConvOptions {
                padding: [9, 9],
                ..same(3, 7)
            },
        ),
        // Small maps of several images, in many panels, and more sums than chunks.
        ([3, 520, 7, 7], [72, 520, 1, 1], ConvOptions::default()),
        ([5, 16, 33, 30], [64, 16, 3, 3], same(3, 1)),
        ([2, 6, 35, 40], [5, 6, 1, 1], ConvOptions::default()),
        // A stride along an axis of one pixel.
        (
            [2, 3, 5, 1],
            [4, 3, 3, 3],
            ConvOptions {
                stride: [1, 2],
                ..same(3, 1)
            },
        ),
        // Planes of a whole page.
        ([2, 19, 16, 64], [9, 19, 1, 1], ConvOptions::default()),
    ];
    let random = |numbers: &mut Numbers| {
        let groups = [1, 1, 1, 2, 3][numbers.pick(0, 4)];
        let mut two = |from, to| [numbers.pick(from, to), numbers.pick(from, to)];
        let options = ConvOptions {
            stride: two(1, 3),
            padding: two(0, 3),
            dilation: two(1, 3),
            groups,
        };
        let (size, kernel, channels) = (two(1, 20), two(1, 4), two(1, 18));
        let batch = numbers.pick(1, 2);
        let inputs = channels[0].div_ceil(groups);
        let outputs = channels[1].div_ceil(groups) * groups;
        (
            [batch, inputs * groups, size[0], size[1]],
            [outputs, inputs, kernel[0], kernel[1]],
            options,
        )
    };
    cases_of(count, Numbers(88_172_645_463_325_252), named, random)
}

/// Sizes of x and of the weight, and the rest.
pub(super) type Sizes = ([usize; 4], [usize; 4], ConvOptions);

/// `count` cases: of named sizes, then of random ones; sizes that do not fit each other are passed over.
pub(super) fn cases_of(
    count: usize,
    mut numbers: Numbers,
    named: impl IntoIterator<Item = Sizes>,
    random: impl Fn(&mut Numbers) -> Sizes,
) -> Vec<Case> {
    let mut named = named.into_iter();
    let mut found = Vec::new();
    while found.len() < count {
        let (x, weight, options) = named.next().unwrap_or_else(|| random(&mut numbers));
        if let Some(shape) = ConvShape::new(x, weight, options) {
            found.push(numbers.case(shape));
        }
    }
    found
}

/// Kernels that round: each instruction set and each set of bf16 products at least once.
pub(super) fn rounding_tiles() -> Vec<Tiles> {
    let (sets, products) = (Tiles::available(), Bf16::available());
    (0..sets.len().max(products.len()))
        .map(|at| sets[at % sets.len()].rounding(products[at % products.len()]))
        .collect()
}

/// Output, input gradient and weight gradient.
pub(super) fn convolve(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    upstream: &[f32],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut output = vec![0.0; shape.output_len()];
    let mut input_gradient = vec![0.0; shape.input_len()];
    let mut weight_gradient = vec![0.0; shape.weight_len()];
    let pixels = shape.output_size[0] * shape.output_size[1];
    for (at, value) in output.iter_mut().enumerate() {
        let (image, channel) = (at / pixels / shape.outputs, at / pixels % shape.outputs);
        let pixel = [
            at % pixels / shape.output_size[1],
            at % shape.output_size[1],
        ];
        let group = channel / shape.group_outputs();
        let gradient = f64::from(upstream[at]);
        *value = f64::from(bias[channel]);
        for input in 0..shape.group_inputs() {
            for tap in 0..shape.taps() {
                let tap_at = [tap / shape.kernel[1], tap % shape.kernel[1]];
                let [y, x_at]: [Option<usize>; 2] = std::array::from_fn(|axis| {
                    let padded = pixel[axis] * shape.options.stride[axis]
                        + tap_at[axis] * shape.options.dilation[axis];
                    let at = padded.checked_sub(shape.options.padding[axis])?;
                    (at < shape.size[axis]).then_some(at)
                });
                let (Some(y), Some(x_at)) = (y, x_at) else {
                    continue;
                };
                let plane = image * shape.inputs + group * shape.group_inputs() + input;
                let source = (plane * shape.size[0] + y) * shape.size[1] + x_at;
                let factor = (channel * shape.group_inputs() + input) * shape.taps() + tap;
                *value += f64::from(x[source]) * f64::from(weight[factor]);
                input_gradient[source] += gradient * f64::from(weight[factor]);
                weight_gradient[factor] += gradient * f64::from(x[source]);
            }
        }
    }
    (output, input_gradient, weight_gradient)
}

/// Maps of a convolution's outputs.
pub(super) fn maps(shape: &ConvShape, relu: bool) -> Vec<ChannelMap> {
    let values = |step: f32| -> Vec<f32> {
        (1..=shape.outputs)
            .map(|channel| (channel as f32 * step).sin())
            .collect()
    };
    affine(&values(1.3), &values(0.7), relu)
}

/// What maps and shortcut make of sums that the bias is in.
pub(super) fn followed(shape: &ConvShape, ending: &Ending<'_>, sums: &[f32]) -> Vec<f32> {
    let maps = ending.maps.expect("maps");
    let pixels = shape.output_size[0] * shape.output_size[1];
    let mut found = Vec::new();
    for (at, sum) in sums.iter().enumerate() {
        let map = maps[at / pixels % shape.outputs];
        found.push(match ending.shortcut {
            Some(shortcut) => map.output_with(*sum, shortcut[at]),
            None => map.output(*sum),
        });
    }
    found
}

/// Largest difference over the largest expected magnitude.
pub(super) fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-30, |m: f64, v| m.max(v.abs()));
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0, |worst: f64, (f, e)| {
        let difference = (f64::from(*f) - e).abs();
        if difference.is_nan() {
            f64::INFINITY
        } else {
            worst.max(difference)
        }
    }) / scale
}
