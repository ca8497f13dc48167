//! Weight gradient: sums over pixels of output gradient times shifted input.
//!
//! A task is (group, block of output channels, block of input channels, chunk of images and
//! rows). It lays its part of the padded input out with the channels innermost, so that a block
//! of the gradient is output channels times a run of input channels, summed over pixels; strides
//! and dilations are offsets of pixels. Each chunk has its own sums, and the chunks, whose number
//! depends on sizes and instruction set alone, are added in order: the result is the same for any
//! number of threads.
#![allow(unsafe_code)] // Tasks write disjoint parts of the sums; see the SAFETY comments.

use std::ops::Range;

use rayon::prelude::*;

use super::shape::ConvShape;
use super::transpose::transpose;
use super::weight_division::{Division, Layout};
use crate::buffers;
use crate::scratch::{Shared, with_buffers, written_by};
use crate::tile::{Block, SLACK, Start, Tiles};

/// Pixels summed at a time: their packed output gradients stay in the first-level cache.
const PIXELS: usize = 512;

/// Gradient of the weight `[O, I / groups, KH, KW]`.
pub(crate) fn weight_gradient(
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
    let division = Division::new(tiles, shape);
    let parts = shape.options.groups * division.channel_parts * division.block_parts;
    // Sums of one task: [block row, tap, lane].
    let widest = Layout::new(shape, division.channels);
    let sums = division.blocks * tiles.rows * widest.taps.len() * widest.padded_lanes;
    let task = |part, chunk| Task::new(tiles, shape, &division, part, chunk);
    let fill = |gradient: Shared| {
        if division.chunks == 1 {
            (0..parts).into_par_iter().for_each(|part| {
                with_buffers([sums], |[sums]| {
                    let task = task(part, 0);
                    task.run(x, output_gradient, sums);
                    // SAFETY: the gradient holds the whole weight, and each part is its own rows
                    // (group, output channels) and input channels of it.
                    unsafe { task.place(sums, gradient.get()) };
                });
            });
            return;
        }
        let mut partial = buffers::take(division.chunks * parts * sums);
        partial
            .par_chunks_mut(sums)
            .enumerate()
            .for_each(|(index, sums)| {
                task(index % parts, index / parts).run(x, output_gradient, sums);
            });
        (0..parts).into_par_iter().for_each(|part| {
            let (first, rest) = partial.split_at(parts * sums);
            let mut total = first[part * sums..][..sums].to_vec();
            for chunk in rest.chunks_exact(parts * sums) {
                for (total, value) in total.iter_mut().zip(&chunk[part * sums..][..sums]) {
                    *total += value;
                }
            }
            // SAFETY: as above.
            unsafe { task(part, 0).place(&total, gradient.get()) };
        });
        buffers::recycle(partial);
    };
    // SAFETY: the parts make up the whole weight.
    unsafe { written_by(shape.weight_len(), fill) }
}

struct Task<'a> {
    tiles: &'a Tiles,
    shape: &'a ConvShape,
    division: &'a Division,
    layout: Layout,
    group: usize,
    first_channel: usize,
    channels: usize,
    first_output: usize,
    outputs: usize,
    blocks: usize,
    chunk: usize,
}

impl<'a> Task<'a> {
    fn new(
        tiles: &'a Tiles,
        shape: &'a ConvShape,
        division: &'a Division,
        part: usize,
        chunk: usize,
    ) -> Self {
        let block_part = part % division.block_parts;
        let channel_part = part / division.block_parts % division.channel_parts;
        let group = part / (division.block_parts * division.channel_parts);
        let first_channel = channel_part * division.channels;
        let channels = division.channels.min(shape.group_inputs() - first_channel);
        let first_output = block_part * division.blocks * tiles.rows;
        let outputs = (division.blocks * tiles.rows).min(shape.group_outputs() - first_output);
        Self {
            tiles,
            shape,
            division,
            layout: Layout::new(shape, channels),
            group,
            first_channel,
            channels,
            first_output,
            outputs,
            blocks: outputs.div_ceil(tiles.rows),
            chunk,
        }
    }

    /// Sums the units of one chunk, in order.
    fn run(&self, x: &[f32], output_gradient: &[f32], sums: &mut [f32]) {
        let (shape, division, layout, tiles) =
            (self.shape, self.division, &self.layout, self.tiles);
        let stride = shape.options.stride;
        let reach: [usize; 2] =
            std::array::from_fn(|axis| (shape.kernel[axis] - 1) * shape.options.dilation[axis]);
        let width = (shape.output_size[1] - 1) * stride[1] + reach[1] + 1;
        let height = (division.rows - 1) * stride[0] + reach[0] + 1;
        let most_pixels = division.rows * shape.output_size[1];
        let offsets: Vec<u32> = (0..most_pixels)
            .map(|pixel| {
                let (y, x) = (pixel / shape.output_size[1], pixel % shape.output_size[1]);
                ((y * stride[0] * width + x * stride[1]) * layout.pixel) as u32
            })
            .collect();
        let source_len = height * width * layout.pixel + SLACK;
        let packed_len = self.blocks * most_pixels * tiles.rows;
        with_buffers([source_len, packed_len], |[source, packed]| {
            let first = self.chunk * division.chunk;
            let end = division.units.min(first + division.chunk);
            for unit in first..end {
                let image = unit / division.units_per_image;
                let row = unit % division.units_per_image * division.rows;
                let rows = division.rows.min(shape.output_size[0] - row);
                let pixels = rows * shape.output_size[1];
                self.lay_out(x, image, row, rows, width, source);
                self.pack(output_gradient, image, row, pixels, packed);
                let parts = pixels.div_ceil(PIXELS);
                let part = pixels.div_ceil(parts);
                for pixel in (0..pixels).step_by(part) {
                    let some = pixel..pixels.min(pixel + part);
                    let packed = &packed[..self.blocks * pixels * tiles.rows];
                    let fresh = unit == first && pixel == 0;
                    self.add_products(source, width, packed, &offsets, some, fresh, sums);
                }
            }
        });
    }

    /// Adds the products of some pixels of a unit to the sums; `fresh` sums start from zero.
    fn add_products(
        &self,
        source: &[f32],
        width: usize,
        packed: &[f32],
        offsets: &[u32],
        pixels: Range<usize>,
        fresh: bool,
        sums: &mut [f32],
    ) {
        let (layout, rows) = (&self.layout, self.tiles.rows);
        let zeros = [0.0; 16];
        let start = if fresh {
            Start::From(&zeros)
        } else {
            Start::Destination
        };
        let row_stride = layout.taps.len() * layout.padded_lanes;
        let offsets = &offsets[pixels.clone()];
        for (tap, shift) in layout.taps.iter().enumerate() {
            let b = &source[(shift[0] * width + shift[1]) * layout.pixel..];
            for (block, packed) in packed.chunks_exact(packed.len() / self.blocks).enumerate() {
                let a = &packed[pixels.start * rows..pixels.end * rows];
                let at = block * rows * row_stride + tap * layout.padded_lanes;
                let out = &mut sums[at..];
                assert!(out.len() >= (rows - 1) * row_stride + layout.padded_lanes);
                // SAFETY: a holds a column for each pixel; the largest offset plus the shift is
                // the last pixel of the laid-out rows, and a run from it ends within their slack;
                // the rows of out were just checked.
                unsafe {
                    self.tiles.run(
                        &Block {
                            depth: pixels.len(),
                            a: a.as_ptr(),
                            b: b.as_ptr(),
                            offsets: offsets.as_ptr(),
                            out: out.as_mut_ptr(),
                            row_stride,
                        },
                        layout.padded_lanes,
                        start,
                    );
                }
            }
        }
    }

    /// Lays the padded input rows of one unit out as `[row, column, channel]`.
    fn lay_out(
        &self,
        x: &[f32],
        image: usize,
        row: usize,
        rows: usize,
        width: usize,
        source: &mut [f32],
    ) {
        let (shape, layout) = (self.shape, &self.layout);
        let [height, columns] = shape.size;
        let reach = (shape.kernel[0] - 1) * shape.options.dilation[0];
        let padding = shape.options.padding;
        let stride = shape.options.stride[0];
        let first = (image * shape.inputs + self.group * shape.group_inputs() + self.first_channel)
            * height
            * columns;
        let before = padding[1].min(width);
        let present = columns.min(width - before);
        for line in 0..(rows - 1) * stride + reach + 1 {
            let to = &mut source[line * width * layout.pixel..][..width * layout.pixel];
            let y = (row * stride + line) as isize - padding[0] as isize;
            if y < 0 || y >= height as isize {
                to.fill(0.0);
                continue;
            }
            to[..before * layout.pixel].fill(0.0);
            to[(before + present) * layout.pixel..].fill(0.0);
            transpose(
                self.tiles.set,
                &x[first + y as usize * columns..],
                height * columns,
                self.channels,
                present,
                &mut to[before * layout.pixel..],
                layout.pixel,
            );
        }
    }

    /// Packs the output gradient of one unit as `[block, pixel, row]`.
    fn pack(
        &self,
        output_gradient: &[f32],
        image: usize,
        row: usize,
        pixels: usize,
        packed: &mut [f32],
    ) {
        let shape = self.shape;
        let plane = shape.output_size[0] * shape.output_size[1];
        let first =
            (image * shape.outputs + self.group * shape.group_outputs() + self.first_output)
                * plane
                + row * shape.output_size[1];
        let rows = self.tiles.rows;
        for block in 0..self.blocks {
            let outputs = rows.min(self.outputs - block * rows);
            transpose(
                self.tiles.set,
                &output_gradient[first + block * rows * plane..],
                plane,
                outputs,
                pixels,
                &mut packed[block * pixels * rows..],
                rows,
            );
        }
    }

    /// Writes the finished sums to their places in the weight.
    ///
    /// # Safety
    ///
    /// `gradient` must hold the whole weight, and nobody else may write this part of it.
    unsafe fn place(&self, sums: &[f32], gradient: *mut f32) {
        let (shape, layout) = (self.shape, &self.layout);
        let inputs = shape.group_inputs();
        let taps = shape.taps();
        let row_stride = layout.taps.len() * layout.padded_lanes;
        for output in 0..self.outputs {
            let row = self.group * shape.group_outputs() + self.first_output + output;
            let sums = &sums[output * row_stride..][..row_stride];
            // Channel by channel: the weight is written in its order.
            for channel in 0..self.channels {
                let at = (row * inputs + self.first_channel + channel) * taps;
                for (tap, sums) in sums.chunks_exact(layout.padded_lanes).enumerate() {
                    for joined in 0..layout.joined {
                        let value = sums[joined * self.channels + channel];
                        // SAFETY: row, channel and tap are within the weight.
                        unsafe { *gradient.add(at + tap * layout.joined + joined) = value };
                    }
                }
            }
        }
    }
}
