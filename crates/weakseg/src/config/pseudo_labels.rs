//! `[pseudo_labels]`: the random walk, and the objects it tells apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Crf;
use super::ranges::{at_most, positive, radius, share};
use crate::instance::InstanceRule;
use crate::instance::coco::MaskForm;

/// Most steps of a walk, and of a way along displacements: forty times the published number and more, and still an end
/// to it.
pub const MOST_STEPS: usize = 10_000;

/// `make-pseudo-labels` (reference §5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PseudoLabelStep {
    /// Radius of the walk's transitions, in cells of the stride-4 grid.
    pub radius: usize,
    /// Exponent on the affinities, above 0.
    pub beta: f32,
    /// Steps of the walk, at most 10000.
    pub steps: usize,
    /// Walk along the ridges of the boundary map alone: for images so small that boundaries cover much of an object.
    pub thin_edges: bool,
    /// Background of the exclusive kind, threshold of findings, after division by the maximum.
    pub threshold: f32,
    /// Refine the walked maps by a dense CRF on the network's grid; not done where nothing is said.
    pub crf: Option<Crf>,
    /// Regions smaller than this share of the image are removed, 0 to 1.
    pub min_area: f32,
    /// Regions whose mean score is below this are removed, 0 to 1.
    pub min_confidence: f32,
    /// Tell the objects of a class apart and write them as COCO annotations too; not done where nothing is said. The
    /// empty table will do.
    // Left out where there is none: runs that were made before there was such a key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<InstanceStep>,
}

impl Default for PseudoLabelStep {
    fn default() -> Self {
        Self {
            radius: 5,
            beta: 10.0,
            steps: 256,
            thin_edges: false,
            threshold: 0.25,
            crf: None,
            min_area: 0.0,
            min_confidence: 0.0,
            instances: None,
        }
    }
}

impl PseudoLabelStep {
    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        radius("pseudo_labels.radius", self.radius)?;
        positive("pseudo_labels.beta", self.beta.into())?;
        at_most("pseudo_labels.steps", self.steps, MOST_STEPS)?;
        share("pseudo_labels.threshold", self.threshold.into())?;
        share("pseudo_labels.min_area", self.min_area.into())?;
        share("pseudo_labels.min_confidence", self.min_confidence.into())?;
        if let Some(crf) = &self.crf {
            crf.check("pseudo_labels.crf")?;
        }
        match &self.instances {
            Some(instances) => instances.check(),
            None => Ok(()),
        }
    }
}

/// Instances of the pseudo-labels (reference §5.6): IRNet's displacements gather cells around centres, and the class
/// maps walk from each gathering alone, as far as the pseudo-labels' do and over the same boundaries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceStep {
    /// Greatest number of steps along the displacement field, at most 10000.
    pub centroid_steps: usize,
    /// Displacements shorter than this mark centres, in cells of the stride-4 grid. The published one suits images of
    /// 512 pixels; smaller images need a smaller one.
    pub weak_displacement: f32,
    /// Value of the background after division by the maximum.
    pub threshold: f32,
    /// Segments that cover less than this share of the image are left out.
    pub min_area: f32,
    /// How masks are written: `rle`, COCO's compressed run lengths, or `polygons`, outlines along the sides of pixels.
    pub masks: MaskForm,
}

impl Default for InstanceStep {
    fn default() -> Self {
        let rule = InstanceRule::default();
        Self {
            centroid_steps: rule.steps,
            weak_displacement: rule.weak,
            threshold: rule.threshold,
            min_area: rule.min_area,
            masks: MaskForm::Rle,
        }
    }
}

impl InstanceStep {
    fn check(&self) -> Result<(), String> {
        let of = |name: &str| format!("pseudo_labels.instances.{name}");
        at_most(&of("centroid_steps"), self.centroid_steps, MOST_STEPS)?;
        positive(&of("weak_displacement"), self.weak_displacement.into())?;
        share(&of("threshold"), self.threshold.into())?;
        share(&of("min_area"), self.min_area.into())
    }
}
