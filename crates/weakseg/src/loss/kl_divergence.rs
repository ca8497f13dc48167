//! Kullback-Leibler divergence of pixels.

use burn::tensor::Tensor;

use super::SoftTargets;
use super::targets::{counted_mean, log_probabilities};

/// KL(t ‖ p) = Σₖ tₖ·(log tₖ − log pₖ) of the labels' shares t and the network's probabilities p: the mean over the
/// counted pixels, of all findings together. 0 where the network says the shares.
///
/// The gradient is that of [`soft_cross_entropy`](super::soft_cross_entropy), and for labels that are not smoothed so
/// is the value.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]`. Returns `[1]`.
pub fn kl_divergence(logits: Tensor<4>, targets: &SoftTargets) -> Tensor<1> {
    let (share, counted) = targets.decisions();
    let each = divergence(share, log_probabilities(logits, targets.space));
    counted_mean(each, counted)
}

/// KL(q ‖ p) over dimension 1, from `q` and log p, both `[N, K, H, W]`: `[N, 1, H, W]`. A `q` of 0 adds 0.
pub(super) fn divergence(q: Tensor<4>, log_p: Tensor<4>) -> Tensor<4> {
    let log_q = q.clone().clamp_min(f32::MIN_POSITIVE).log();
    (q * (log_q - log_p)).sum_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::PixelTargets;
    use crate::loss::oracle::{check, index_case, labels, pixel_case, tensor, value_and_gradient};

    #[test]
    fn equals_pytorch() {
        let (o, z, labels) = index_case();
        let soft = PixelTargets::Exclusive(labels).soft(5);
        check(z.clone(), &o["cross_entropy"], |z| kl_divergence(z, &soft));
        check(z, &o["kl_divergence"], |z| {
            kl_divergence(z, &soft.smoothed(1.0))
        });
        let (o, z, planes) = pixel_case();
        let soft = PixelTargets::Findings(planes).soft(2);
        check(z, &o["kl_divergence"], |z| {
            kl_divergence(z, &soft.smoothed(1.0))
        });
    }

    #[test]
    fn is_zero_where_the_network_says_the_labels_shares() {
        let soft = PixelTargets::Findings(tensor(vec![0.0, 1.0, 255.0], [1, 1, 1, 3]))
            .soft(1)
            .smoothed(1.0);
        let share = crate::networks::to_vec(soft.share.clone());
        let z = share
            .iter()
            .map(|&p| (p / (1.0 - p)).ln().max(-50.0))
            .collect();
        let (value, gradient) =
            value_and_gradient(tensor(z, [1, 1, 1, 3]), |z| kl_divergence(z, &soft));
        assert!(value.abs() < 1e-6, "{value}");
        assert!(gradient.iter().all(|g| g.abs() < 1e-6), "{gradient:?}");
    }

    #[test]
    fn nothing_counted_is_zero_and_extremes_are_finite() {
        let z = || tensor(vec![1e4, -1e4, -1e4, 1e4], [1, 2, 1, 2]);
        let soft = PixelTargets::Exclusive(labels(vec![255, 255], [1, 1, 2])).soft(2);
        let (value, gradient) = value_and_gradient(z(), |z| kl_divergence(z, &soft));
        assert_eq!((value, gradient), (0.0, vec![0.0; 4]));
        let soft = PixelTargets::Exclusive(labels(vec![1, 1], [1, 1, 2])).soft(2);
        let (value, gradient) = value_and_gradient(z(), |z| kl_divergence(z, &soft));
        assert_eq!((value, gradient), (1e4, vec![0.5, 0.0, -0.5, 0.0]));
    }
}
