//! Parts of the image at another scale.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::motion::Motion;
use super::operation::{range, within};
use crate::DataError;
use crate::chance::{below, between};

/// The image at a random scale, and a random part of it of the size it had (IRNet's random scale and random crop).
///
/// Where the scaled image is smaller than its old size it lies at a random place in padding: ImageNet's mean colour,
/// which the normalisation `imagenet` makes 0 (with `binary` it would be foreground, and is refused), and void in the
/// mask. IRNet's classifier brings the longer side to 320 to 640 pixels and cuts 512: that is `scale = [0.625, 1.25]`
/// here; its boundary network uses `[0.5, 1.5]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// Least and greatest factor on the size.
    pub scale: [f64; 2],
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { scale: [0.5, 1.5] }
    }
}

impl RandomCrop {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("scale", self.scale, 0.05, 20.0)
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, height: usize, width: usize) -> Motion {
        let [low, high] = self.scale;
        let scale = between(rng, low, high);
        // The motion scales about the centre; the crop's first pixel is `first` of the scaled image.
        let shift = [height, width].map(|side| {
            let scaled = (side as f64 * scale).round().max(1.0) as usize;
            let place = below(rng, scaled.abs_diff(side) + 1) as f64;
            let first = if scaled > side { place } else { -place };
            (scaled as f64 - side as f64) / 2.0 - first
        });
        Motion::new(scale, 0.0, shift)
    }
}

/// The middle of the image, brought to the size that the image has (as after torchvision's `CenterCrop`, which leaves
/// it smaller).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CenterCrop {
    /// The part that is left, as a share of each side.
    pub share: f64,
}

impl Default for CenterCrop {
    /// 224 of 256 pixels, as networks for ImageNet are validated.
    fn default() -> Self {
        Self { share: 0.875 }
    }
}

impl CenterCrop {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("share", self.share, 0.05, 1.0, " of each side")
    }

    pub(super) fn motion(&self) -> Motion {
        Motion::new(1.0 / self.share, 0.0, [0.0; 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{Augment, AugmentStep, Operation};
    use crate::{Plane, Stack};

    fn cropped(share: f64, image: &Stack<u8>) -> (Stack<u8>, Stack<u8>) {
        let augment = Augment {
            steps: vec![AugmentStep::of(
                1.0,
                Operation::CenterCrop(CenterCrop { share }),
            )],
            ..Augment::default()
        };
        let (changed, mask) = augment.apply(0, 0, 0, image, Some(image)).unwrap();
        (changed, mask.unwrap())
    }

    #[test]
    fn the_middle_half_is_doubled() {
        let image = Plane::from_fn(4, 4, |y, x| (40 * y + 10 * x) as u8).into_stack();
        let (changed, mask) = cropped(0.5, &image);
        // Rows and columns come from 0.75, 1.25, 1.75 and 2.25; between four pixels a plane stays one, halves go up.
        let places = [0.75, 1.25, 1.75, 2.25];
        let expected = Plane::from_fn(4, 4, |y, x| {
            (40.0 * places[y] + 10.0 * places[x] + 0.5_f64) as u8
        });
        assert_eq!(changed.as_slice(), expected.as_slice());
        let doubled = [
            50, 50, 60, 60, 50, 50, 60, 60, 90, 90, 100, 100, 90, 90, 100, 100,
        ];
        assert_eq!(mask.as_slice(), doubled);
    }

    #[test]
    fn the_whole_is_left_as_it_is_and_nothing_is_no_share() {
        let image = Plane::from_fn(3, 5, |y, x| (y * 5 + x) as u8).into_stack();
        assert_eq!(cropped(1.0, &image), (image.clone(), image));
        for share in [0.0, 1.5, f64::NAN] {
            assert!(CenterCrop { share }.check().is_err());
        }
    }
}
