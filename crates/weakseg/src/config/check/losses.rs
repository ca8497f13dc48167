//! Losses of the segmentation network.

use super::super::ranges::{not_negative, positive, share};
use crate::loss::SegmentationLoss;

pub(super) fn check_losses(losses: &[SegmentationLoss], size: usize) -> Result<(), String> {
    if losses.is_empty() {
        return Err(
            "segmenter.losses is empty; expected at least one, as in [{ kind = \"cross-entropy\" }]"
                .to_owned(),
        );
    }
    for (place, loss) in losses.iter().enumerate() {
        let key = |name: &str| format!("segmenter.losses[{place}].{name}");
        positive(&key("weight"), loss.weight())?;
        match loss {
            SegmentationLoss::CrossEntropy { .. } | SegmentationLoss::Bce { .. } => {}
            SegmentationLoss::SmoothedCrossEntropy { sigma, .. } => {
                positive(&key("sigma"), *sigma)?;
            }
            SegmentationLoss::KlDivergence { sigma, .. } => not_negative(&key("sigma"), *sigma)?,
            SegmentationLoss::SoftIou { smooth, .. } | SegmentationLoss::Dice { smooth, .. } => {
                positive(&key("smooth"), *smooth)?;
            }
            SegmentationLoss::Focal { gamma, alpha, .. } => {
                not_negative(&key("gamma"), *gamma)?;
                share(&key("alpha"), *alpha)?;
            }
            SegmentationLoss::CrfConstrained(crf) => {
                if crf.scale_factor == 0 || !size.is_multiple_of(crf.scale_factor) {
                    return Err(format!(
                        "{} is {}; expected a number that divides image.size ({size}), as 1, 2, 4, 8 and 16 do",
                        key("scale_factor"),
                        crf.scale_factor
                    ));
                }
                if crf.iterations == 0 {
                    return Err(format!("{} is 0; expected at least 1", key("iterations")));
                }
                crf.dense_crf()
                    .check(&format!("segmenter.losses[{place}]"))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::resolve;

    #[test]
    fn losses_out_of_range_are_named_by_their_place() {
        let check = |losses: &str| {
            let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
            resolve(table, "t", None, &[format!("segmenter.losses={losses}")])
        };
        check(r#"[{ kind = "dice" }, { kind = "crf-constrained", weight = 0.5 }]"#).expect("valid");
        for (losses, words) in [
            ("[]", "segmenter.losses is empty"),
            (
                r#"[{ kind = "dice", weight = 0 }]"#,
                "segmenter.losses[0].weight is 0; expected a number above 0",
            ),
            (
                r#"[{ kind = "dice" }, { kind = "focal", gamma = -1.0 }]"#,
                "segmenter.losses[1].gamma is -1; expected 0 or more",
            ),
            (
                r#"[{ kind = "focal", alpha = 1.5 }]"#,
                "[0].alpha is 1.5; expected 0 to 1",
            ),
            (r#"[{ kind = "soft-iou", smooth = 0 }]"#, "[0].smooth is 0"),
            (
                r#"[{ kind = "smoothed-cross-entropy", sigma = 0 }]"#,
                "[0].sigma is 0",
            ),
            (
                r#"[{ kind = "kl-divergence", sigma = nan }]"#,
                "[0].sigma is NaN",
            ),
            (
                r#"[{ kind = "crf-constrained", scale_factor = 3 }]"#,
                "[0].scale_factor is 3; expected a number that divides image.size (256)",
            ),
            (
                r#"[{ kind = "crf-constrained", iterations = 0 }]"#,
                "[0].iterations is 0",
            ),
            (
                r#"[{ kind = "crf-constrained", bilateral = [80, 0, 10] }]"#,
                "[0].bilateral is 0",
            ),
            (
                r#"[{ kind = "dice", gamma = 2.0 }]"#,
                "unknown field `gamma`, expected `weight` or `smooth` in `segmenter.losses`",
            ),
            (r#"[{ kind = "tversky" }]"#, "unknown variant `tversky`"),
        ] {
            let message = check(losses).expect_err(losses).to_string();
            assert!(message.contains(words), "{losses}: {message}");
        }
    }
}
