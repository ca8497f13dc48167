//! A rule that makes masks.

use serde::{Deserialize, Serialize};

use super::cuts::Cuts;
use crate::cam::Threshold;
use crate::config::Triplet;

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

/// A rule with its thresholds looked up among the cuts: once, and not for every curve that it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Place of the threshold; none for Otsu's.
    pub threshold: Option<usize>,
    /// As the rule's.
    pub gate: f64,
    /// The triplet rule, and the place of its `top`.
    pub triplet: Option<(usize, Triplet)>,
}

impl Rule {
    /// The rule among `cuts`.
    ///
    /// # Panics
    /// If its thresholds are none of these ([`Cuts::place`]).
    pub fn placed(&self, cuts: &Cuts) -> Placed {
        Placed {
            threshold: match self.threshold {
                Threshold::Fixed(cut) => Some(cuts.place(cut)),
                Threshold::Rule(_) => None,
            },
            gate: self.gate,
            triplet: self
                .triplet
                .map(|triplet| (cuts.place(triplet.top), triplet)),
        }
    }
}
