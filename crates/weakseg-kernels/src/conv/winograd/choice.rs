//! Where the method pays.
//!
//! Processor time of the direct kernels over that of these, all threads together, AVX-512, batch of
//! 4, for the rows of `conv_speed` (whose clock was changed to the process's: the machine was
//! shared). The last two rows are of an earlier state of these kernels.
//!
//! | | forward | input gradient | weight gradient |
//! |---|---|---|---|
//! | 64 -> 64, 224 px | 2.1 | 2.2 | 1.7 |
//! | 256 -> 256, 56 px | 3.0 | 2.6 | 1.9 |
//! | 512 -> 512, 28 px | 2.8 | 2.8 | 2.0 |
//! | 512 -> 512, 14 px | 2.4 | 2.3 | 1.9 |
//! | 512 -> 512, 7 px | 2.1 | 2.6 | 2.5 |
//! | 512 -> 512, 28 px, dilation 4 | 2.7 | 2.5 | 1.6 |
//! | 32 -> 32, 56 px | 1.8 | 1.5 | 1.4 |
//! | 32 -> 16, 224 px | 0.9 | 0.9 | 1.1 |
//! | 3 -> 64, 224 px | 0.3 | 0.9 | 0.5 |

use super::super::shape::ConvShape;
use super::transform::STEP;

/// Least channels, as the harmonic mean of inputs and outputs: every transformed value must be
/// used in enough products.
const CHANNELS: usize = 32;
/// Most pixels of tiles for each pixel of the output: small maps and far dilations fill parts of
/// tiles only.
const FILL: usize = 2;

/// Whether a pass is computed by tiles: by its sizes alone, so that a network takes the same ways
/// on every machine. (Values differ by instruction set, as [`crate::tile`] says.)
pub(crate) fn serves(shape: &ConvShape) -> bool {
    if !super::possible(shape) {
        return false;
    }
    let [rows, columns] = [0, 1].map(|axis| {
        let (pixels, dilation) = (shape.output_size[axis], shape.options.dilation[axis]);
        let tiles: usize = (0..dilation.min(pixels))
            .map(|phase| (pixels - phase).div_ceil(dilation).div_ceil(STEP))
            .sum();
        [tiles * STEP, pixels]
    });
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    2 * inputs * outputs >= CHANNELS * (inputs + outputs)
        && rows[0] * columns[0] <= FILL * rows[1] * columns[1]
}
