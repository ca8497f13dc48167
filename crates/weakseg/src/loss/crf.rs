//! Agreement of a network with a dense CRF of its own output.

use burn::tensor::{Tensor, TensorData};
use densecrf::{CrfError, Marginals, SoftmaxOptions, Unary};
use rayon::prelude::*;
use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::{LabelSpace, Stack};

use super::CrfConstraint;
use super::kl_divergence::divergence;
use super::targets::log_probabilities;
use super::total::total;
use crate::networks::to_vec;

/// The dense CRF refused an image of a batch.
#[derive(Debug, thiserror::Error)]
#[error("the dense CRF of the loss refuses image {place} of the batch: {source}")]
pub struct CrfLossError {
    /// Index of the image in the batch.
    pub place: usize,
    /// Why.
    pub source: CrfError,
}

/// CRF-constrained loss (reference §6.6): the mean over pixels of KL(Q ‖ p), where p are the network's probabilities on
/// a grid coarser by `scale_factor` and Q what a dense CRF makes of p and the image on that grid. This is the
/// constrain-to-boundary loss of SEC (Kolesnikov and Lampert 2016, "Seed, Expand and Constrain", §3.4). Q is a target:
/// the gradient goes through p alone.
///
/// A finding is a CRF of two labels of its own. Labels of pixels are not read, so void pixels count like others: to say
/// something about pixels without a label is what the loss is for. Logits that are not finite give a loss that is not
/// finite.
///
/// `logits` is `[B, K, H, W]` or `[B, C, H, W]` as `space` says; `images` are the B images that the network saw, 1 or 3
/// × H × W, before normalisation. Returns `[1]`, the same for any number of threads.
///
/// # Errors
/// If the CRF refuses an image of another size, or parameters out of range.
///
/// # Panics
/// If there are not B images, or `scale_factor` does not divide H and W.
pub fn crf_constrained(
    logits: Tensor<4>,
    space: LabelSpace,
    images: &[&Stack<u8>],
    constraint: &CrfConstraint,
) -> Result<Tensor<1>, CrfLossError> {
    let [batch, _, height, width] = logits.dims();
    assert_eq!(images.len(), batch, "one image an element of the batch");
    let scale = constraint.scale_factor;
    assert!(
        height.is_multiple_of(scale) && width.is_multiple_of(scale),
        "{scale} divides {height} and {width}"
    );
    let log_p = coarse(log_probabilities(logits, space), scale);
    let shape = log_p.dims();
    let p = to_vec(log_p.clone().detach().exp());
    let q = if p.iter().all(|p| p.is_finite()) {
        constrained(&p, shape, images, constraint)?
    } else {
        p
    };
    let q = Tensor::from_data(TensorData::new(q, shape), &log_p.device());
    Ok(mean_divergence(q, log_p))
}

/// The mean over decisions and pixels of KL(q ‖ p), from `[N, K, h, w]`.
fn mean_divergence(q: Tensor<4>, log_p: Tensor<4>) -> Tensor<1> {
    let [decisions, _, height, width] = q.dims();
    total(divergence(q, log_p)) / (decisions * height * width).max(1) as f64
}

/// Logarithms of the mean probabilities of `scale` × `scale` pixels, from log-probabilities `[N, K, H, W]`. Written
/// with the largest of each square taken out, so that no mean becomes 0.
fn coarse(log_p: Tensor<4>, scale: usize) -> Tensor<4> {
    let [decisions, labels, height, width] = log_p.dims();
    let (h, w) = (height / scale, width / scale);
    let squares: Tensor<5> = log_p
        .reshape([decisions, labels, h, scale, w, scale])
        .permute([0, 1, 2, 4, 3, 5])
        .reshape([decisions, labels, h, w, scale * scale]);
    let largest = squares.clone().max_dim(4).detach();
    let sum = (squares - largest.clone()).exp().sum_dim(4).log() + largest;
    (sum - ((scale * scale) as f64).ln()).reshape([decisions, labels, h, w])
}

/// Marginals of the dense CRFs, `[N, K, h, w]`, from the network's probabilities of that `shape`; N is a multiple of
/// the number of images.
fn constrained(
    probabilities: &[f32],
    shape: [usize; 4],
    images: &[&Stack<u8>],
    constraint: &CrfConstraint,
) -> Result<Vec<f32>, CrfLossError> {
    let each = probabilities.len() / images.len().max(1);
    let marginals = probabilities
        .par_chunks(each.max(1))
        .zip(images)
        .enumerate()
        .map(|(place, (p, image))| {
            marginals(p, shape, image, constraint).map_err(|source| CrfLossError { place, source })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(marginals.concat())
}

/// Marginals of one image's decisions.
fn marginals(
    probabilities: &[f32],
    [_, labels, height, width]: [usize; 4],
    image: &Stack<u8>,
    constraint: &CrfConstraint,
) -> Result<Vec<f32>, CrfError> {
    if (image.height(), image.width())
        != (
            height * constraint.scale_factor,
            width * constraint.scale_factor,
        )
    {
        return Err(CrfError::SizeMismatch {
            what: "pixels of the image",
            expected: height * width * constraint.scale_factor.pow(2),
            found: image.height() * image.width(),
        });
    }
    let image = resize_u8(image, height, width, Filter::Bicubic);
    let scale = constraint.scale_factor as f32;
    let crf = constraint.dense_crf();
    let field = crf.field([height, width], labels, &image, scale)?;
    let unaries = probabilities
        .chunks(labels * height * width)
        .map(|p| Unary::from_softmax(p, labels, SoftmaxOptions::default()))
        .collect::<Result<Vec<_>, _>>()?;
    let unaries: Vec<&Unary> = unaries.iter().collect();
    let refined = field.infer_all(&unaries, constraint.iterations)?;
    Ok(refined.into_iter().flat_map(Marginals::into_q).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::loss::oracle::{check, floats, integers, record, tensor, value_and_gradient};

    /// Marginals, and the loss where they enter, agree with pydensecrf to this: both are float32 on the same lattice,
    /// and differ in the order of additions (see `densecrf`'s own comparison).
    const CRF_TOLERANCE: f32 = 5e-5;

    fn of(space: LabelSpace) -> (Value, Tensor<4>, Vec<Stack<u8>>) {
        let record = record()["crf"].clone();
        let (o, channels) = match space {
            LabelSpace::Exclusive => (record["exclusive"].clone(), 3),
            LabelSpace::Findings => (record["findings"].clone(), 2),
        };
        let images = record["images"].as_array().unwrap().iter();
        let images = images
            .map(|image| integers(image).iter().map(|&v| v as u8).collect())
            .map(|values| Stack::new(3, 16, 16, values).unwrap())
            .collect();
        let logits = tensor(floats(&o["logits"]), [2, channels, 16, 16]);
        (o, logits, images)
    }

    fn constraint(record: &Value) -> CrfConstraint {
        let pair = floats(&record["gaussian"]);
        let three = floats(&record["bilateral"]);
        CrfConstraint {
            weight: 1.0,
            scale_factor: record["scale_factor"].as_u64().unwrap() as usize,
            iterations: record["iterations"].as_u64().unwrap() as usize,
            gaussian: [pair[0], pair[1]],
            bilateral: [three[0], three[1], three[2]],
        }
    }

    #[test]
    fn divergence_from_given_marginals_equals_pytorch() {
        for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
            let (o, z, _) = of(space);
            check(z, &o, |z| {
                let log_p = coarse(log_probabilities(z, space), 2);
                let q = tensor(floats(&o["marginals"]), log_p.dims());
                mean_divergence(q, log_p)
            });
        }
    }

    #[test]
    fn marginals_equal_pydensecrf() {
        for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
            let (o, z, images) = of(space);
            let images: Vec<&Stack<u8>> = images.iter().collect();
            let constraint = constraint(&record()["crf"]);
            let log_p = coarse(log_probabilities(z.clone(), space), 2);
            let shape = log_p.dims();
            let p = to_vec(log_p.exp());
            let found = constrained(&p, shape, &images, &constraint).unwrap();
            let wanted = floats(&o["marginals"]);
            let worst = |a: &[f32], b: &[f32]| {
                assert_eq!(a.len(), b.len());
                a.iter()
                    .zip(b)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max)
            };
            assert!(worst(&found, &wanted) < CRF_TOLERANCE);
            assert!(worst(&p, &wanted) > 0.1, "the CRF changes something");

            let (value, gradient) = value_and_gradient(z, |z| {
                crf_constrained(z, space, &images, &constraint).unwrap()
            });
            let loss = o["loss"].as_f64().unwrap() as f32;
            assert!(
                (value - loss).abs() < CRF_TOLERANCE * loss.max(1.0),
                "{value} {loss}"
            );
            assert!(worst(&gradient, &floats(&o["gradient"])) < CRF_TOLERANCE);
        }
    }

    #[test]
    fn marginals_are_the_same_for_any_number_of_threads() {
        let (_, z, images) = of(LabelSpace::Exclusive);
        let images: Vec<&Stack<u8>> = images.iter().collect();
        let log_p = coarse(log_probabilities(z, LabelSpace::Exclusive), 2);
        let shape = log_p.dims();
        let p = to_vec(log_p.exp());
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let run = || {
                constrained(
                    &p,
                    shape,
                    &images,
                    &CrfConstraint {
                        scale_factor: 2,
                        ..CrfConstraint::default()
                    },
                )
            };
            pool.build().unwrap().install(run).unwrap()
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn is_zero_where_the_network_says_what_the_crf_says() {
        // Without iterations Q is p. With them it is where nothing can be told apart.
        let (_, z, images) = of(LabelSpace::Exclusive);
        let images: Vec<&Stack<u8>> = images.iter().collect();
        let still = CrfConstraint {
            iterations: 0,
            ..CrfConstraint::default()
        };
        let even = tensor(vec![0.7; 2 * 3 * 256], [2, 3, 16, 16]);
        for (z, constraint) in [(z, still), (even, CrfConstraint::default())] {
            let (value, gradient) = value_and_gradient(z, |z| {
                crf_constrained(z, LabelSpace::Exclusive, &images, &constraint).unwrap()
            });
            assert!(value.abs() < 1e-6, "{value}");
            assert!(gradient.iter().all(|g| g.abs() < 1e-6));
        }
    }

    #[test]
    fn the_coarse_grid_holds_means() {
        let p = [0.1f32, 0.2, 0.4, 0.5, 0.9, 0.8, 0.6, 0.5];
        let log_p = tensor(p.iter().map(|p| p.ln()).collect(), [1, 2, 2, 2]);
        let means = to_vec(coarse(log_p, 2).exp());
        assert!((means[0] - 0.3).abs() < 1e-6 && (means[1] - 0.7).abs() < 1e-6);
    }

    #[test]
    fn extreme_logits_stay_finite_and_others_show() {
        let image = Stack::new(1, 4, 4, (0..16).map(|v| 16 * v).collect()).unwrap();
        let run = |z: Vec<f32>| {
            value_and_gradient(tensor(z, [1, 2, 4, 4]), |z| {
                let constraint = CrfConstraint::default();
                crf_constrained(z, LabelSpace::Exclusive, &[&image], &constraint).unwrap()
            })
        };
        let (value, gradient) = run((0..32).map(|i| [1e4, -1e4][i * 7 % 3 % 2]).collect());
        assert!(value.is_finite() && value >= 0.0, "{value}");
        assert!(gradient.iter().all(|g| g.is_finite()));
        assert!(run(vec![f32::NAN; 32]).0.is_nan());
    }

    #[test]
    fn an_image_of_another_size_is_refused_by_its_place() {
        let (good, other) = (Stack::filled(3, 8, 8, 7), Stack::filled(3, 8, 12, 7));
        let error = crf_constrained(
            tensor(vec![0.0; 2 * 64], [2, 1, 8, 8]),
            LabelSpace::Findings,
            &[&good, &other],
            &CrfConstraint::default(),
        )
        .unwrap_err();
        assert_eq!(error.place, 1);
        assert!(
            error.to_string().contains("image 1 of the batch"),
            "{error}"
        );
    }
}
