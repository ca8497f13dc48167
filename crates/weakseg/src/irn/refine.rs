//! A dense CRF over class scores, which moves the borders of pseudo-labels to those of the image.

use densecrf::{CrfError, SoftmaxOptions, Unary};
use weakseg_data::{LabelSpace, Stack};

use crate::config::Crf;

/// Refines `maps`, `[K, H, W]` in 0..=1 (walked maps after division by their maximum), on an image of the same size,
/// 1 or 3 × H × W. A pixel's probabilities are its scores and the constant `background`, divided by their sum.
///
/// Given back is, for each class, Q(class) / (Q(class) + Q(background)) of the mean field's Q: above one half where the
/// class is likelier than background, and the greatest for the likeliest class. So a mask is cut at 0.5.
///
/// Exclusive classes compete with each other and the background, findings each with the background alone.
///
/// Source: the dense CRF that AffinityNet (Ahn and Kwak 2018, §4) puts after its random walk. Departs from IRNet, which
/// cuts the walked maps as they are: because on small images the walk's grid of stride 4 leaves borders that the image
/// knows better.
///
/// # Errors
/// If sizes do not agree or the CRF refuses its parameters.
pub fn refine(
    image: &Stack<u8>,
    maps: &Stack<f32>,
    space: LabelSpace,
    background: f32,
    crf: &Crf,
) -> Result<Stack<f32>, CrfError> {
    let (height, width) = (maps.height(), maps.width());
    let groups: Vec<Vec<&[f32]>> = match space {
        LabelSpace::Exclusive => vec![(0..maps.channels()).map(|c| maps.plane(c)).collect()],
        LabelSpace::Findings => (0..maps.channels()).map(|c| vec![maps.plane(c)]).collect(),
    };
    let labels = 1 + groups.first().map_or(0, Vec::len);
    let field = crf.field([height, width], labels, image, 1.0)?;
    let unaries = groups
        .iter()
        .map(|planes| unary(planes, background))
        .collect::<Result<Vec<_>, _>>()?;
    let refined = field.infer_all(&unaries.iter().collect::<Vec<_>>(), crf.iterations)?;
    let mut odds = Vec::with_capacity(maps.as_slice().len());
    for marginals in &refined {
        let (nothing, classes) = marginals.q().split_at(height * width);
        for class in classes.chunks_exact(height * width) {
            odds.extend(class.iter().zip(nothing).map(|(&q, &none)| q / (q + none)));
        }
    }
    Ok(Stack::new(maps.channels(), height, width, odds).expect("one value a class and pixel"))
}

/// Background first.
fn unary(planes: &[&[f32]], background: f32) -> Result<Unary, CrfError> {
    let sums: Vec<f32> = (0..planes[0].len())
        .map(|at| background + planes.iter().map(|plane| plane[at]).sum::<f32>())
        .collect();
    let share = |score: f32, sum: f32| score / sum.max(f32::MIN_POSITIVE);
    let mut shares: Vec<f32> = sums.iter().map(|&sum| share(background, sum)).collect();
    for plane in planes {
        shares.extend(
            plane
                .iter()
                .zip(&sums)
                .map(|(&score, &sum)| share(score, sum)),
        );
    }
    Unary::from_softmax(&shares, planes.len() + 1, SoftmaxOptions::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRF: Crf = Crf {
        iterations: 10,
        gaussian: [1.0, 1.0],
        bilateral: [4.0, 10.0, 5.0],
    };

    /// Left half dark, right half bright, 8 × 8; the maps are unsure of the column beside the edge.
    fn scene() -> (Stack<u8>, Stack<f32>) {
        let image = (0..64).map(|i| if i % 8 < 4 { 20 } else { 230 }).collect();
        let left = (0..64).map(|i| [1.0, 1.0, 1.0, 0.2, 0.0, 0.0, 0.0, 0.0][i % 8]);
        let right = (0..64).map(|i| [0.0, 0.0, 0.0, 0.0, 0.2, 0.6, 0.6, 0.6][i % 8]);
        (
            Stack::new(1, 8, 8, image).unwrap(),
            Stack::new(2, 8, 8, left.chain(right).collect()).unwrap(),
        )
    }

    #[test]
    fn borders_move_to_those_of_the_image() {
        let (image, maps) = scene();
        for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
            let refined = refine(&image, &maps, space, 0.25, &CRF).unwrap();
            for (at, (&left, &right)) in refined.plane(0).iter().zip(refined.plane(1)).enumerate() {
                assert_eq!(
                    (left > 0.5, right > 0.5),
                    (at % 8 < 4, at % 8 >= 4),
                    "{space:?} {at}"
                );
            }
        }
    }

    #[test]
    fn without_iterations_the_cut_is_that_of_the_scores() {
        let (image, maps) = scene();
        let none = Crf {
            iterations: 0,
            ..CRF
        };
        let refined = refine(&image, &maps, LabelSpace::Exclusive, 0.25, &none).unwrap();
        for (odds, score) in refined.as_slice().iter().zip(maps.as_slice()) {
            assert!(
                (odds - score.max(1e-5) / (score.max(1e-5) + 0.25)).abs() < 1e-3,
                "{odds} {score}"
            );
        }
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        let (image, _) = scene();
        let maps = Stack::filled(1, 4, 4, 0.5);
        refine(&image, &maps, LabelSpace::Exclusive, 0.25, &CRF).unwrap_err();
    }
}
