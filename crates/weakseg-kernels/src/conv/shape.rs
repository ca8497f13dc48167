//! Sizes of one convolution, checked once.

use std::ops::Range;

use super::ConvOptions;

/// Everything the kernels need to know about the sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Channels of the input, all groups.
    pub inputs: usize,
    /// Channels of the output, all groups.
    pub outputs: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Height and width of the output.
    pub output_size: [usize; 2],
    /// Stride, padding, dilation, groups.
    pub options: ConvOptions,
}

impl ConvShape {
    /// From the dimensions of x `[B, I, H, W]` and of the weight `[O, I / groups, KH, KW]`, or
    /// `None` where they do not fit each other or the output is empty.
    pub fn new(x: [usize; 4], weight: [usize; 4], options: ConvOptions) -> Option<Self> {
        let [batch, inputs, height, width] = x;
        let [outputs, per_group, kernel_height, kernel_width] = weight;
        let options_hold = options.groups > 0
            && options.stride.iter().all(|&s| s > 0)
            && options.dilation.iter().all(|&d| d > 0);
        if !options_hold
            || x.contains(&0)
            || weight.contains(&0)
            || inputs != per_group * options.groups
            || !outputs.is_multiple_of(options.groups)
        {
            return None;
        }
        let size = [height, width];
        let kernel = [kernel_height, kernel_width];
        let output_size = options.output_size(size, kernel);
        (!output_size.contains(&0)).then_some(Self {
            batch,
            inputs,
            outputs,
            size,
            kernel,
            output_size,
            options,
        })
    }

    /// Input channels of one group.
    pub fn group_inputs(&self) -> usize {
        self.inputs / self.options.groups
    }

    /// Output channels of one group.
    pub fn group_outputs(&self) -> usize {
        self.outputs / self.options.groups
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.inputs * self.size[0] * self.size[1]
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.outputs * self.output_size[0] * self.output_size[1]
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.outputs * self.group_inputs() * self.taps()
    }

    /// The outputs whose tap `tap` lies in the input on one axis, and the input of the first.
    pub fn inside(&self, axis: usize, tap: usize) -> (Range<usize>, usize) {
        let shift = tap * self.options.dilation[axis];
        let (padding, stride) = (self.options.padding[axis], self.options.stride[axis]);
        let first = padding.saturating_sub(shift).div_ceil(stride);
        let end = (self.size[axis] + padding).saturating_sub(shift);
        let end = end.div_ceil(stride).min(self.output_size[axis]);
        let first = first.min(end);
        (first..end, (first * stride + shift).saturating_sub(padding))
    }
}
