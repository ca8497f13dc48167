//! Weight of positive pixels and of positive labels.

use weakseg_data::{LabelSpace, Stack};

use super::VOID;

/// Weight of positive pixels: the square root of negative over positive pixels.
///
/// The full ratio makes both kinds weigh the same and trades many false alarms for overlap; the paper weighs positives
/// and does not say by how much. 1 where a kind does not occur, as there is nothing to balance.
pub fn pos_weight(positive: u64, negative: u64) -> f32 {
    if positive == 0 || negative == 0 {
        1.0
    } else {
        (negative as f64 / positive as f64).sqrt() as f32
    }
}

/// What a binary cross-entropy with these weights adds to the logits that it would teach without: ln w of each output.
///
/// Where a share p of equal pixels is positive, the weighted loss is least at the probability w·p / (w·p + 1 − p),
/// whose logit is ln w above that of p.
pub fn logits_by_weight(pos_weight: &[f32]) -> Vec<f32> {
    pos_weight.iter().map(|weight| weight.ln()).collect()
}

/// `(positive, negative)` pixels of a mask of 0, 1 and 255.
pub fn pixel_counts(mask: &[u8]) -> (u64, u64) {
    mask.iter().fold((0, 0), |(p, n), &v| {
        (p + u64::from(v == 1), n + u64::from(v == 0))
    })
}

/// [`pos_weight`] of each of the `outputs` of a network, from all pixels of `masks`: of each finding against its
/// absence, or of each class, background first, against the rest.
///
/// `masks` are as [`LabelSpace`] says: one index map, or one plane a finding.
///
/// # Panics
/// If there are more outputs than a mask has planes, or than a byte has values.
pub fn pos_weights(masks: &[Stack<u8>], space: LabelSpace, outputs: usize) -> Vec<f32> {
    let counts: Vec<(u64, u64)> = match space {
        LabelSpace::Findings => (0..outputs)
            .map(|finding| {
                let each = masks.iter().map(|mask| pixel_counts(mask.plane(finding)));
                each.fold((0, 0), |(p, n), (more_p, more_n)| (p + more_p, n + more_n))
            })
            .collect(),
        LabelSpace::Exclusive => {
            let mut pixels = [0u64; 256];
            for mask in masks {
                for &value in mask.plane(0) {
                    pixels[usize::from(value)] += 1;
                }
            }
            pixels[usize::from(VOID)] = 0;
            let all: u64 = pixels.iter().sum();
            pixels[..outputs].iter().map(|&p| (p, all - p)).collect()
        }
    };
    counts.into_iter().map(|(p, n)| pos_weight(p, n)).collect()
}

/// Weight of the positive labels of each class: images without it over images with it, so that both kinds weigh the
/// same in a loss (as PyTorch's documents advise for its `pos_weight`). 1 where a kind does not occur, as there is
/// nothing to balance.
///
/// `labels` are one row an image, one value a class.
pub fn label_weights<'a>(labels: impl Iterator<Item = &'a [bool]>) -> Vec<f32> {
    let mut images = 0;
    let mut positive: Vec<u64> = Vec::new();
    for row in labels {
        images += 1;
        positive.resize(row.len(), 0);
        for (count, &label) in positive.iter_mut().zip(row) {
            *count += u64::from(label);
        }
    }
    let weight = |&positive: &u64| match (positive, images - positive) {
        (0, _) | (_, 0) => 1.0,
        (positive, negative) => (negative as f64 / positive as f64) as f32,
    };
    positive.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_labels() {
        let rows: [&[bool]; 5] = [
            &[true, false, true, false],
            &[false, false, true, true],
            &[false, false, true, true],
            &[false, false, true, true],
            &[false, false, true, true],
        ];
        assert_eq!(label_weights(rows.into_iter()), [4.0, 1.0, 1.0, 0.25]);
        assert!(label_weights(std::iter::empty()).is_empty());
    }

    #[test]
    fn from_pixels() {
        assert_eq!(pixel_counts(&[0, 1, 255, 0, 0, 0]), (1, 4));
        assert_eq!(pos_weight(1, 4), 2.0);
        assert_eq!(pos_weight(0, 9), 1.0);
        assert_eq!(pos_weight(9, 0), 1.0);
    }

    /// The loss of a share of 0.2 under a weight of 5 is least where the logit, less ln 5, is that of 0.2.
    #[test]
    fn a_weight_moves_the_best_logit_by_its_logarithm() {
        let (share, weight) = (0.2f64, 5.0f64);
        let loss = |logit: f64| {
            let positive = (1.0 + (-logit).exp()).ln();
            let negative = (1.0 + logit.exp()).ln();
            weight * share * positive + (1.0 - share) * negative
        };
        let [moved] = logits_by_weight(&[5.0])[..] else {
            panic!("one weight")
        };
        let best = (share / (1.0 - share)).ln() + f64::from(moved);
        assert!(loss(best) < loss(best - 0.01) && loss(best) < loss(best + 0.01));
        assert_eq!(logits_by_weight(&[1.0, 1.0]), [0.0, 0.0]);
    }

    #[test]
    fn one_weight_an_output() {
        let planes = |values: [u8; 10]| Stack::new(2, 1, 5, values.to_vec()).unwrap();
        let masks = [
            planes([0, 0, 1, 255, 0, 1, 1, 1, 1, 0]),
            planes([0, 255, 255, 255, 255, 0, 0, 0, 1, 1]),
        ];
        let weights = pos_weights(&masks, LabelSpace::Findings, 2);
        assert_eq!(weights, [2.0, (4f32 / 6.0).sqrt()]);
        let map = Stack::new(1, 1, 6, vec![0, 0, 0, 0, 2, 255]).unwrap();
        let weights = pos_weights(&[map], LabelSpace::Exclusive, 3);
        assert_eq!(weights, [0.5, 1.0, 2.0]);
    }
}
