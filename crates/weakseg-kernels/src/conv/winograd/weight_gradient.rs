//! Weight gradients: `Gᵀ [Σ (Bᵀ x B) ⊙ (A dY Aᵀ)] G` over all tiles.
//!
//! A task is (some output channels, some input channels, a chunk of the tiles). It lays the
//! planes of a few tiles at a time out with the channels innermost and transforms them; 36
//! products, output channels times a run of input channels, are summed over the tiles. The chunks,
//! whose number depends on the sizes alone, are transformed back and added in order: the result
//! is the same for any number of threads.
#![allow(unsafe_code)] // Tasks write disjoint parts of one gradient; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::super::division::even_runs;
use super::super::shape::ConvShape;
use super::pixels;
use super::tiling::{Sizes, Tiling};
use super::transform::{KERNEL, PRODUCTS, STEP, TILE, WeightGradient, both_axes};
use crate::scratch::{Shared, with_buffers, written_by};
use crate::tile::{Block, RUN, Start, Tiles, Vector, for_every_set};

/// Channels of a task, of the input and of the output.
const INPUTS: usize = 256;
const OUTPUTS: usize = 128;
/// Tiles transformed at a time.
const UNIT: usize = 64;
/// Tasks wanted at least (fixed: the division does not depend on the threads).
const TASKS: usize = 16;
/// Values of the gradients of all chunks together.
const PARTIAL_VALUES: usize = 4 * 1024 * 1024;
/// Values of the gradient added up at a time.
const SLICE: usize = 16 * 1024;
/// Taps of the kernel.
const TAPS: usize = KERNEL * KERNEL;

/// Gradient of the weight `[O, I, 3, 3]`.
pub(super) fn run(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    assert_eq!(x.len(), shape.input_len(), "input size");
    assert_eq!(
        output_gradient.len(),
        shape.output_len(),
        "output gradient size"
    );
    let sizes = Sizes {
        batch: shape.batch,
        source: shape.size,
        destination: shape.output_size,
        dilation: shape.options.dilation,
        start: shape.options.padding.map(|padding| -(padding as isize)),
        window: TILE,
    };
    let work = Work {
        tiles,
        shape,
        x,
        output_gradient,
        source: Tiling::new(sizes),
        upstream: Tiling::new(Sizes {
            source: shape.output_size,
            start: [0, 0],
            window: STEP,
            ..sizes
        }),
    };
    let unit = work.unit();
    let units = work.source.len().div_ceil(unit);
    let inputs = even_runs(shape.inputs, INPUTS);
    let outputs = even_runs(shape.outputs, OUTPUTS);
    let input_parts = shape.inputs.div_ceil(inputs);
    let parts = input_parts * shape.outputs.div_ceil(outputs);
    let most = (PARTIAL_VALUES / shape.weight_len()).max(1);
    let chunk = units.div_ceil(TASKS.div_ceil(parts).min(most).min(units));
    let chunks = units.div_ceil(chunk);
    let len = shape.weight_len();
    let fill = |total: Shared| {
        with_buffers([(chunks - 1) * len], |[others]| {
            let shared = Shared::new(others);
            (0..chunks * parts).into_par_iter().for_each(|index| {
                let (part, index) = (index % parts, index / parts);
                let first_input = part % input_parts * inputs;
                let first_output = part / input_parts * outputs;
                let task = Task {
                    work: &work,
                    inputs: first_input..shape.inputs.min(first_input + inputs),
                    outputs: first_output..shape.outputs.min(first_output + outputs),
                };
                let end = work.source.len().min((index + 1) * chunk * unit);
                // SAFETY: each chunk has its gradient, each part its channels of it.
                unsafe {
                    let gradient = match index {
                        0 => total.get(),
                        other => shared.get().add((other - 1) * len),
                    };
                    task.run(index * chunk * unit..end, unit, gradient);
                }
            });
            (0..len.div_ceil(SLICE)).into_par_iter().for_each(|slice| {
                let range = slice * SLICE..len.min((slice + 1) * SLICE);
                // SAFETY: the first chunk's gradient is written, and the slices are disjoint.
                let total = unsafe {
                    std::slice::from_raw_parts_mut(total.get().add(range.start), range.len())
                };
                for other in others.chunks_exact(len) {
                    for (total, value) in total.iter_mut().zip(&other[range.clone()]) {
                        *total += value;
                    }
                }
            });
        });
    };
    // SAFETY: the parts of the first chunk cover the gradient.
    unsafe { written_by(len, fill) }
}

struct Work<'a> {
    tiles: &'a Tiles,
    shape: &'a ConvShape,
    x: &'a [f32],
    output_gradient: &'a [f32],
    source: Tiling,
    upstream: Tiling,
}

impl Work<'_> {
    /// Tiles of a unit: whole images or whole rows of tiles where they fit, so that little of the
    /// input is copied twice.
    fn unit(&self) -> usize {
        let row = self.shape.output_size[1]
            .div_ceil(self.shape.options.dilation[1])
            .div_ceil(STEP);
        let whole = [self.source.image_len(), row]
            .into_iter()
            .find(|tiles| *tiles <= UNIT);
        whole.map_or(UNIT, |tiles| UNIT / tiles * tiles)
    }
}

struct Task<'a> {
    work: &'a Work<'a>,
    inputs: Range<usize>,
    outputs: Range<usize>,
}

impl Task<'_> {
    /// Writes the gradient of this part of the weight, summed over some tiles.
    ///
    /// # Safety
    ///
    /// `gradient` must hold the whole weight, and nobody else may use this part of it.
    unsafe fn run(&self, range: Range<usize>, unit: usize, gradient: *mut f32) {
        let Work {
            tiles,
            shape,
            x,
            output_gradient,
            ..
        } = *self.work;
        let (width, rows) = (self.input_width(), self.output_width());
        // Some values more keep the products off each other's places in the cache.
        let source_stride = unit * width + RUN;
        let upstream_stride = unit * rows + RUN;
        let sums_stride = rows * width + RUN;
        let source_plane = shape.size[0] * shape.size[1];
        let upstream_plane = shape.output_size[0] * shape.output_size[1];
        let lengths = [sums_stride, source_stride, upstream_stride].map(|l| l * PRODUCTS);
        with_buffers(lengths, |[sums, source, upstream]| {
            for first in range.clone().step_by(unit) {
                let some = first..range.end.min(first + unit);
                let planes = [shape.inputs, shape.outputs];
                let block = self.work.source.block(some.clone(), planes);
                let copied = block.copies.len() * block.pitch * width;
                with_buffers([copied, block.pitch * width], |[copy, strided]| {
                    let planes = self.inputs.clone();
                    pixels::copy(
                        tiles.set,
                        &block,
                        x,
                        planes,
                        source_plane,
                        width,
                        strided,
                        copy,
                    );
                    pixels::transform_source(tiles, &block, width, copy, source, source_stride);
                });
                let block = self.work.upstream.block(some.clone(), [shape.outputs; 2]);
                let copied = block.copies.len() * block.pitch * rows;
                with_buffers([copied, block.pitch * rows], |[copy, strided]| {
                    let planes = self.outputs.clone();
                    let (from, plane) = (output_gradient, upstream_plane);
                    pixels::copy(tiles.set, &block, from, planes, plane, rows, strided, copy);
                    let stride = upstream_stride;
                    pixels::transform_upstream(tiles, &block, rows, copy, upstream, stride);
                });
                let zeros = [0.0; RUN];
                let start = if first == range.start {
                    Start::From(&zeros)
                } else {
                    Start::Destination
                };
                let strides = [sums_stride, source_stride, upstream_stride];
                self.multiply(some.len(), [sums, source, upstream], strides, start);
            }
            // SAFETY: the sums hold whole runs of every row; the caller vouches for the gradient.
            unsafe { self.place(sums, sums_stride, gradient) };
        });
    }

    /// Input channels in whole runs.
    fn input_width(&self) -> usize {
        self.inputs.len().next_multiple_of(RUN)
    }

    /// Output channels in whole runs, which are whole blocks too.
    fn output_width(&self) -> usize {
        self.outputs.len().next_multiple_of(RUN)
    }

    /// Adds the products of some tiles; buffers and strides are of sums, source and upstream.
    fn multiply(
        &self,
        count: usize,
        [sums, source, upstream]: [&mut [f32]; 3],
        [sums_stride, source_stride, upstream_stride]: [usize; 3],
        start: Start<'_>,
    ) {
        let (tiles, width) = (self.work.tiles, self.input_width());
        let blocks = self.outputs.len().div_ceil(tiles.rows);
        let offsets: Vec<u32> = (0..count).map(|tile| (tile * width) as u32).collect();
        for product in 0..PRODUCTS {
            let source = &source[product * source_stride..][..count * width];
            let upstream = &upstream[product * upstream_stride..][..blocks * count * tiles.rows];
            let sums = &mut sums[product * sums_stride..][..blocks * tiles.rows * width];
            for block in 0..blocks {
                // SAFETY: the source holds `width` values and the upstream a column for each
                // tile, the sums `width` values in each row (sliced).
                unsafe {
                    tiles.run(
                        &Block {
                            depth: count,
                            a: upstream.as_ptr().add(block * count * tiles.rows),
                            b: source.as_ptr(),
                            offsets: offsets.as_ptr(),
                            out: sums.as_mut_ptr().add(block * tiles.rows * width),
                            row_stride: width,
                        },
                        width,
                        start,
                    );
                }
            }
        }
    }

    /// Transforms the finished sums and writes them to their places in the weight.
    ///
    /// # Safety
    ///
    /// `gradient` must hold the whole weight, and nobody else may use this part of it.
    unsafe fn place(&self, sums: &[f32], stride: usize, gradient: *mut f32) {
        let width = self.input_width();
        let mut taps = [[0.0f32; RUN]; TAPS];
        for (row, output) in self.outputs.clone().enumerate() {
            for run in (0..self.inputs.len()).step_by(RUN) {
                let sums = Sums {
                    from: sums[row * width + run..].as_ptr(),
                    stride,
                    to: taps.as_mut_ptr().cast(),
                };
                // SAFETY: RUN sums of each product, and TAPS runs to write.
                unsafe { transform_sums(self.work.tiles, &sums) };
                let first = output * self.work.shape.inputs + self.inputs.start + run;
                for lane in 0..RUN.min(self.inputs.len() - run) {
                    for (tap, values) in taps.iter().enumerate() {
                        // SAFETY: channels and tap are within the weight.
                        unsafe { *gradient.add((first + lane) * TAPS + tap) = values[lane] };
                    }
                }
            }
        }
    }
}

struct Sums {
    from: *const f32,
    stride: usize,
    to: *mut f32,
}

for_every_set!(transform_sums, sums, Sums);

/// # Safety
///
/// [`RUN`] sums of each product must be readable and so many values of each tap writable, by nobody
/// else; and as [`Vector::splat`].
#[inline(always)]
unsafe fn sums<V: Vector>(sums: &Sums) {
    for lane in (0..RUN).step_by(V::LANES) {
        // SAFETY: the caller vouches for the sums and the taps.
        unsafe {
            both_axes::<WeightGradient, V, _, _>(
                sums.from.add(lane),
                [TILE * sums.stride, sums.stride],
                sums.to.add(lane),
                RUN,
            );
        }
    }
}
