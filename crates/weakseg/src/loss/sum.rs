//! The weighted sum of the losses of the segmentation network.

use burn::tensor::Tensor;
use weakseg_data::{LabelSpace, Stack};

use super::{
    ClassReduction, CrfLossError, PixelTargets, SegmentationLoss, crf_constrained, cross_entropy,
    dice, focal, kl_divergence, pixel_bce, soft_cross_entropy, soft_iou,
};

/// What the losses of a batch are taken against.
#[derive(Debug, Clone, Copy)]
pub struct PixelBatch<'a> {
    /// Labels of the pixels.
    pub targets: &'a PixelTargets,
    /// The images that the network saw, before normalisation: 1 or 3 × H × W. Read by the dense CRF's loss alone.
    pub images: &'a [&'a Stack<u8>],
    /// Weight of positive pixels, one an output of the network.
    pub pos_weight: &'a [f32],
}

/// The weighted sum of `losses` under the name `loss`; if there are several, then each one's share, its weight times
/// its value, under the name of its kind. The shares sum to the loss, so those of a kind that occurs twice may be
/// added.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]` as the targets' label space says. An empty list is a loss of 0.
///
/// # Errors
/// If the dense CRF of [`crf_constrained`] refuses an image.
///
/// # Panics
/// As the functions of the losses.
pub fn pixel_loss(
    losses: &[SegmentationLoss],
    logits: &Tensor<4>,
    batch: PixelBatch<'_>,
) -> Result<Vec<(&'static str, Tensor<1>)>, CrfLossError> {
    let shares = losses
        .iter()
        .map(|loss| {
            let value = one(loss, logits.clone(), batch)?;
            Ok((loss.name(), value * loss.weight()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let sum = shares
        .iter()
        .map(|(_, share)| share.clone())
        .reduce(|sum, share| sum + share)
        .unwrap_or_else(|| logits.clone().sum() * 0.0);
    let mut terms = vec![("loss", sum)];
    if shares.len() > 1 {
        terms.extend(shares);
    }
    Ok(terms)
}

fn one(
    loss: &SegmentationLoss,
    logits: Tensor<4>,
    batch: PixelBatch<'_>,
) -> Result<Tensor<1>, CrfLossError> {
    let space = batch.targets.space();
    let outputs = logits.dims()[1];
    let soft = || batch.targets.soft(outputs);
    Ok(match *loss {
        SegmentationLoss::CrossEntropy { .. } => match batch.targets {
            PixelTargets::Exclusive(labels) => cross_entropy(logits, labels.clone()),
            PixelTargets::Findings(planes) => pixel_bce(
                logits,
                planes.clone(),
                Some(batch.pos_weight),
                ClassReduction::Mean,
            ),
        },
        SegmentationLoss::Bce { reduction, .. } => {
            let planes = batch.targets.planes(outputs);
            pixel_bce(logits, planes, Some(batch.pos_weight), reduction)
        }
        SegmentationLoss::SmoothedCrossEntropy { sigma, .. } => {
            let weights = (space == LabelSpace::Findings).then_some(batch.pos_weight);
            soft_cross_entropy(logits, &soft().smoothed(sigma), weights)
        }
        SegmentationLoss::KlDivergence { sigma, .. } if sigma > 0.0 => {
            kl_divergence(logits, &soft().smoothed(sigma))
        }
        SegmentationLoss::KlDivergence { .. } => kl_divergence(logits, &soft()),
        SegmentationLoss::SoftIou { smooth, .. } => soft_iou(logits, &soft(), smooth),
        SegmentationLoss::Dice { smooth, .. } => dice(logits, &soft(), smooth),
        SegmentationLoss::Focal { gamma, alpha, .. } => focal(logits, &soft(), gamma, alpha),
        SegmentationLoss::CrfConstrained(ref constraint) => {
            crf_constrained(logits, space, batch.images, constraint)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::oracle::{floats, index_case, labels, pixel_case, tensor, value_and_gradient};

    /// Every kind, each with a weight of its own.
    fn every() -> Vec<SegmentationLoss> {
        let text = r#"[{"kind": "cross-entropy", "weight": 0.5}, {"kind": "bce", "weight": 0.25, "reduction": "sum"},
            {"kind": "smoothed-cross-entropy", "weight": 0.125}, {"kind": "kl-divergence", "weight": 2},
            {"kind": "kl-divergence", "weight": 3, "sigma": 0}, {"kind": "soft-iou", "weight": 4},
            {"kind": "dice", "weight": 5}, {"kind": "focal", "weight": 6}, {"kind": "crf-constrained", "weight": 7, "scale_factor": 1}]"#;
        serde_json::from_str(text).expect("kinds and weights")
    }

    #[test]
    fn the_sum_is_that_of_its_losses_weighed() {
        let image = Stack::new(3, 3, 4, (0..36).map(|v| 7 * v).collect()).unwrap();
        let (index, index_logits, labels) = index_case();
        let (pixels, pixel_logits, planes) = pixel_case();
        for (o, z, targets) in [
            (index, index_logits, PixelTargets::Exclusive(labels)),
            (pixels, pixel_logits, PixelTargets::Findings(planes)),
        ] {
            let pos_weight = floats(&o["pos_weight"]);
            let batch = PixelBatch {
                targets: &targets,
                images: &[&image, &image],
                pos_weight: &pos_weight,
            };
            let run = |losses: &[SegmentationLoss]| {
                value_and_gradient(z.clone(), |z| {
                    let terms = pixel_loss(losses, &z, batch).unwrap();
                    let names: Vec<_> = terms.iter().map(|(name, _)| *name).collect();
                    match losses {
                        [_] => assert_eq!(names, ["loss"]),
                        _ => assert_eq!(
                            names[1..],
                            losses.iter().map(|l| l.name()).collect::<Vec<_>>()
                        ),
                    }
                    terms[0].1.clone()
                })
            };
            let (value, gradient) = run(&every());
            let mut sum = (0.0, vec![0.0; gradient.len()]);
            for loss in every() {
                // Alone and unweighted, then weighed here.
                let mut json = serde_json::to_value(&loss).unwrap();
                json["weight"] = 1.0.into();
                let (value, gradient) = run(&[serde_json::from_value(json).unwrap()]);
                assert!(value > 0.0, "{loss:?}");
                let weight = loss.weight() as f32;
                sum.0 += weight * value;
                for (sum, g) in sum.1.iter_mut().zip(gradient) {
                    *sum += weight * g;
                }
            }
            assert!((value - sum.0).abs() < 1e-4, "{value} instead of {}", sum.0);
            for (g, w) in gradient.iter().zip(&sum.1) {
                assert!((g - w).abs() < 1e-5, "{g} instead of {w}");
            }
        }
    }

    /// Value and gradient of one loss on 4 × 4 pixels of two outputs whose logits are 1e4, −1e4 and 0 in turn.
    fn extreme(loss: &SegmentationLoss, targets: &PixelTargets) -> (f32, Vec<f32>) {
        let image = Stack::new(1, 4, 4, (0..16).map(|v| 15 * v).collect()).unwrap();
        let z = (0..32).map(|at| [1e4, -1e4, 0.0][at * 5 % 7 % 3]).collect();
        value_and_gradient(tensor(z, [1, 2, 4, 4]), |z| {
            let batch = PixelBatch {
                targets,
                images: &[&image],
                pos_weight: &[2.0, 3.0],
            };
            let terms = pixel_loss(std::slice::from_ref(loss), &z, batch).unwrap();
            terms[0].1.clone()
        })
    }

    #[test]
    fn every_loss_is_finite_and_blind_to_void() {
        let map = |value: fn(usize) -> i64| labels((0..16).map(value).collect(), [1, 4, 4]);
        let planes = |value: fn(usize) -> f32| tensor((0..32).map(value).collect(), [1, 2, 4, 4]);
        let some = [
            PixelTargets::Exclusive(map(|at| [0, 1, 255][at % 3])),
            PixelTargets::Findings(planes(|at| [0.0, 1.0, 255.0][at % 3])),
        ];
        let none = [
            PixelTargets::Exclusive(map(|_| 255)),
            PixelTargets::Findings(planes(|_| 255.0)),
        ];
        for loss in every() {
            for (some, none) in some.iter().zip(&none) {
                let (value, gradient) = extreme(&loss, some);
                assert!(value.is_finite() && value >= 0.0, "{loss:?}: {value}");
                assert!(gradient.iter().all(|g| g.is_finite()), "{loss:?}");
                if matches!(loss, SegmentationLoss::CrfConstrained(_)) {
                    continue; // it reads no labels
                }
                assert!(gradient.iter().any(|&g| g != 0.0), "{loss:?}");
                for (at, g) in gradient.iter().enumerate() {
                    let void = match some {
                        PixelTargets::Exclusive(_) => at % 16 % 3 == 2,
                        PixelTargets::Findings(_) => at % 3 == 2,
                    };
                    assert!(!void || *g == 0.0, "{loss:?} at {at}: {g}");
                }
                let (value, gradient) = extreme(&loss, none);
                assert_eq!(value, 0.0, "{loss:?}");
                assert!(gradient.iter().all(|&g| g == 0.0), "{loss:?}");
            }
        }
    }

    #[test]
    fn the_default_is_the_cross_entropy_of_the_label_space() {
        let (o, z, labels) = index_case();
        let losses = [SegmentationLoss::CrossEntropy { weight: 1.0 }];
        let of = |z: Tensor<4>, targets: PixelTargets, pos_weight: &[f32]| {
            value_and_gradient(z, |z| {
                let batch = PixelBatch {
                    targets: &targets,
                    images: &[],
                    pos_weight,
                };
                pixel_loss(&losses, &z, batch).unwrap()[0].1.clone()
            })
        };
        let plain = value_and_gradient(z.clone(), |z| cross_entropy(z, labels.clone()));
        assert_eq!(
            of(
                z,
                PixelTargets::Exclusive(labels),
                &floats(&o["pos_weight"])
            ),
            plain
        );
        let (o, z, planes) = pixel_case();
        let weight = floats(&o["pos_weight"]);
        let plain = value_and_gradient(z.clone(), |z| {
            pixel_bce(z, planes.clone(), Some(&weight), ClassReduction::Mean)
        });
        assert_eq!(of(z, PixelTargets::Findings(planes), &weight), plain);
    }
}
