//! A dense CRF over the probabilities of a segmentation network, which moves the borders of masks to those of the
//! image.

use densecrf::{CrfError, SoftmaxOptions, Unary};
use weakseg_data::{LabelSpace, Stack};

use crate::config::Crf;

/// Refines `probabilities`, `[K, H, W]`, on an image of the same size, 1 or 3 × H × W. Given back is the mean field's Q
/// in the same form: of exclusive classes, background first, all compete with each other; of findings each does with
/// its absence alone.
///
/// Source: DeepLab (Chen et al. 2015, §4.2), whose unary term is the negative logarithm of the network's probabilities.
/// The reference has a CRF in training only (reference §6).
///
/// # Errors
/// If sizes do not agree or the CRF refuses its parameters.
pub(super) fn refine_probabilities(
    image: &Stack<u8>,
    probabilities: &Stack<f32>,
    space: LabelSpace,
    crf: &Crf,
) -> Result<Stack<f32>, CrfError> {
    let (planes, height, width) = (
        probabilities.channels(),
        probabilities.height(),
        probabilities.width(),
    );
    let unary =
        |shares: &[f32], labels| Unary::from_softmax(shares, labels, SoftmaxOptions::default());
    let (labels, unaries) = match space {
        LabelSpace::Exclusive => (planes, vec![unary(probabilities.as_slice(), planes)?]),
        LabelSpace::Findings => {
            let each = (0..planes).map(|finding| {
                let there = probabilities.plane(finding);
                let not = there.iter().map(|p| 1.0 - p);
                unary(&not.chain(there.iter().copied()).collect::<Vec<f32>>(), 2)
            });
            (2, each.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let field = crf.field([height, width], labels, image, 1.0)?;
    let refined = field.infer_all(&unaries.iter().collect::<Vec<_>>(), crf.iterations)?;
    let absent = match space {
        LabelSpace::Exclusive => 0,
        LabelSpace::Findings => height * width,
    };
    let values = refined
        .iter()
        .flat_map(|marginals| &marginals.q()[absent..]);
    let values = values.copied().collect();
    Ok(Stack::new(planes, height, width, values).expect("one value a plane and pixel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRF: Crf = Crf {
        iterations: 10,
        gaussian: [1.0, 1.0],
        bilateral: [4.0, 10.0, 5.0],
    };

    /// Left half dark, right half bright, 8 × 8; of the right half the network is sure but for the column at the edge.
    fn scene() -> (Stack<u8>, Vec<f32>) {
        let image = (0..64).map(|i| if i % 8 < 4 { 20 } else { 230 }).collect();
        let right = (0..64).map(|i| [0.1, 0.1, 0.1, 0.1, 0.4, 0.9, 0.9, 0.9][i % 8]);
        (Stack::new(1, 8, 8, image).unwrap(), right.collect())
    }

    #[test]
    fn borders_move_to_those_of_the_image() {
        let (image, right) = scene();
        let left: Vec<f32> = right.iter().map(|p| 1.0 - p).collect();
        let of = |planes: &[&[f32]], space| {
            let stack = Stack::new(planes.len(), 8, 8, planes.concat()).unwrap();
            refine_probabilities(&image, &stack, space, &CRF).unwrap()
        };
        let findings = of(&[&right, &left], LabelSpace::Findings);
        let classes = of(&[&left, &right], LabelSpace::Exclusive);
        for at in 0..64 {
            let bright = at % 8 >= 4;
            assert_eq!(findings.plane(0)[at] > 0.5, bright, "{at}");
            assert_eq!(findings.plane(1)[at] > 0.5, !bright, "{at}");
            assert_eq!(classes.plane(1)[at] > 0.5, bright, "{at}");
            let sum = classes.plane(0)[at] + classes.plane(1)[at];
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            // Two exclusive classes are a finding and its absence.
            let gap = findings.plane(0)[at] - classes.plane(1)[at];
            assert!(gap.abs() < 1e-5, "{gap}");
        }
    }

    #[test]
    fn without_iterations_probabilities_stay() {
        let (image, right) = scene();
        let stack = Stack::new(1, 8, 8, right.clone()).unwrap();
        let crf = Crf {
            iterations: 0,
            ..CRF
        };
        let same = refine_probabilities(&image, &stack, LabelSpace::Findings, &crf).unwrap();
        for (found, expected) in same.as_slice().iter().zip(right) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        let (image, _) = scene();
        let other = Stack::filled(1, 4, 4, 0.5);
        refine_probabilities(&image, &other, LabelSpace::Findings, &CRF).unwrap_err();
    }
}
