//! A rule that makes masks, and what it scores.

use serde::{Deserialize, Serialize};

use super::curve::{CaseCurves, Curve};
use crate::cam::Threshold;
use crate::config::Triplet;
use crate::metrics::{Columns, Overlap, mean};

/// How the maps or probabilities of a finding become its mask, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Value above which a pixel belongs to the finding.
    pub threshold: Threshold,
    /// Probability of the classifier above which there is a mask at all; 0 does not ask it.
    pub gate: f64,
    /// Asks for enough sure pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triplet: Option<Triplet>,
}

/// Mean Dice of images, an empty prediction of an empty truth being 1 ([`Overlap::iou`]). None without an image of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// Over all images.
    pub all: Option<f64>,
    /// Over images that show the finding.
    pub pos: Option<f64>,
    /// Over the others.
    pub neg: Option<f64>,
}

impl Rule {
    /// The mean Dice over all findings of some cases: what a search makes great. None without cases.
    pub fn dice(&self, cases: &[&CaseCurves]) -> Option<f64> {
        let curves = cases.iter().flat_map(|case| &case.curves);
        mean(curves.map(|curve| curve.overlap(self).dice()))
    }

    /// The scores over all findings of some cases.
    pub fn scores(&self, cases: &[&CaseCurves]) -> Scores {
        Scores::of(cases, |curve| curve.overlap(self))
    }
}

impl Scores {
    /// Those of an empty mask for every image, which every rule must beat.
    pub fn of_empty(cases: &[&CaseCurves]) -> Self {
        Self::of(cases, Curve::empty)
    }

    fn of(cases: &[&CaseCurves], overlap: impl Fn(&Curve) -> Overlap) -> Self {
        let curves = cases.iter().flat_map(|case| &case.curves);
        let overlaps: Vec<Overlap> = curves.map(overlap).collect();
        let Columns { all, pos, neg } = Columns::of(&overlaps, Overlap::dice);
        Self {
            all: mean(all),
            pos: mean(pos),
            neg: mean(neg),
        }
    }
}
