//! `[cams]`: activation maps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges::{self, share};
use crate::cam::{CamMethod, Normalise, Threshold};

/// `make-cams` and `eval-cams` (paper §3.2; reference §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CamStep {
    /// Activation map.
    pub method: CamMethod,
    /// Layer whose activations are weighted: `block1` to `block5` of VGG16, `stem`, `layer1` to `layer4` of the others,
    /// and `extra` where the head has extra convolutions. The last where nothing is said: it is the method's, and its
    /// maps come without a backward pass. An earlier one has finer cells and sees less around each, at one backward
    /// pass a class and image.
    pub layer: Option<String>,
    /// Scales of the input that are summed.
    pub scales: Vec<f64>,
    /// Add the map of the mirrored image.
    pub flip: bool,
    /// How each class's map is brought to 0..=1.
    pub normalise: Normalise,
    /// Probability above which a class counts as predicted.
    pub gate: f64,
    /// Where a map ends when it is scored as a mask: the constant background of the exclusive kind, the threshold of
    /// findings. A number, or `"otsu"` for Otsu's threshold of each map, which needs none.
    pub threshold: Threshold,
}

impl Default for CamStep {
    fn default() -> Self {
        Self {
            method: CamMethod::default(),
            layer: None,
            scales: vec![1.0],
            flip: true,
            normalise: Normalise::Max,
            gate: 0.5,
            threshold: Threshold::Fixed(0.3),
        }
    }
}

impl CamStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.scales.is_empty() {
            return Err(
                "cams.scales is empty; expected at least one scale, as in [1.0]".to_owned(),
            );
        }
        for &scale in &self.scales {
            ranges::scale("cams.scales", scale)?;
        }
        share("cams.gate", self.gate)?;
        match self.threshold {
            Threshold::Fixed(threshold) => share("cams.threshold", threshold),
            _ => Ok(()),
        }
    }
}
