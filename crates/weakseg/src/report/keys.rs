//! The keys of a figure: who, on which images, with which labels, measured how.
//!
//! Their words in `report.json` are a contract that scripts rely on.

use serde::{Deserialize, Serialize};

use super::error::ReportError;

/// Who made the masks or the decisions that a row scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The empty mask on every image.
    BaselineEmpty,
    /// The whole image, or the largest mask the classes allow, on every image.
    BaselineFull,
    /// One mask for all images: where findings lie on the average.
    BaselinePrior,
    /// The image-level classifier.
    Classifier,
    /// Class activation maps (step 1 of the paper).
    Cam,
    /// Maps propagated along IRNet's edges (step 2).
    Irn,
    /// The segmentation network (step 3).
    Segmentation,
}

impl Step {
    /// Whether the step is a mask that looks at no image.
    pub fn is_baseline(self) -> bool {
        matches!(
            self,
            Step::BaselineEmpty | Step::BaselineFull | Step::BaselinePrior
        )
    }

    /// Whether the step is one of the method that makes masks.
    pub fn is_method(self) -> bool {
        matches!(self, Step::Cam | Step::Irn | Step::Segmentation)
    }

    /// The name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Step::BaselineEmpty => "Empty mask",
            Step::BaselineFull => "Full mask",
            Step::BaselinePrior => "Prior mask",
            Step::Classifier => "Classifier",
            Step::Cam => "CAM",
            Step::Irn => "IRNet",
            Step::Segmentation => "Segmentation",
        }
    }
}

/// Which image labels the maps of a row were allowed to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageLabels {
    /// The true labels: what a training set has and a new patient has not.
    Truth,
    /// The classifier's own decision.
    Predicted,
    /// None.
    None,
}

impl ImageLabels {
    /// The remark in tables, empty for [`ImageLabels::None`].
    pub fn remark(self) -> &'static str {
        match self {
            ImageLabels::Truth => "true labels",
            ImageLabels::Predicted => "predicted labels",
            ImageLabels::None => "",
        }
    }
}

/// The images, or the class, that a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Subset {
    /// Images that show a finding.
    Pos,
    /// Images that show none.
    Neg,
    /// All images.
    All,
    /// One class, by name.
    Class(String),
}

impl Subset {
    /// The subset of one class.
    ///
    /// # Errors
    /// [`ReportError::ReservedClass`] for the names `all`, `pos` and `neg`.
    pub fn class(name: &str) -> Result<Self, ReportError> {
        match Subset::from(name.to_owned()) {
            class @ Subset::Class(_) => Ok(class),
            _ => Err(ReportError::ReservedClass {
                name: name.to_owned(),
            }),
        }
    }

    /// The name as written in `report.json`.
    pub fn as_str(&self) -> &str {
        match self {
            Subset::All => "all",
            Subset::Pos => "pos",
            Subset::Neg => "neg",
            Subset::Class(name) => name,
        }
    }
}

impl From<String> for Subset {
    fn from(name: String) -> Self {
        match name.as_str() {
            "all" => Subset::All,
            "pos" => Subset::Pos,
            "neg" => Subset::Neg,
            _ => Subset::Class(name),
        }
    }
}

impl From<Subset> for String {
    fn from(subset: Subset) -> Self {
        subset.as_str().to_owned()
    }
}

/// What was measured; every metric lies in 0..=1 and more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean over the classes of the IoU of the set's pooled confusion.
    Miou,
    /// Intersection over union.
    Iou,
    /// Dice coefficient.
    Dice,
    /// F1 score.
    F1,
    /// Area under the receiver operating characteristic.
    Auroc,
    /// True positives over positives.
    Sensitivity,
    /// True negatives over negatives.
    Specificity,
    /// Share of findings whose map peaks inside them (the pointing game).
    HitRate,
    /// IoU of the box around the prediction with the reader's box.
    BoxIou,
}

impl Metric {
    /// The name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Metric::Miou => "mIoU",
            Metric::Iou => "IoU",
            Metric::Dice => "Dice",
            Metric::F1 => "F1",
            Metric::Auroc => "AUROC",
            Metric::Sensitivity => "Sensitivity",
            Metric::Specificity => "Specificity",
            Metric::HitRate => "Hit rate",
            Metric::BoxIou => "Box IoU",
        }
    }
}

#[cfg(test)]
mod tests {
    use weakseg_data::Split;

    use super::*;

    #[test]
    fn every_word_of_the_contract() {
        fn words<T: Serialize>(values: &[T]) -> String {
            let json = serde_json::to_string(values).expect("enums are JSON");
            json.trim_matches(['[', ']']).replace('"', "")
        }
        use Step::{
            BaselineEmpty, BaselineFull, BaselinePrior, Cam, Classifier, Irn, Segmentation,
        };
        assert_eq!(
            words(&[
                Classifier,
                Cam,
                Irn,
                Segmentation,
                BaselineEmpty,
                BaselineFull,
                BaselinePrior
            ]),
            "classifier,cam,irn,segmentation,baseline-empty,baseline-full,baseline-prior"
        );
        assert_eq!(words(&Split::ALL), "train,val,test");
        assert_eq!(
            words(&[
                ImageLabels::Truth,
                ImageLabels::Predicted,
                ImageLabels::None
            ]),
            "truth,predicted,none"
        );
        assert_eq!(
            words(&[Subset::All, Subset::Pos, Subset::Neg]),
            "all,pos,neg"
        );
        use Metric::{Auroc, BoxIou, Dice, F1, HitRate, Iou, Miou, Sensitivity, Specificity};
        assert_eq!(
            words(&[
                Miou,
                Iou,
                Dice,
                F1,
                Auroc,
                Sensitivity,
                Specificity,
                HitRate,
                BoxIou
            ]),
            "miou,iou,dice,f1,auroc,sensitivity,specificity,hit_rate,box_iou"
        );
    }

    #[test]
    fn classes_may_not_take_the_names_of_subsets() {
        assert!(matches!(
            Subset::class("pos"),
            Err(ReportError::ReservedClass { .. })
        ));
        assert_eq!(Subset::class("Pos").expect("another word").as_str(), "Pos");
    }
}
