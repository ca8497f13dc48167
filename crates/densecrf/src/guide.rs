//! Guide images: what a bilateral term takes its colours from.

use crate::CrfError;

/// An 8-bit guide image with one (grey) or three (RGB) channels; its raw values 0–255 are the
/// colour features of a bilateral term.
#[derive(Debug, Clone, Copy)]
pub struct Guide<'a> {
    height: usize,
    width: usize,
    channels: usize,
    interleaved: bool,
    values: &'a [u8],
}

impl<'a> Guide<'a> {
    /// A guide stored pixel by pixel, `[H, W, C]`, as image decoders give it.
    ///
    /// # Errors
    /// [`CrfError::GuideChannels`]; [`CrfError::SizeMismatch`] if `values` is no H·W·C bytes.
    pub fn interleaved(
        height: usize,
        width: usize,
        channels: usize,
        values: &'a [u8],
    ) -> Result<Self, CrfError> {
        Self::new(height, width, channels, true, values)
    }

    /// A guide stored channel by channel, `[C, H, W]`.
    ///
    /// # Errors
    /// As [`Guide::interleaved`].
    pub fn planar(
        height: usize,
        width: usize,
        channels: usize,
        values: &'a [u8],
    ) -> Result<Self, CrfError> {
        Self::new(height, width, channels, false, values)
    }

    fn new(
        height: usize,
        width: usize,
        channels: usize,
        interleaved: bool,
        values: &'a [u8],
    ) -> Result<Self, CrfError> {
        if channels != 1 && channels != 3 {
            return Err(CrfError::GuideChannels { channels });
        }
        let expected = height
            .checked_mul(width)
            .and_then(|pixels| pixels.checked_mul(channels))
            .ok_or(CrfError::ImageSize { height, width })?;
        if values.len() != expected {
            return Err(CrfError::SizeMismatch {
                what: "bytes of the guide image",
                expected,
                found: values.len(),
            });
        }
        Ok(Self {
            height,
            width,
            channels,
            interleaved,
            values,
        })
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Channels, 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// A value of a pixel.
    #[inline(always)]
    pub(crate) fn value(&self, pixel: usize, channel: usize) -> u8 {
        if self.interleaved {
            self.values[pixel * self.channels + channel]
        } else {
            self.values[channel * self.height * self.width + pixel]
        }
    }
}
