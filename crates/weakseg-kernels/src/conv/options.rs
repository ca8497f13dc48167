//! The shape of a convolution.

/// Stride, zero padding, dilation and groups of a two-dimensional convolution, each as
/// `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvOptions {
    /// Pixels between two neighbouring outputs, at least 1.
    pub stride: [usize; 2],
    /// Zeros added on both sides of each axis.
    pub padding: [usize; 2],
    /// Pixels between two neighbouring taps of the kernel, at least 1.
    pub dilation: [usize; 2],
    /// Number of independent channel groups, at least 1; divides the channels in and out.
    pub groups: usize,
}

impl Default for ConvOptions {
    /// Stride 1, no padding, dilation 1, one group.
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

impl ConvOptions {
    /// Stride 1 with the padding that keeps the size, for an odd `kernel` at `dilation`.
    #[must_use]
    pub fn same(kernel: usize, dilation: usize) -> Self {
        let padding = dilation * (kernel.saturating_sub(1)) / 2;
        Self {
            padding: [padding, padding],
            dilation: [dilation, dilation],
            ..Self::default()
        }
    }

    /// These options with the same `stride` on both axes.
    #[must_use]
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.stride = [stride, stride];
        self
    }

    /// These options with `groups` channel groups.
    #[must_use]
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Output size `[height, width]` for an input `[height, width]` and a kernel
    /// `[height, width]`; 0 where the padded input is smaller than the dilated kernel, or the kernel
    /// has no pixel.
    #[must_use]
    pub fn output_size(&self, input: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let Some(gaps) = kernel[axis].checked_sub(1) else {
                return 0;
            };
            let reach = self.dilation[axis] * gaps + 1;
            let padded = input[axis] + 2 * self.padding[axis];
            if padded < reach {
                0
            } else {
                (padded - reach) / self.stride[axis] + 1
            }
        })
    }
}
