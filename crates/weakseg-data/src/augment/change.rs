//! [`Change`]: an operation whose chances have been drawn.

use super::clahe::equalise;
use super::colour::{HsvShift, change_colour, shift_channels};
use super::elastic::Field;
use super::motion::Motion;
use super::noise::{Noise, add_noise};
use super::optical::Lens;
use super::sharpen::sharpen;
use super::{blur::blur, median::median};
use crate::Stack;

/// What happens to one image.
pub(super) enum Change {
    /// Geometry: every pixel from elsewhere, mirrored outside.
    Move(Motion),
    /// Geometry: a displacement of its own for every place.
    Bend(Field),
    /// Geometry: a displacement along the radius.
    Look(Lens),
    /// Geometry as [`Change::Move`], but what lies outside is padding.
    Cut(Motion),
    /// Every value through a table.
    Table(Box<[u8; 256]>),
    /// Clip limit, tiles along a side.
    Equalise(f64, usize),
    /// Share of the sharpened image, its lightness.
    Sharpen(f64, f64),
    /// Side of the square.
    Median(usize),
    /// Standard deviation in pixels.
    Blur(f64),
    /// Normal noise.
    Noise(Noise),
    /// Grey values added to red, green and blue.
    Shift([f64; 3]),
    /// Hue, saturation and value.
    Colour(HsvShift),
}

impl Change {
    /// Does to an image's values what this is; geometry is the warp's matter and nothing here.
    pub(super) fn apply(&self, image: Stack<u8>) -> Stack<u8> {
        let mut image = image;
        match self {
            Self::Move(_) | Self::Bend(_) | Self::Look(_) | Self::Cut(_) => {}
            Self::Table(table) => {
                for value in image.as_mut_slice() {
                    *value = table[usize::from(*value)];
                }
            }
            Self::Equalise(clip, tiles) => equalise(&mut image, *clip, *tiles),
            Self::Sharpen(alpha, lightness) => return sharpen(&image, *alpha, *lightness),
            Self::Median(size) => return median(&image, *size),
            Self::Blur(sigma) => return blur(&image, *sigma),
            Self::Noise(noise) => add_noise(noise, image.as_mut_slice()),
            Self::Shift(shift) => shift_channels(&mut image, *shift),
            Self::Colour(shift) => change_colour(&mut image, *shift),
        }
        image
    }
}
