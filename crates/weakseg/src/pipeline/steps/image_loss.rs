//! What the classifier minimises, on the labels of a set.

use weakseg_data::Cases;

use super::learner::Learner;
use crate::config::{ClassifierStep, LabelWeight, LabelWeightRule};
use crate::loss::{ImageLoss, label_weights};
use crate::pipeline::StepError;

/// The loss that is set, with a weight for each class of the set.
///
/// # Errors
/// If weights are given, but not one a class.
pub(crate) fn image_loss(config: &ClassifierStep, set: &Cases) -> Result<ImageLoss, StepError> {
    let classes = &set.classes.names;
    let pos_weight = match &config.pos_weight {
        None => None,
        Some(LabelWeight::Value(weight)) => Some(vec![*weight as f32; classes.len()]),
        Some(LabelWeight::Each(weights)) if weights.len() == classes.len() => {
            Some(weights.iter().map(|&weight| weight as f32).collect())
        }
        Some(LabelWeight::Each(weights)) => {
            return Err(StepError::Config(format!(
                "classifier.pos_weight has {} numbers, but the set has the {} classes {}; give one a class, in this order",
                weights.len(),
                classes.len(),
                classes.join(", ")
            )));
        }
        Some(LabelWeight::Rule(LabelWeightRule::FromLabels)) => {
            let learned = Learner::Classifier.cases(set);
            let labels = learned.iter().map(|&case| &set.cases[case].labels[..]);
            Some(label_weights(labels))
        }
    };
    Ok(ImageLoss {
        kind: config.loss,
        pos_weight,
    })
}
