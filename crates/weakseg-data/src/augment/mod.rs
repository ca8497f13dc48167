//! Random changes to an image and its mask while training.
//!
//! An [`Augment`] says what may happen, by the name of a [`Scope`], as a list of [`AugmentStep`]s or by a few keys for
//! the most common. Chances are drawn first. Then all geometry, however many operations it takes, moves image and mask
//! once, together; then tone, noise, blur and colour change the image, in the order of the list. What happens depends
//! on (seed, epoch, index) and nothing else.
//!
//! Departs from the reference, whose lists mix the two: because a pixel read once is sharper and cheaper. A change of
//! single grey values (brightness, contrast, gamma, a shift of a colour) gives nearly the same before a move as after
//! it; noise, blur, median, sharpening and CLAHE look at neighbours or scatter, and then act on the moved image and not
//! on the one that is moved.
//!
//! Departs from the reference, which changes images at their original resolution and then resizes
//! ([`Augment::apply_then_resize`], on demand): because images are kept in memory at the network's size, and a change
//! of a quarter of the pixels takes a quarter of the time. So lengths in pixels that are not those of an image of a
//! stated size (the sides of `median-blur`, `sigma` of `gaussian-blur`, the 3×3 neighbourhood of `sharpen`, the grain
//! of `gauss-noise`) are those of the smaller image, and reach further over the body than the same numbers in the
//! reference.
//!
//! Departs from the reference, whose grey images are loaded as three channels with noise of their own each: because a
//! grey image has one channel here until it is normalised. Its noise is common to all three inputs of the network, as a
//! detector's is.
//!
//! Departs from IRNet, whose `random-crop` pads the normalised image with 0: because images are 8-bit here until they
//! are normalised. The padding is ImageNet's mean colour, which is 0 after the normalisation `imagenet` (up to
//! rounding) and not after another.

mod affine;
mod bell;
mod blur;
mod change;
mod clahe;
mod colour;
mod crop;
mod elastic;
mod lab;
mod median;
mod motion;
mod noise;
mod operation;
mod optical;
#[cfg(test)]
mod oracle;
mod scope;
mod sharpen;
mod step;
mod tone;
mod warp;
mod whole;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use affine::{HorizontalFlip, ShiftScaleRotate};
pub use blur::GaussianBlur;
pub use clahe::Clahe;
pub use colour::{HueSaturationValue, RgbShift};
pub use crop::{CenterCrop, RandomCrop};
pub use elastic::Elastic;
pub use median::MedianBlur;
pub use noise::GaussNoise;
pub use operation::Operation;
pub use optical::OpticalDistortion;
pub use scope::Scope;
pub use sharpen::Sharpen;
pub use step::AugmentStep;
pub use tone::{BrightnessContrast, Gamma};

use self::change::Change;
use self::warp::Warp;
use crate::chance::{Purpose, stream};
use crate::resize::{Filter, resize_nearest, resize_u8};
use crate::{DataError, Stack};

/// What may happen to an image: a `scope`, or `steps`, or the keys after them. Nothing where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// A list of changes by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Changes in the order in which they happen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<AugmentStep>,
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
    /// A list of changes by name.
    #[must_use]
    pub fn scope(scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            ..Self::default()
        }
    }

    /// The same with the list of a `scope` spelled out.
    #[must_use]
    pub fn spelled_out(self) -> Self {
        match self.scope {
            None => self,
            Some(scope) => Self {
                scope: None,
                steps: scope.steps(),
                ..self
            },
        }
    }

    /// What may happen, in order.
    #[must_use]
    pub fn list(&self) -> Vec<AugmentStep> {
        match self.scope {
            Some(scope) => scope.steps(),
            None if self.steps.is_empty() => self.list_of_keys(),
            None => self.steps.clone(),
        }
    }

    fn list_of_keys(&self) -> Vec<AugmentStep> {
        let tone = AugmentStep {
            p: self.tone,
            one_of: vec![
                Operation::BrightnessContrast(BrightnessContrast {
                    brightness: self.brightness,
                    contrast: self.contrast,
                }),
                Operation::Gamma(Gamma {
                    gamma: [1.0 - self.gamma, 1.0 + self.gamma],
                }),
            ],
        };
        vec![
            AugmentStep::of(self.hflip, Operation::HorizontalFlip(HorizontalFlip {})),
            AugmentStep::of(
                self.affine,
                Operation::ShiftScaleRotate(ShiftScaleRotate {
                    shift: self.shift,
                    scale: self.scale,
                    rotate: self.rotate,
                }),
            ),
            tone,
            AugmentStep::of(
                self.blur,
                Operation::GaussianBlur(GaussianBlur {
                    sigma: self.blur_sigma,
                }),
            ),
            AugmentStep::of(
                self.noise,
                Operation::GaussNoise(GaussNoise {
                    variance: self.noise_variance,
                }),
            ),
        ]
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`] for the first value that is out of its range, and for two ways at once of saying what may
    /// happen.
    pub fn check(&self) -> Result<(), DataError> {
        let keys = Self {
            scope: None,
            steps: Vec::new(),
            ..self.clone()
        };
        let ways = [
            self.scope.map(|scope| format!("scope = \"{scope}\"")),
            (!self.steps.is_empty()).then(|| "steps".to_owned()),
            (keys != Self::default()).then(|| "keys such as hflip".to_owned()),
        ];
        let said: Vec<String> = ways.into_iter().flatten().collect();
        if said.len() > 1 {
            return Err(DataError::Setting {
                key: "augment".into(),
                found: said.join(" and "),
                expected: "one of the three: a scope, steps, or single keys; to change a scope, \
                           write its steps (`weakseg config show` prints them) and change those"
                    .into(),
            });
        }
        for (key, chance) in [
            ("augment.hflip", self.hflip),
            ("augment.affine", self.affine),
            ("augment.tone", self.tone),
            ("augment.noise", self.noise),
            ("augment.blur", self.blur),
        ] {
            operation::within(key, chance, 0.0, 1.0, ", a chance")?;
        }
        operation::within("augment.gamma", self.gamma, 0.0, 0.99, "")?;
        if self.scope.is_none() && self.steps.is_empty() {
            return self.check_keys();
        }
        for (place, step) in self.list().iter().enumerate() {
            let below =
                |error| operation::renamed(error, |key| format!("augment.steps[{place}].{key}"));
            step.check().map_err(below)?;
        }
        Ok(())
    }

    /// Checks the ranges of the single keys, which are named otherwise than those of the operations they stand for.
    fn check_keys(&self) -> Result<(), DataError> {
        let named = |error| {
            operation::renamed(error, |key| match key {
                "sigma" => "augment.blur_sigma".to_owned(),
                "variance" => "augment.noise_variance".to_owned(),
                key => format!("augment.{key}"),
            })
        };
        self.list()
            .iter()
            .flat_map(|step| &step.one_of)
            .try_for_each(|operation| operation.check().map_err(named))
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
        if height == 0 || width == 0 {
            return Ok((image.clone(), mask.cloned()));
        }
        let changes = self.draw(seed, epoch, index, height, width);
        let warp = Warp::new(height, width, &changes);
        let moved = mask.map(|mask| warp.nearest(mask));
        let image = changes
            .iter()
            .fold(warp.bilinear(image), |image, change| change.apply(image));
        Ok((image, moved))
    }

    /// As [`Augment::apply`], of an image at its own size, which is brought to `size` × `size` afterwards: the image by
    /// area averaging, its mask by nearest. The mask may be of another size than the image, as one at the network's is:
    /// it is brought to the image's first.
    ///
    /// # Shapes
    /// Image C×H×W → C×size×size; mask P×h×w → P×size×size.
    ///
    /// # Errors
    /// [`DataError::Shape`] if image or mask have no pixels.
    pub fn apply_then_resize(
        &self,
        seed: u64,
        epoch: u64,
        index: u64,
        image: &Stack<u8>,
        mask: Option<&Stack<u8>>,
        size: usize,
    ) -> Result<(Stack<u8>, Option<Stack<u8>>), DataError> {
        let (height, width) = (image.height(), image.width());
        for (what, stack) in [("image", Some(image)), ("mask", mask)] {
            if stack.is_some_and(|stack| stack.as_slice().is_empty()) {
                return Err(DataError::Shape {
                    what: format!("{what} to augment"),
                    expected: "at least one pixel".into(),
                    found: "none".into(),
                });
            }
        }
        let mask = mask.map(|mask| nearest(mask, height, width)).transpose()?;
        let (image, mask) = self.apply(seed, epoch, index, image, mask.as_ref())?;
        let mask = mask.map(|mask| nearest(&mask, size, size)).transpose()?;
        Ok((resize_u8(&image, size, size, Filter::Area), mask))
    }

    fn draw(&self, seed: u64, epoch: u64, index: u64, height: usize, width: usize) -> Vec<Change> {
        let mut rng = stream(Purpose::Augment, seed, epoch, index);
        let mut changes = Vec::new();
        for (number, step) in self.list().iter().enumerate() {
            // Each step has a stream of its own, so that what one draws does not shift the draws of the next.
            rng.set_stream(number as u64);
            rng.set_word_pos(0);
            changes.extend(step.draw(&mut rng, height, width));
        }
        changes
    }
}

/// Every plane of a mask at another size.
fn nearest(mask: &Stack<u8>, height: usize, width: usize) -> Result<Stack<u8>, DataError> {
    let planes: Vec<_> = (0..mask.channels())
        .map(|plane| resize_nearest(&mask.to_plane(plane), height, width))
        .collect();
    Stack::from_planes(&planes)
}
