//! Random changes to an image and its mask while training.
//!
//! Geometry is one affine warp, shared by the image (bilinear) and the mask (nearest, so no new class numbers arise);
//! what it brings in from outside is the image mirrored at its border without repeating the border (OpenCV's
//! `BORDER_REFLECT_101`). Tone, noise and blur touch the image alone. What happens depends on (seed, epoch, index) and
//! nothing else.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chance::{Purpose, below, between, stream, unit};
use crate::filter::{add_noise, blur};
use crate::warp::Warp;
use crate::{DataError, Stack};

/// What may happen to an image. Every chance is 0 by default: nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Chance of a mirror image, left for right.
    pub hflip: f64,
    /// Chance that the image is shifted, scaled and rotated.
    pub affine: f64,
    /// Greatest shift along each axis, as a share of that side.
    pub shift: f64,
    /// Greatest change of scale: the factor is drawn from 1 - `scale` to 1 + `scale`.
    pub scale: f64,
    /// Greatest rotation in degrees, either way.
    pub rotate: f64,
    /// Chance of a change of tone: either brightness and contrast, or gamma.
    pub tone: f64,
    /// Greatest change of brightness, as a share of the full range.
    pub brightness: f64,
    /// Greatest change of contrast: values are multiplied by 1 - `contrast` to 1 + `contrast`.
    pub contrast: f64,
    /// Greatest change of gamma: the exponent is drawn from 1 - `gamma` to 1 + `gamma`.
    pub gamma: f64,
    /// Chance of Gaussian noise.
    pub noise: f64,
    /// Least and greatest variance of the noise, in grey values squared.
    pub noise_variance: [f64; 2],
    /// Chance of a Gaussian blur.
    pub blur: f64,
    /// Least and greatest standard deviation of the blur, in pixels.
    pub blur_sigma: [f64; 2],
}

impl Augment {
    /// Mirrored half of the time, nothing else (WSMIS `weak`).
    #[must_use]
    pub fn weak() -> Self {
        Self {
            hflip: 0.5,
            ..Self::default()
        }
    }

    /// For photographs: the parts of WSMIS `strong` that are here, with its chances and ranges.
    ///
    /// Departs from it: no elastic warp, CLAHE, sharpening, median or colour shifts.
    #[must_use]
    pub fn strong() -> Self {
        Self {
            hflip: 0.5,
            affine: 0.4,
            shift: 0.0,
            scale: 0.2,
            rotate: 30.0,
            tone: 0.5,
            brightness: 0.2,
            contrast: 0.2,
            gamma: 0.2,
            noise: 0.5,
            noise_variance: [10.0, 50.0],
            blur: 0.0,
            blur_sigma: [0.0, 0.0],
        }
    }

    /// For X-rays: scale, rotation, blur, brightness and flip, as the paper names them; it states no ranges.
    #[must_use]
    pub fn xray() -> Self {
        Self {
            hflip: 0.5,
            affine: 0.5,
            shift: 0.05,
            scale: 0.15,
            rotate: 10.0,
            tone: 0.5,
            brightness: 0.2,
            contrast: 0.2,
            gamma: 0.2,
            noise: 0.0,
            noise_variance: [0.0, 0.0],
            blur: 0.2,
            blur_sigma: [0.3, 1.2],
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Config`] for the first value that is out of its range.
    pub fn check(&self) -> Result<(), DataError> {
        let refuse = |key, found: String, expected: &str| {
            Err(DataError::Config {
                key,
                found,
                expected: expected.into(),
            })
        };
        for (key, chance) in [
            ("augment.hflip", self.hflip),
            ("augment.affine", self.affine),
            ("augment.tone", self.tone),
            ("augment.noise", self.noise),
            ("augment.blur", self.blur),
        ] {
            if !(0.0..=1.0).contains(&chance) {
                return refuse(key, chance.to_string(), "a chance between 0 and 1");
            }
        }
        for (key, share) in [
            ("augment.shift", self.shift),
            ("augment.scale", self.scale),
            ("augment.brightness", self.brightness),
            ("augment.contrast", self.contrast),
            ("augment.gamma", self.gamma),
        ] {
            if !(0.0..1.0).contains(&share) {
                return refuse(key, share.to_string(), "at least 0 and below 1");
            }
        }
        if !(0.0..=180.0).contains(&self.rotate) {
            return refuse(
                "augment.rotate",
                self.rotate.to_string(),
                "0 to 180 degrees",
            );
        }
        for (key, [low, high]) in [
            ("augment.noise_variance", self.noise_variance),
            ("augment.blur_sigma", self.blur_sigma),
        ] {
            if !(low >= 0.0 && low <= high && high <= 10_000.0) {
                let expected = "two values from 0 to 10000, the lesser first";
                return refuse(key, format!("[{low}, {high}]"), expected);
            }
        }
        Ok(())
    }

    /// What happens to case `index` of epoch `epoch`: the changed image and mask, of the same sizes.
    ///
    /// `index` is the position in the epoch (not the case's own), so a case that is drawn twice is changed twice.
    ///
    /// # Shapes
    /// Image C×H×W; mask P×H×W of the same H and W.
    ///
    /// # Errors
    /// [`DataError::Shape`] if image and mask differ in size.
    pub fn apply(
        &self,
        seed: u64,
        epoch: u64,
        index: u64,
        image: &Stack<u8>,
        mask: Option<&Stack<u8>>,
    ) -> Result<(Stack<u8>, Option<Stack<u8>>), DataError> {
        let (height, width) = (image.height(), image.width());
        if let Some(mask) = mask
            && (mask.height(), mask.width()) != (height, width)
        {
            return Err(DataError::Shape {
                what: "mask to augment".into(),
                expected: format!("{height}x{width} as its image"),
                found: format!("{}x{}", mask.height(), mask.width()),
            });
        }
        let mut rng = stream(Purpose::Augment, seed, epoch, index);
        let warp = self.draw_warp(&mut rng, height, width);
        let (mut image, mask) = match &warp {
            Some(warp) => (warp.bilinear(image), mask.map(|mask| warp.nearest(mask))),
            None => (image.clone(), mask.cloned()),
        };
        if let Some(table) = self.draw_tone(&mut rng) {
            for value in image.as_mut_slice() {
                *value = table[usize::from(*value)];
            }
        }
        if unit(&mut rng) < self.blur {
            let [low, high] = self.blur_sigma;
            image = blur(&image, between(&mut rng, low, high));
        }
        if unit(&mut rng) < self.noise {
            let [low, high] = self.noise_variance;
            let deviation = between(&mut rng, low, high).sqrt();
            add_noise(&mut rng, image.as_mut_slice(), deviation);
        }
        Ok((image, mask))
    }

    fn draw_warp(&self, rng: &mut ChaCha8Rng, height: usize, width: usize) -> Option<Warp> {
        let flip = unit(rng) < self.hflip;
        let moved = unit(rng) < self.affine;
        // Drawn in any case, so that one setting does not shift the draws of the next.
        let scale = 1.0 + between(rng, -self.scale, self.scale);
        let angle = between(rng, -self.rotate, self.rotate).to_radians();
        let shift = [(); 2].map(|()| between(rng, -self.shift, self.shift));
        match (flip, moved) {
            (false, false) => None,
            (true, false) => Some(Warp::new(height, width, true, 1.0, 0.0, [0.0; 2])),
            (_, true) => Some(Warp::new(height, width, flip, scale, angle, shift)),
        }
    }

    fn draw_tone(&self, rng: &mut ChaCha8Rng) -> Option<[u8; 256]> {
        let happens = unit(rng) < self.tone;
        let brightness = between(rng, -self.brightness, self.brightness);
        let contrast = 1.0 + between(rng, -self.contrast, self.contrast);
        let gamma = 1.0 + between(rng, -self.gamma, self.gamma);
        let by_gamma = below(rng, 2) == 1;
        happens.then(|| {
            if by_gamma {
                tone_table(0.0, 1.0, gamma)
            } else {
                tone_table(brightness, contrast, 1.0)
            }
        })
    }
}

/// Grey value to grey value: `255 * clamp(contrast * (v / 255)^gamma + brightness)`.
fn tone_table(brightness: f64, contrast: f64, gamma: f64) -> [u8; 256] {
    std::array::from_fn(|value| {
        let value = (value as f64 / 255.0).powf(gamma) * contrast + brightness;
        (value.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::tone_table;

    #[test]
    fn tone_follows_its_formula() {
        let table = tone_table(0.2, 1.0, 1.0);
        assert_eq!((table[0], table[100], table[255]), (51, 151, 255));
        let table = tone_table(0.0, 0.8, 1.0);
        assert_eq!((table[0], table[100], table[255]), (0, 80, 204));
        let table = tone_table(0.0, 1.0, 1.2);
        assert_eq!((table[0], table[255]), (0, 255));
        assert_eq!(
            f64::from(table[128]),
            (255.0 * (128.0_f64 / 255.0).powf(1.2)).round()
        );
    }
}
