//! [`Scope`]: lists of changes that have a name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::affine::{HorizontalFlip, ShiftScaleRotate};
use super::blur::GaussianBlur;
use super::clahe::Clahe;
use super::colour::{HueSaturationValue, RgbShift};
use super::crop::RandomCrop;
use super::elastic::Elastic;
use super::median::MedianBlur;
use super::noise::GaussNoise;
use super::operation::Operation;
use super::optical::OpticalDistortion;
use super::sharpen::Sharpen;
use super::step::AugmentStep;
use super::tone::{BrightnessContrast, Gamma};

/// A list of changes by its name in the reference code, the paper or IRNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Nothing.
    None,
    /// A mirror image half of the time (reference, `weak`).
    Weak,
    /// The same by its other name (reference, `horizontal_flip`).
    #[serde(alias = "horizontal_flip")]
    HorizontalFlip,
    /// For photographs (reference, `strong`): flip, scale and turn, elastic, noise, one of five changes of tone, one of
    /// two of colour.
    Strong,
    /// For X-rays (reference, `pneumothorax`): flip, one of two changes of tone, one of two distortions.
    Pneumothorax,
    /// For X-rays as the paper has it: scale, rotation, blur, brightness and flip.
    #[serde(alias = "paper_xray")]
    PaperXray,
    /// Flip, scale and crop of IRNet's classifier.
    IrnCam,
    /// Flip, scale and crop of IRNet's boundary network.
    Irn,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Weak,
        Self::HorizontalFlip,
        Self::Strong,
        Self::Pneumothorax,
        Self::PaperXray,
        Self::IrnCam,
        Self::Irn,
    ];

    /// Its list, with the reference's chances and ranges (reference §7).
    #[must_use]
    pub fn steps(self) -> Vec<AugmentStep> {
        let flip = || AugmentStep::of(0.5, Operation::HorizontalFlip(HorizontalFlip::default()));
        let brightness = || Operation::BrightnessContrast(BrightnessContrast::default());
        let gamma = || Operation::Gamma(Gamma::default());
        match self {
            Self::None => Vec::new(),
            Self::Weak | Self::HorizontalFlip => vec![flip()],
            Self::Strong => vec![
                flip(),
                AugmentStep::of(
                    0.4,
                    Operation::ShiftScaleRotate(ShiftScaleRotate::default()),
                ),
                AugmentStep::of(
                    0.5,
                    Operation::Elastic(Elastic {
                        alpha: 1.0,
                        sigma: 50.0,
                        affine: 50.0,
                        // VOC's longer side.
                        side: 500.0,
                    }),
                ),
                AugmentStep::of(0.5, Operation::GaussNoise(GaussNoise::default())),
                AugmentStep {
                    p: 0.5,
                    one_of: vec![
                        Operation::Clahe(Clahe::default()),
                        Operation::Sharpen(Sharpen::default()),
                        brightness(),
                        gamma(),
                        Operation::MedianBlur(MedianBlur::default()),
                    ],
                },
                AugmentStep {
                    p: 0.5,
                    one_of: vec![
                        Operation::RgbShift(RgbShift::default()),
                        Operation::HueSaturationValue(HueSaturationValue::default()),
                    ],
                },
            ],
            Self::Pneumothorax => vec![
                flip(),
                AugmentStep {
                    p: 0.3,
                    one_of: vec![brightness(), gamma()],
                },
                AugmentStep {
                    p: 0.3,
                    one_of: vec![
                        Operation::Elastic(Elastic::default()),
                        Operation::OpticalDistortion(OpticalDistortion::default()),
                    ],
                },
            ],
            // The paper states no chances or ranges: those of the reference where it has the operation; frontal X-rays
            // are taken upright and fill the picture, hence small turns and scales, each half of the time, and a blur
            // more seldom.
            Self::PaperXray => vec![
                flip(),
                AugmentStep::of(
                    0.5,
                    Operation::ShiftScaleRotate(ShiftScaleRotate {
                        shift: 0.05,
                        scale: 0.15,
                        rotate: 10.0,
                    }),
                ),
                AugmentStep {
                    p: 0.5,
                    one_of: vec![brightness(), gamma()],
                },
                AugmentStep::of(0.2, Operation::GaussianBlur(GaussianBlur::default())),
            ],
            Self::IrnCam => vec![
                flip(),
                AugmentStep::of(
                    1.0,
                    Operation::RandomCrop(RandomCrop {
                        scale: [0.625, 1.25],
                    }),
                ),
            ],
            Self::Irn => vec![
                flip(),
                AugmentStep::of(1.0, Operation::RandomCrop(RandomCrop::default())),
            ],
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Weak => "weak",
            Self::HorizontalFlip => "horizontal-flip",
            Self::Strong => "strong",
            Self::Pneumothorax => "pneumothorax",
            Self::PaperXray => "paper-xray",
            Self::IrnCam => "irn-cam",
            Self::Irn => "irn",
        })
    }
}
