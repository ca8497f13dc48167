//! Pixel labels of a batch, and what a network's logits say of the same pixels.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};
use weakseg_data::LabelSpace;

use super::VOID;
use super::total::total;

/// Pixel labels as masks hold them.
#[derive(Debug, Clone)]
pub enum PixelTargets {
    /// One class a pixel, `[B, H, W]`: `0..K` or 255 (void).
    Exclusive(Tensor<3, Int>),
    /// One decision a finding and pixel, `[B, C, H, W]`: 0, 1 or 255 (void).
    Findings(Tensor<4>),
}

impl PixelTargets {
    /// How the classes share the pixels.
    pub fn space(&self) -> LabelSpace {
        match self {
            Self::Exclusive(_) => LabelSpace::Exclusive,
            Self::Findings(_) => LabelSpace::Findings,
        }
    }

    /// One plane of 0, 1 and 255 (void) for each of the `outputs` of a network, `[B, outputs, H, W]`: a class against
    /// the rest, or a finding as it is.
    pub fn planes(&self, outputs: usize) -> Tensor<4> {
        match self {
            Self::Exclusive(labels) => {
                let labels = labels.clone().unsqueeze_dim::<4>(1);
                let void = labels.clone().equal_scalar(i64::from(VOID)).float();
                let planes = (0..outputs)
                    .map(|class| {
                        let here = labels.clone().equal_scalar(class as i64).float();
                        here + void.clone() * f32::from(VOID)
                    })
                    .collect();
                Tensor::cat(planes, 1)
            }
            Self::Findings(planes) => planes.clone(),
        }
    }

    /// The labels as shares, for a network of that many `outputs`.
    pub fn soft(&self, outputs: usize) -> SoftTargets {
        let planes = self.planes(outputs);
        let counted = match self {
            Self::Exclusive(_) => planes.clone().narrow(1, 0, 1),
            Self::Findings(_) => planes.clone(),
        };
        SoftTargets {
            space: self.space(),
            share: planes.equal_scalar(1.0).float(),
            counted: counted.not_equal_scalar(f32::from(VOID)).float(),
        }
    }
}

/// Pixel labels as shares of the classes: 1 for the label and 0 for the others, or anything between after
/// [`smoothing`](SoftTargets::smoothed).
#[derive(Debug, Clone)]
pub struct SoftTargets {
    /// How the classes share the pixels.
    pub(super) space: LabelSpace,
    /// `[B, K, H, W]`, summing to 1 over K, or `[B, C, H, W]`, in `0.0..=1.0`; 0 where void.
    pub(super) share: Tensor<4>,
    /// 1, or 0 where void: `[B, 1, H, W]` for exclusive classes, `[B, C, H, W]` for findings.
    pub(super) counted: Tensor<4>,
}

impl SoftTargets {
    /// One distribution a decision: shares `[N, K, H, W]`, and `[N, 1, H, W]` of 1 or 0 (void). For exclusive classes N
    /// = B and K is the number of classes; for findings N = B·C and K = 2, absent first.
    pub(super) fn decisions(&self) -> (Tensor<4>, Tensor<4>) {
        match self.space {
            LabelSpace::Exclusive => (self.share.clone(), self.counted.clone()),
            LabelSpace::Findings => {
                let present = one_channel(self.share.clone());
                let counted = one_channel(self.counted.clone());
                let absent = counted.clone() - present.clone();
                (Tensor::cat(vec![absent, present], 1), counted)
            }
        }
    }
}

/// Log-probabilities of the decisions that [`SoftTargets::decisions`] describes, `[N, K, H, W]`.
pub(super) fn log_probabilities(logits: Tensor<4>, space: LabelSpace) -> Tensor<4> {
    match space {
        LabelSpace::Exclusive => log_softmax(logits, 1),
        LabelSpace::Findings => {
            let logits = one_channel(logits);
            Tensor::cat(vec![log_sigmoid(-logits.clone()), log_sigmoid(logits)], 1)
        }
    }
}

/// `[B, C, H, W]` → `[B·C, 1, H, W]`.
fn one_channel(planes: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = planes.dims();
    planes.reshape([batch * channels, 1, height, width])
}

/// The mean of `[N, 1, H, W]` over its counted pixels; 0 if there are none.
pub(super) fn counted_mean(each: Tensor<4>, counted: Tensor<4>) -> Tensor<1> {
    let pixels = total(counted.clone()).clamp_min(1.0);
    total(each * counted) / pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::oracle::{labels, tensor};
    use crate::networks::to_vec;

    #[test]
    fn index_maps_become_planes_and_shares() {
        let targets = PixelTargets::Exclusive(labels(vec![2, 0, 255, 1], [1, 1, 4]));
        let planes = to_vec(targets.planes(3));
        assert_eq!(
            planes,
            [
                0.0, 1.0, 255.0, 0.0, 0.0, 0.0, 255.0, 1.0, 1.0, 0.0, 255.0, 0.0
            ]
        );
        let (share, counted) = targets.soft(3).decisions();
        assert_eq!(
            to_vec(share),
            [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(to_vec(counted), [1.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_finding_is_a_decision_between_two() {
        let planes = tensor(vec![1.0, 0.0, 255.0, 0.0, 255.0, 1.0], [1, 2, 1, 3]);
        let (share, counted) = PixelTargets::Findings(planes).soft(2).decisions();
        assert_eq!(share.dims(), [2, 2, 1, 3]);
        assert_eq!(
            to_vec(share),
            [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
        );
        assert_eq!(to_vec(counted), [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        let p = to_vec(log_probabilities(
            tensor(vec![3f32.ln()], [1, 1, 1, 1]),
            LabelSpace::Findings,
        ));
        assert!((p[0].exp() - 0.25).abs() < 1e-6 && (p[1].exp() - 0.75).abs() < 1e-6);
    }
}
