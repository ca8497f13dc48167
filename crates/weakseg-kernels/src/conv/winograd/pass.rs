//! What a forward pass or an input gradient works on.

use super::super::ending::Ending;
use super::super::shape::ConvShape;
use super::weight::GatheredKernels;

/// A convolution with a 3x3 kernel and stride 1: `channels` source planes of each image become
/// `rows` destination planes.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub batch: usize,
    pub channels: usize,
    pub rows: usize,
    pub source: &'a [f32],
    pub source_size: [usize; 2],
    pub destination_size: [usize; 2],
    pub dilation: [usize; 2],
    /// Source pixel that the first tap of destination pixel 0 reads, on each axis.
    pub start: [isize; 2],
    /// What follows, of which no shortcut.
    pub ending: Ending<'a>,
    pub weight: &'a [f32],
    /// The same as the transform reads it, where it was laid out before.
    pub kernels: Option<&'a GatheredKernels>,
    /// Values of the weight from one destination plane, or source plane, to the next.
    pub row_stride: usize,
    pub channel_stride: usize,
    /// The kernel is turned by 180 degrees.
    pub turned: bool,
}

impl<'a> Pass<'a> {
    /// Input to output.
    pub fn forward(
        shape: &ConvShape,
        x: &'a [f32],
        weight: &'a [f32],
        ending: &Ending<'a>,
    ) -> Self {
        Self {
            batch: shape.batch,
            channels: shape.inputs,
            rows: shape.outputs,
            source: x,
            source_size: shape.size,
            destination_size: shape.output_size,
            dilation: shape.options.dilation,
            start: shape.options.padding.map(|padding| -(padding as isize)),
            ending: *ending,
            weight,
            kernels: None,
            row_stride: shape.inputs * shape.taps(),
            channel_stride: shape.taps(),
            turned: false,
        }
        .checked()
    }

    /// Output gradient to input gradient: a convolution with the kernel turned and the channels
    /// swapped, padded so that padding and the pass's own add up to what the kernel reaches.
    pub fn input_gradient(
        shape: &ConvShape,
        weight: &'a [f32],
        output_gradient: &'a [f32],
    ) -> Self {
        let options = &shape.options;
        Self {
            batch: shape.batch,
            channels: shape.outputs,
            rows: shape.inputs,
            source: output_gradient,
            source_size: shape.output_size,
            destination_size: shape.size,
            dilation: options.dilation,
            start: std::array::from_fn(|axis| {
                options.padding[axis] as isize - 2 * options.dilation[axis] as isize
            }),
            ending: Ending::default(),
            weight,
            kernels: None,
            row_stride: shape.taps(),
            channel_stride: shape.inputs * shape.taps(),
            turned: true,
        }
        .checked()
    }

    fn checked(self) -> Self {
        let source = self.batch * self.channels * self.source_plane();
        assert_eq!(self.source.len(), source, "source size");
        assert_eq!(
            self.weight.len(),
            self.rows * self.channels * 9,
            "weight size"
        );
        let bias = self.ending.bias;
        assert!(bias.is_none_or(|b| b.len() == self.rows), "bias size");
        assert!(self.ending.shortcut.is_none(), "no shortcut");
        self
    }

    /// Values of a source plane.
    pub fn source_plane(&self) -> usize {
        self.source_size[0] * self.source_size[1]
    }

    /// Values of a destination plane.
    pub fn destination_plane(&self) -> usize {
        self.destination_size[0] * self.destination_size[1]
    }

    /// Values of the destination.
    pub fn destination_len(&self) -> usize {
        self.batch * self.rows * self.destination_plane()
    }
}
