//! How the tasks of a weight gradient are cut, and how they see the weight.

use super::division::{even, even_runs};
use super::shape::ConvShape;
use crate::tile::{RUN, Tiles};

/// Values of the laid-out input of one task at a time.
const SOURCE_VALUES: usize = 128 * 1024;
/// Tasks wanted at least (fixed: the division does not depend on the threads).
const TASKS: usize = 16;

/// How the lanes and taps of the kernel blocks map to the weight.
///
/// With few input channels a run holds the channels of a whole row of taps (their values are
/// neighbours when the channels lie innermost), otherwise the channels of one tap.
pub(super) struct Layout {
    /// Channels that lie innermost in the laid-out input, per pixel.
    pub pixel: usize,
    /// Values of a run, rounded up.
    pub padded_lanes: usize,
    /// Shifts `[dy, dx]` in pixels of the padded input, one for each run.
    pub taps: Vec<[usize; 2]>,
    /// Taps side by side in one run.
    pub joined: usize,
}

impl Layout {
    pub fn new(shape: &ConvShape, channels: usize) -> Self {
        let [rows, columns] = shape.kernel;
        let dilation = shape.options.dilation;
        let joined = if channels < RUN && dilation[1] == 1 {
            columns
        } else {
            1
        };
        let pixel = if joined > 1 {
            channels
        } else {
            channels.next_multiple_of(RUN)
        };
        let lanes = channels * joined;
        let taps = (0..rows)
            .flat_map(|ky| {
                (0..columns / joined).map(move |kx| [ky * dilation[0], kx * dilation[1]])
            })
            .collect();
        Self {
            pixel,
            padded_lanes: lanes.next_multiple_of(RUN),
            taps,
            joined,
        }
    }
}

/// How the work is divided.
pub(super) struct Division {
    /// Input channels of one task; parts of them.
    pub channels: usize,
    pub channel_parts: usize,
    /// Packed blocks of output channels of one task; parts of them.
    pub blocks: usize,
    pub block_parts: usize,
    /// Output rows handled at a time; such units in all images; units of a chunk; chunks.
    pub rows: usize,
    pub units_per_image: usize,
    pub units: usize,
    pub chunk: usize,
    pub chunks: usize,
}

impl Division {
    pub fn new(tiles: &Tiles, shape: &ConvShape) -> Self {
        let taps = shape.taps();
        let inputs = shape.group_inputs();
        let all_blocks = shape.group_outputs().div_ceil(tiles.rows);
        // Laying a value out is paid back by taps * output channels products with it, packing a
        // gradient by taps * input channels.
        let channels = even_runs(inputs, if taps == 1 { 256 } else { 128 });
        let channel_parts = inputs.div_ceil(channels);
        let most = (1024 / taps).clamp(64, 512) / tiles.rows;
        let blocks = even(all_blocks, most);
        let block_parts = all_blocks.div_ceil(blocks);

        let reach: [usize; 2] =
            std::array::from_fn(|axis| (shape.kernel[axis] - 1) * shape.options.dilation[axis]);
        let stride = shape.options.stride;
        let width = (shape.output_size[1] - 1) * stride[1] + reach[1] + 1;
        let fitting = (SOURCE_VALUES / (width * channels.next_multiple_of(RUN)))
            .saturating_sub(reach[0] + 1)
            / stride[0]
            + 1;
        let rows = fitting
            .max(64usize.div_ceil(shape.output_size[1]))
            .min(shape.output_size[0]);
        let rows = even(shape.output_size[0], rows);
        let units_per_image = shape.output_size[0].div_ceil(rows);
        let units = shape.batch * units_per_image;

        let parts = shape.options.groups * channel_parts * block_parts;
        // Sums of all chunks together: at most 4 Mi values.
        let most_chunks = (4 * 1024 * 1024 / shape.weight_len()).max(1);
        let chunks = TASKS.div_ceil(parts).min(units).min(most_chunks);
        let chunk = units.div_ceil(chunks);
        Self {
            channels,
            channel_parts,
            blocks,
            block_parts,
            rows,
            units_per_image,
            units,
            chunk,
            chunks: units.div_ceil(chunk),
        }
    }
}
