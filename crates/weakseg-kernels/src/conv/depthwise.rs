//! Convolutions whose groups have one or two channels: pairs of planes, tap by tap.
//!
//! There are no channels to share a value among, so nothing is packed or copied: a tap adds a
//! multiple of shifted rows (forward, input gradient) or takes their dot product (weight
//! gradient), over the pixels where it lies inside the input. Each plane is one task's, each
//! kernel one task's.
#![allow(unsafe_code)] // Vector instructions on rows of planes; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::ending::Ending;
use super::shape::ConvShape;
use crate::scratch::{Shared, written_by};
use crate::tile::{Four, Tiles, Vector, for_every_set};

/// Whether the groups are so small that planes are taken in pairs.
pub(super) fn serves(shape: &ConvShape) -> bool {
    shape.options.groups > 1 && shape.group_inputs() <= 2 && shape.group_outputs() <= 2
}

/// `[B, O, OH, OW]`, with what follows.
pub(super) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    ending: &Ending<'_>,
) -> Vec<f32> {
    let planes = Planes::new(shape, Some(x), None, Some(weight));
    // SAFETY: each task fills its own plane of the output before it adds to it.
    unsafe {
        written_by(shape.output_len(), |output: Shared| {
            (0..shape.batch * shape.outputs)
                .into_par_iter()
                .for_each(|plane| {
                    let (image, channel) = (plane / shape.outputs, plane % shape.outputs);
                    let at = plane * planes.output_plane;
                    let to = output.get().add(at);
                    let values = || std::slice::from_raw_parts_mut(to, planes.output_plane);
                    values().fill(ending.bias_of(channel));
                    for input in planes.inputs_of(channel) {
                        let pair = planes.pair(image, channel, input);
                        add_output(tiles, &Pair { output: to, ..pair });
                    }
                    ending.follow(tiles.set, channel, at, values());
                });
        })
    }
}

/// `[B, I, H, W]`.
pub(super) fn input_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    let planes = Planes::new(shape, None, Some(output_gradient), Some(weight));
    // SAFETY: as in `forward`, for planes of the input.
    unsafe {
        written_by(shape.input_len(), |gradient: Shared| {
            (0..shape.batch * shape.inputs)
                .into_par_iter()
                .for_each(|plane| {
                    let (image, channel) = (plane / shape.inputs, plane % shape.inputs);
                    let to = gradient.get().add(plane * planes.input_plane);
                    std::slice::from_raw_parts_mut(to, planes.input_plane).fill(0.0);
                    for output in planes.outputs_of(channel) {
                        let pair = planes.pair(image, output, channel);
                        add_input(tiles, &Pair { input: to, ..pair });
                    }
                });
        })
    }
}

/// `[O, I / groups, KH, KW]`.
pub(super) fn weight_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    let planes = Planes::new(shape, Some(x), Some(output_gradient), None);
    let taps = shape.taps();
    let inputs = shape.group_inputs();
    let mut gradient = vec![0.0; shape.weight_len()];
    gradient
        .par_chunks_exact_mut(taps)
        .enumerate()
        .for_each(|(kernel, gradient)| {
            let output = kernel / inputs;
            let input = planes.inputs_of(output).start + kernel % inputs;
            for image in 0..shape.batch {
                let pair = planes.pair(image, output, input);
                let kernel = gradient.as_mut_ptr();
                // SAFETY: the planes lie in x and the output gradient, the kernel in this task's
                // own part of the gradient.
                unsafe { add_kernel(tiles, &Pair { kernel, ..pair }) };
            }
        });
    gradient
}

/// The tensors of one pass; what the pass writes is not among them.
struct Planes<'a> {
    shape: &'a ConvShape,
    x: Option<&'a [f32]>,
    output: Option<&'a [f32]>,
    weight: Option<&'a [f32]>,
    input_plane: usize,
    output_plane: usize,
}

impl<'a> Planes<'a> {
    fn new(
        shape: &'a ConvShape,
        x: Option<&'a [f32]>,
        output: Option<&'a [f32]>,
        weight: Option<&'a [f32]>,
    ) -> Self {
        assert!(x.is_none_or(|x| x.len() == shape.input_len()), "input size");
        assert!(
            output.is_none_or(|o| o.len() == shape.output_len()),
            "output gradient size"
        );
        assert!(
            weight.is_none_or(|w| w.len() == shape.weight_len()),
            "weight size"
        );
        Self {
            shape,
            x,
            output,
            weight,
            input_plane: shape.size[0] * shape.size[1],
            output_plane: shape.output_size[0] * shape.output_size[1],
        }
    }

    /// The input channels that an output channel sees.
    fn inputs_of(&self, output: usize) -> Range<usize> {
        let count = self.shape.group_inputs();
        let group = output / self.shape.group_outputs();
        group * count..(group + 1) * count
    }

    /// The output channels that see an input channel.
    fn outputs_of(&self, input: usize) -> Range<usize> {
        let count = self.shape.group_outputs();
        let group = input / self.shape.group_inputs();
        group * count..(group + 1) * count
    }

    /// Two planes and the kernel between them; null for what the pass does not read.
    fn pair(&self, image: usize, output: usize, input: usize) -> Pair<'a> {
        let shape = self.shape;
        let pointer = |values: Option<&[f32]>, at: usize| match values {
            Some(values) => values[at..].as_ptr().cast_mut(),
            None => std::ptr::null_mut(),
        };
        let kernel = output * shape.group_inputs() + input % shape.group_inputs();
        Pair {
            shape,
            input: pointer(self.x, (image * shape.inputs + input) * self.input_plane),
            output: pointer(
                self.output,
                (image * shape.outputs + output) * self.output_plane,
            ),
            kernel: pointer(self.weight, kernel * shape.taps()),
        }
    }
}

/// An input plane, an output plane and the kernel between them, one of which is written.
#[derive(Clone, Copy)]
struct Pair<'a> {
    shape: &'a ConvShape,
    input: *mut f32,
    output: *mut f32,
    kernel: *mut f32,
}

impl Pair<'_> {
    /// Calls `visit` with each tap and each pair of rows that it connects: number of the tap, the
    /// first input and the first output, and their count. Inputs are a stride apart.
    ///
    /// # Safety
    ///
    /// The planes must be whole.
    #[inline(always)]
    unsafe fn rows(&self, mut visit: impl FnMut(usize, *mut f32, *mut f32, usize)) {
        let shape = self.shape;
        for tap in 0..shape.taps() {
            let (rows, first_y) = shape.inside(0, tap / shape.kernel[1]);
            let (columns, first_x) = shape.inside(1, tap % shape.kernel[1]);
            if columns.is_empty() {
                continue;
            }
            for (at, row) in rows.enumerate() {
                let y = first_y + at * shape.options.stride[0];
                // SAFETY: both are pixels of the planes, by the definition of `inside`.
                unsafe {
                    visit(
                        tap,
                        self.input.add(y * shape.size[1] + first_x),
                        self.output.add(row * shape.output_size[1] + columns.start),
                        columns.len(),
                    );
                }
            }
        }
    }
}

/// # Safety
///
/// The pair's planes and kernel must be whole, what is written nobody else's; and as [`Vector::splat`].
#[inline(always)]
unsafe fn add_output_with<V: Vector>(pair: &Pair<'_>) {
    let stride = pair.shape.options.stride[1];
    // SAFETY: the rows hold `count` values each, `stride` apart in the input.
    unsafe {
        pair.rows(|tap, input, output, count| {
            let factor = *pair.kernel.add(tap);
            if stride == 1 {
                add_multiple::<V>(output, factor, input, count);
            } else {
                for at in 0..count {
                    *output.add(at) += factor * *input.add(at * stride);
                }
            }
        });
    }
}

/// # Safety
///
/// As [`add_output_with`].
#[inline(always)]
unsafe fn add_input_with<V: Vector>(pair: &Pair<'_>) {
    let stride = pair.shape.options.stride[1];
    // SAFETY: as above.
    unsafe {
        pair.rows(|tap, input, output, count| {
            let factor = *pair.kernel.add(tap);
            if stride == 1 {
                add_multiple::<V>(input, factor, output, count);
            } else {
                for at in 0..count {
                    *input.add(at * stride) += factor * *output.add(at);
                }
            }
        });
    }
}

/// # Safety
///
/// As [`add_output_with`].
#[inline(always)]
unsafe fn add_kernel_with<V: Vector>(pair: &Pair<'_>) {
    let stride = pair.shape.options.stride[1];
    // SAFETY: as above.
    unsafe {
        pair.rows(|tap, input, output, count| {
            *pair.kernel.add(tap) += if stride == 1 {
                dot::<V>(input, output, count)
            } else {
                (0..count).fold(0.0, |sum, at| {
                    sum + *input.add(at * stride) * *output.add(at)
                })
            };
        });
    }
}

for_every_set!(
    /// Adds what the input plane gives to the output plane.
    add_output, add_output_with, Pair<'_>
);
for_every_set!(
    /// Adds what the output plane's gradient gives to the input plane's.
    add_input, add_input_with, Pair<'_>
);
for_every_set!(
    /// Adds what both planes give to the kernel's gradient.
    add_kernel, add_kernel_with, Pair<'_>
);

/// `to[at] += factor * from[at]`.
///
/// # Safety
///
/// `count` values of both must be readable, of `to` writable; and as [`Vector::splat`].
#[inline(always)]
unsafe fn add_multiple<V: Vector>(to: *mut f32, factor: f32, from: *const f32, count: usize) {
    // SAFETY: the caller vouches for `count` values of both.
    unsafe {
        let mut at = 0;
        let factors = V::splat(factor);
        while at + V::LANES <= count {
            let sum = V::load(to.add(at)).add_product(factors, V::load(from.add(at)));
            sum.store(to.add(at));
            at += V::LANES;
        }
        let factors = Four::splat(factor);
        while at + Four::LANES <= count {
            let sum = Four::load(to.add(at)).add_product(factors, Four::load(from.add(at)));
            sum.store(to.add(at));
            at += Four::LANES;
        }
        for at in at..count {
            *to.add(at) += factor * *from.add(at);
        }
    }
}

/// `Σ a[at] * b[at]`.
///
/// # Safety
///
/// `count` values of both must be readable; and as [`Vector::splat`].
#[inline(always)]
unsafe fn dot<V: Vector>(a: *const f32, b: *const f32, count: usize) -> f32 {
    // SAFETY: the caller vouches for `count` values of both.
    unsafe {
        let mut at = 0;
        let mut lanes = V::splat(0.0);
        while at + V::LANES <= count {
            lanes = lanes.add_product(V::load(a.add(at)), V::load(b.add(at)));
            at += V::LANES;
        }
        let mut rest = Four::splat(0.0);
        while at + Four::LANES <= count {
            rest = rest.add_product(Four::load(a.add(at)), Four::load(b.add(at)));
            at += Four::LANES;
        }
        let zero = V::splat(0.0);
        let [mut sum, ..] = V::sums([lanes, zero, zero, zero]);
        let zero = Four::splat(0.0);
        sum += Four::sums([rest, zero, zero, zero])[0];
        for at in at..count {
            sum += *a.add(at) * *b.add(at);
        }
        sum
    }
}
