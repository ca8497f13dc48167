//! Which losses, and their numbers.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::LabelSpace;

use super::{bce_with_logits, integral_attention};
use crate::config::Crf;

/// How the losses of the classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClassReduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// Loss of the image-level classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClassifierLoss {
    /// Binary cross-entropy, summed over the classes and averaged over the images.
    #[default]
    Bce,
    /// Multi-label soft margin: the same, averaged over the classes too, as IRNet's classifier.
    SoftMargin,
    /// Integral attention learning: present and absent labels weigh the same however many there are.
    IntegralAttention,
}

impl ClassifierLoss {
    /// Whether positive labels can be given a weight; integral attention has its own balance.
    pub fn takes_pos_weight(self) -> bool {
        self != Self::IntegralAttention
    }
}

/// A loss of the classifier with what it weighs positive labels by.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageLoss {
    /// Which one.
    pub kind: ClassifierLoss,
    /// Weight of the positive labels of each class, above 0; none is as good as 1. Not read by integral attention.
    pub pos_weight: Option<Vec<f32>>,
}

impl ImageLoss {
    /// The loss of a batch: `logits` and `targets` are `[B, C]`, targets in `0.0..=1.0`. Returns `[1]`.
    ///
    /// # Panics
    /// If there are weights, but not one a class.
    pub fn of(&self, logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let over_classes = match self.kind {
            ClassifierLoss::Bce => ClassReduction::Sum,
            ClassifierLoss::SoftMargin => ClassReduction::Mean,
            ClassifierLoss::IntegralAttention => return integral_attention(logits, targets),
        };
        bce_with_logits(logits, targets, self.pos_weight.as_deref(), over_classes)
    }

    /// The loss of the best answer that is the same for every image, where of each label a share of the images has it,
    /// one of `shares` in 0..=1. None of integral attention, where it depends on how the labels are spread over the
    /// batches.
    pub fn of_best_constant(&self, shares: &[f64]) -> Option<f64> {
        let weight = |class: usize| {
            self.pos_weight
                .as_ref()
                .map_or(1.0, |w| f64::from(w[class]))
        };
        let costs = shares.iter().enumerate().map(|(class, &share)| {
            // -w·s·ln p - (1 - s)·ln(1 - p) is least where p is the share of the weight that is positive.
            let [positive, negative] = [weight(class) * share, 1.0 - share];
            (positive + negative) * entropy(positive / (positive + negative))
        });
        match self.kind {
            ClassifierLoss::Bce => Some(costs.sum()),
            ClassifierLoss::SoftMargin => Some(costs.sum::<f64>() / shares.len().max(1) as f64),
            ClassifierLoss::IntegralAttention => None,
        }
    }
}

/// Of a yes or no, in nats.
fn entropy(share: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(share) + term(1.0 - share)
}

/// A loss of the segmentation network, told apart by `kind`, and its factor in the sum, `weight`. Void pixels (255) do
/// not count, except in `crf-constrained`, which reads no labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SegmentationLoss {
    /// Exclusive classes: cross-entropy of a softmax. Findings: binary cross-entropy with `segmenter.pos_weight`.
    CrossEntropy {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
    },
    /// Binary cross-entropy with `segmenter.pos_weight`, one decision a finding, or a class against the rest.
    Bce {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// `mean` over all pixels of all findings, or the `sum` over findings of each one's mean.
        #[serde(default)]
        reduction: ClassReduction,
    },
    /// Cross-entropy with spatially varying label smoothing (Islam and Glocker 2021): labels soften along borders.
    /// Findings with `segmenter.pos_weight`.
    SmoothedCrossEntropy {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Standard deviation in pixels of the Gaussian over 3 x 3 labels, above 0.
        #[serde(default = "one")]
        sigma: f64,
    },
    /// Kullback-Leibler divergence of the smoothed labels and the network.
    KlDivergence {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// As in `smoothed-cross-entropy`; 0 leaves the labels as they are, which makes this the cross-entropy.
        #[serde(default = "one")]
        sigma: f64,
    },
    /// Soft intersection over union, the mean over images and classes.
    SoftIou {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Added to intersection and union, above 0.
        #[serde(default = "millionth")]
        smooth: f64,
    },
    /// Differentiable Dice, the mean over classes of the batch's.
    Dice {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Added to both sides of the fraction, above 0.
        #[serde(default = "one")]
        smooth: f64,
    },
    /// Focal loss (Lin et al. 2017): pixels that the network is sure of weigh little.
    Focal {
        /// Factor in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Exponent on the probability that is missing, 0 or more.
        #[serde(default = "two")]
        gamma: f64,
        /// Weight of pixels with a finding or class; those without weigh 1 less this. In 0..=1.
        #[serde(default = "quarter")]
        alpha: f64,
    },
    /// Agreement with a dense CRF of the network's own output and the image, which pulls borders to those of the image.
    CrfConstrained(CrfConstraint),
}

// What serde calls for a field that is not there.
fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn quarter() -> f64 {
    0.25
}

fn millionth() -> f64 {
    1e-6
}

impl SegmentationLoss {
    /// Factor in the sum.
    pub fn weight(&self) -> f64 {
        match self {
            Self::CrossEntropy { weight }
            | Self::Bce { weight, .. }
            | Self::SmoothedCrossEntropy { weight, .. }
            | Self::KlDivergence { weight, .. }
            | Self::SoftIou { weight, .. }
            | Self::Dice { weight, .. }
            | Self::Focal { weight, .. }
            | Self::CrfConstrained(CrfConstraint { weight, .. }) => *weight,
        }
    }

    /// Whether it weighs positive pixels by `segmenter.pos_weight`, and moves logits by nothing else.
    pub fn is_weighted(&self, space: LabelSpace) -> bool {
        match self {
            Self::Bce { .. } => true,
            Self::CrossEntropy { .. } | Self::SmoothedCrossEntropy { .. } => {
                space == LabelSpace::Findings
            }
            _ => false,
        }
    }

    /// Name of its share in the metrics log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy { .. } => "loss/cross-entropy",
            Self::Bce { .. } => "loss/bce",
            Self::SmoothedCrossEntropy { .. } => "loss/smoothed-cross-entropy",
            Self::KlDivergence { .. } => "loss/kl-divergence",
            Self::SoftIou { .. } => "loss/soft-iou",
            Self::Dice { .. } => "loss/dice",
            Self::Focal { .. } => "loss/focal",
            Self::CrfConstrained(_) => "loss/crf-constrained",
        }
    }
}

/// The dense CRF of [`crf_constrained`](super::crf_constrained). Deviations are in pixels of the network's input; the
/// default kernels are those of SEC (Kolesnikov and Lampert 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrfConstraint {
    /// Factor in the sum.
    pub weight: f64,
    /// The CRF runs on a grid coarser by this factor, which divides the network's input.
    pub scale_factor: usize,
    /// Mean-field iterations.
    pub iterations: usize,
    /// Standard deviation in pixels and weight of the Gaussian term.
    pub gaussian: [f32; 2],
    /// Standard deviation in pixels, in levels of colour, and weight of the bilateral term. A grey image counts as
    /// three equal channels, as in the reference code.
    pub bilateral: [f32; 3],
}

impl CrfConstraint {
    /// The numbers of its dense CRF.
    pub fn dense_crf(&self) -> Crf {
        Crf {
            iterations: self.iterations,
            gaussian: self.gaussian,
            bilateral: self.bilateral,
        }
    }
}

impl Default for CrfConstraint {
    fn default() -> Self {
        Self {
            weight: 1.0,
            scale_factor: 4,
            iterations: 4,
            gaussian: [3.0, 3.0],
            bilateral: [80.0, 13.0, 10.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::oracle::tensor;

    /// Of four images one has the first label, all the second, two the third.
    #[test]
    fn no_constant_costs_less_than_the_best() {
        let targets = || {
            let labels = [1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0].map(|label: u8| f32::from(label));
            tensor(labels.to_vec(), [4, 3])
        };
        let logit = |p: f32| (p / (1.0 - p)).ln().clamp(-30.0, 30.0);
        let cost = |loss: &ImageLoss, answer: [f32; 3]| {
            let logits = [answer.map(logit); 4].concat();
            let value: f32 = loss.of(tensor(logits, [4, 3]), targets()).into_scalar();
            f64::from(value)
        };
        // A weight of 3 on one image of four, and of 0.5 on two: as if half, and a third, were positive.
        for (pos_weight, answer) in [
            (None, [0.25, 1.0, 0.5]),
            (Some(vec![3.0, 7.0, 0.5]), [0.5, 1.0, 1.0 / 3.0]),
        ] {
            for kind in [ClassifierLoss::Bce, ClassifierLoss::SoftMargin] {
                let pos_weight = pos_weight.clone();
                let loss = ImageLoss { kind, pos_weight };
                let best = loss.of_best_constant(&[0.25, 1.0, 0.5]).unwrap();
                let found = cost(&loss, answer);
                assert!((found - best).abs() < 1e-6, "{loss:?} {found} {best}");
                for (class, change) in [(0, 0.05), (0, -0.05), (1, -0.1), (2, 0.1), (2, -0.1)] {
                    let mut other = answer;
                    other[class] += change;
                    assert!(cost(&loss, other) > best + 1e-4, "{loss:?} {other:?}");
                }
            }
        }
        // H(1/4) + H(1) + H(1/2) = 0.562335 + 0 + 0.693147.
        let bce = ImageLoss {
            kind: ClassifierLoss::Bce,
            pos_weight: None,
        };
        let best = bce.of_best_constant(&[0.25, 1.0, 0.5]).unwrap();
        assert!((best - 1.255_482).abs() < 1e-6);
        let attention = ImageLoss {
            kind: ClassifierLoss::IntegralAttention,
            pos_weight: None,
        };
        assert_eq!(attention.of_best_constant(&[0.5]), None);
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Holder {
        losses: Vec<SegmentationLoss>,
    }

    fn read(text: &str) -> Result<Vec<SegmentationLoss>, toml::de::Error> {
        toml::from_str::<Holder>(&format!("losses = [{text}]")).map(|holder| holder.losses)
    }

    #[test]
    fn toml_names_and_defaults() {
        let losses = read(
            r#"{ kind = "cross-entropy", weight = 0.5 }, { kind = "bce", reduction = "sum" }, { kind = "smoothed-cross-entropy" },
               { kind = "kl-divergence", sigma = 0 }, { kind = "soft-iou" }, { kind = "dice" }, { kind = "focal", gamma = 3 },
               { kind = "crf-constrained", weight = 0.5, scale_factor = 2 }"#,
        )
        .unwrap();
        let (weight, sigma) = (1.0, 1.0);
        assert_eq!(
            losses,
            [
                SegmentationLoss::CrossEntropy { weight: 0.5 },
                SegmentationLoss::Bce {
                    weight,
                    reduction: ClassReduction::Sum
                },
                SegmentationLoss::SmoothedCrossEntropy { weight, sigma },
                SegmentationLoss::KlDivergence { weight, sigma: 0.0 },
                SegmentationLoss::SoftIou {
                    weight,
                    smooth: 1e-6
                },
                SegmentationLoss::Dice {
                    weight,
                    smooth: 1.0
                },
                SegmentationLoss::Focal {
                    weight,
                    gamma: 3.0,
                    alpha: 0.25
                },
                SegmentationLoss::CrfConstrained(CrfConstraint {
                    weight: 0.5,
                    scale_factor: 2,
                    ..CrfConstraint::default()
                }),
            ]
        );
        let text = toml::to_string_pretty(&Holder {
            losses: losses.clone(),
        })
        .unwrap();
        assert_eq!(toml::from_str::<Holder>(&text).unwrap().losses, losses);
    }

    #[test]
    fn what_a_kind_does_not_have_is_refused() {
        for (text, word) in [
            (r#"{ kind = "dice", gamma = 2.0 }"#, "gamma"),
            (r#"{ kind = "crf-constrained", smooth = 2.0 }"#, "smooth"),
            (r#"{ kind = "lovasz" }"#, "lovasz"),
            (r#"{ weight = 1.0 }"#, "kind"),
        ] {
            let message = read(text).expect_err(text).to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
