//! Other colours: shifts of red, green and blue, and of hue, saturation and value.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::within;
use crate::chance::between;
use crate::{DataError, Stack};

/// A number of its own added to each colour (albumentations' `RGBShift`). An image of one channel has one colour, and
/// takes that of red.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RgbShift {
    /// Greatest change of red in grey values, either way.
    pub red: f64,
    /// Greatest change of green in grey values, either way.
    pub green: f64,
    /// Greatest change of blue in grey values, either way.
    pub blue: f64,
}

impl Default for RgbShift {
    fn default() -> Self {
        Self {
            red: 20.0,
            green: 20.0,
            blue: 20.0,
        }
    }
}

impl RgbShift {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("red", self.red, 0.0, 255.0, "")?;
        within("green", self.green, 0.0, 255.0, "")?;
        within("blue", self.blue, 0.0, 255.0, "")
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> [f64; 3] {
        [self.red, self.green, self.blue].map(|limit| between(rng, -limit, limit))
    }
}

/// Another hue, saturation and value (albumentations' `HueSaturationValue`), in its units. An image of one channel has
/// a value alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HueSaturationValue {
    /// Greatest change of hue either way, in steps of two degrees: 180 of them are the circle.
    pub hue: f64,
    /// Greatest change of saturation either way, 255 being the greatest saturation.
    pub saturation: f64,
    /// Greatest change of value either way, in grey values.
    pub value: f64,
}

impl Default for HueSaturationValue {
    fn default() -> Self {
        Self {
            hue: 20.0,
            saturation: 30.0,
            value: 20.0,
        }
    }
}

impl HueSaturationValue {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("hue", self.hue, 0.0, 180.0, "")?;
        within("saturation", self.saturation, 0.0, 255.0, "")?;
        within("value", self.value, 0.0, 255.0, "")
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> HsvShift {
        let mut draw = |limit: f64| between(rng, -limit, limit) as f32;
        HsvShift {
            hue: draw(self.hue),
            saturation: draw(self.saturation),
            value: draw(self.value),
        }
    }
}

/// What is added to hue, saturation and value, in the units of [`HueSaturationValue`].
#[derive(Clone, Copy, Debug)]
pub(super) struct HsvShift {
    pub(super) hue: f32,
    pub(super) saturation: f32,
    pub(super) value: f32,
}

/// Adds a number to each channel, clamped.
pub(super) fn shift_channels(image: &mut Stack<u8>, shift: [f64; 3]) {
    for channel in 0..image.channels() {
        let shift = shift[channel % 3].round() as i16;
        for value in image.plane_mut(channel) {
            *value = (i16::from(*value) + shift).clamp(0, 255) as u8;
        }
    }
}

/// Changes hue, saturation and value of a colour image, the values of any other.
///
/// Departs from OpenCV's 8-bit conversion, which rounds the hue to steps of two degrees, in between: because nothing
/// needs it.
pub(super) fn change_colour(image: &mut Stack<u8>, shift: HsvShift) {
    if image.channels() != 3 {
        return shift_channels(image, [f64::from(shift.value); 3]);
    }
    let size = image.height() * image.width();
    let (red, rest) = image.as_mut_slice().split_at_mut(size);
    let (green, blue) = rest.split_at_mut(size);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let [new_r, new_g, new_b] = changed([*r, *g, *b], shift);
        (*r, *g, *b) = (new_r, new_g, new_b);
    }
}

fn changed(colour: [u8; 3], shift: HsvShift) -> [u8; 3] {
    let [r, g, b] = colour.map(f32::from);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = most - least;
    // In sixths of the circle.
    let hue = if chroma == 0.0 {
        0.0
    } else if most == r {
        (g - b) / chroma
    } else if most == g {
        2.0 + (b - r) / chroma
    } else {
        4.0 + (r - g) / chroma
    };
    let saturation = if most > 0.0 { chroma / most } else { 0.0 };
    let hue = (hue + shift.hue / 30.0).rem_euclid(6.0);
    // What has no hue stays grey.
    let saturation = match chroma > 0.0 {
        true => (saturation + shift.saturation / 255.0).clamp(0.0, 1.0),
        false => 0.0,
    };
    let value = (most + shift.value).clamp(0.0, 255.0);
    // A channel falls from the value by the chroma as its hue goes away (Smith 1978, in the form of one line).
    [5.0, 3.0, 1.0].map(|place| {
        let k = (place + hue) % 6.0;
        let fall = k.min(4.0 - k).clamp(0.0, 1.0);
        (value - value * saturation * fall).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(hue: f32, saturation: f32, value: f32) -> HsvShift {
        HsvShift {
            hue,
            saturation,
            value,
        }
    }

    #[test]
    fn no_shift_is_no_change() {
        for r in (0..=255).step_by(15) {
            for g in (0..=255).step_by(17) {
                for b in (0..=255).step_by(5) {
                    let colour = [r as u8, g as u8, b as u8];
                    assert_eq!(changed(colour, shift(0.0, 0.0, 0.0)), colour);
                }
            }
        }
    }

    #[test]
    fn a_third_of_the_circle_turns_red_into_green() {
        assert_eq!(changed([200, 50, 50], shift(60.0, 0.0, 0.0)), [50, 200, 50]);
        assert_eq!(
            changed([200, 50, 50], shift(-60.0, 0.0, 0.0)),
            [50, 50, 200]
        );
        assert_eq!(
            changed([200, 50, 50], shift(0.0, -255.0, 10.0)),
            [210, 210, 210]
        );
        assert_eq!(changed([9, 9, 9], shift(90.0, 255.0, 1.0)), [10, 10, 10]);
    }

    #[test]
    fn channels_are_shifted_and_clamped() {
        let mut image = Stack::new(3, 1, 2, vec![5, 250, 5, 250, 5, 250]).unwrap();
        shift_channels(&mut image, [10.0, -10.0, 0.4]);
        assert_eq!(image.as_slice(), [15, 255, 0, 240, 5, 250]);
        let mut grey = Stack::filled(1, 1, 1, 100_u8);
        change_colour(&mut grey, shift(50.0, 100.0, -20.0));
        assert_eq!(grey.as_slice(), [80]);
    }
}
