//! Lines of pixels on their way into a kernel.

/// Neighbouring places, and where in a plane their values lie, equally far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// First place.
    pub at: usize,
    /// Places.
    pub count: usize,
    /// Image and pixel of the first value, none for zeros.
    pub source: Option<(usize, usize)>,
}

/// Lines of the planes of a tensor `[B, C, pixels]`.
pub(crate) struct Lines<'a> {
    pub lines: &'a [Line],
    pub values: &'a [f32],
    pub channels: usize,
    /// Pixels of a plane.
    pub pixels: usize,
    /// Pixels from one value of a line to the next.
    pub step: usize,
}

impl Lines<'_> {
    /// Where the values of a line's channel begin.
    #[inline(always)]
    pub fn start(&self, (image, pixel): (usize, usize), channel: usize) -> usize {
        (image * self.channels + channel) * self.pixels + pixel
    }

    /// Asserts that all lines lie in the planes of the tensor, and their values no further apart than offsets of 32
    /// bits reach.
    pub fn assert_inside(&self, channels: impl IntoIterator<Item = usize>) {
        assert!(self.step < 1 << 24);
        assert!(channels.into_iter().all(|channel| channel < self.channels));
        let image = self.channels * self.pixels;
        for line in self.lines {
            if let Some((at, pixel)) = line.source {
                let last = pixel + (line.count - 1) * self.step;
                assert!(last < self.pixels && (at + 1) * image <= self.values.len());
            }
        }
    }
}
