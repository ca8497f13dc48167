//! Where a residual trunk stops losing resolution.

/// Strides of the four layers of a ResNet, and what replaces a stride that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStrides {
    /// As published: output stride 32.
    Stride32,
    /// `layer4` keeps the resolution by dilation (torchvision's `[False, False, True]`).
    Stride16,
    /// `layer3` and `layer4` keep it (`[False, True, True]`).
    Stride8,
    /// IRN's: `layer4` has stride 1 and no dilation; output stride 16.
    Irn,
}

impl StageStrides {
    /// Stride, dilation of the first block, dilation of the others, for one layer. A layer that
    /// gives up its stride dilates from its second block on; its first block still has the dilation
    /// that came in (torchvision's `_make_layer`).
    pub(super) fn layer(self, index: usize) -> (usize, usize, usize) {
        match (self, index) {
            (_, 0) => (1, 1, 1),
            (Self::Stride16, 3) | (Self::Stride8, 2) => (1, 1, 2),
            (Self::Stride8, 3) => (1, 2, 4),
            (Self::Irn, 3) => (1, 1, 1),
            _ => (2, 1, 1),
        }
    }

    /// Image pixels per feature pixel after the stem and each layer.
    pub fn reductions(self) -> [usize; 5] {
        match self {
            Self::Stride32 => [2, 4, 8, 16, 32],
            Self::Stride16 | Self::Irn => [2, 4, 8, 16, 16],
            Self::Stride8 => [2, 4, 8, 8, 8],
        }
    }
}
