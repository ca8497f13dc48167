//! Where the method pays.

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
