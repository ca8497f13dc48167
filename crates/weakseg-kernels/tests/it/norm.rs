//! Batch norm, affine maps of channels and ReLU against the formulas, written with Burn's
//! primitive operations in f64 and differentiated by Burn.

use burn::tensor::{DType, Tensor, TensorData};
use weakseg_kernels::{NormOptions, batch_norm, channel_affine, relu};

use crate::{numbers, relative_error, values};

const EPSILON: f64 = 1e-5;
/// f32 values, some operations deep, beside f64's; all sums are f64.
const TOLERANCE: f32 = 1e-5;

/// Odd sizes, one image, one pixel, one value a channel, more than one task.
const SHAPES: [[usize; 4]; 6] = [
    [2, 3, 5, 7],
    [1, 4, 9, 3],
    [5, 2, 1, 1],
    [1, 3, 1, 1],
    [3, 5, 67, 71],
    [16, 40, 2, 3],
];

/// A leaf, its values rounded to f32 and shifted by `offset`.
fn leaf<const D: usize>(shape: [usize; D], seed: u32, offset: f32, dtype: DType) -> Tensor<D> {
    let numbers = numbers(shape.iter().product(), seed);
    let numbers: Vec<f32> = numbers.iter().map(|v| v + offset).collect();
    let device = crate::device().autodiff();
    let tensor = Tensor::<D>::from_data(TensorData::new(numbers, shape), &device);
    tensor.cast(dtype).detach().require_grad()
}

fn f32s<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    values(&tensor.cast(DType::F32))
}

/// A function's outputs, and the gradients of x and two vectors of its first output times numbers.
fn run(
    x: &Tensor<4>,
    vectors: [&Tensor<1>; 2],
    f: impl FnOnce(Tensor<4>, Tensor<1>, Tensor<1>) -> (Tensor<4>, Vec<Tensor<1>>),
) -> Vec<Vec<f32>> {
    let (y, others) = f(x.clone(), vectors[0].clone(), vectors[1].clone());
    assert_eq!(y.dims(), x.dims());
    let factors = leaf(y.dims(), 77, 0.1, y.dtype()).detach();
    let grads = (y.clone() * factors).sum().backward();
    let mut found = vec![f32s(y), f32s(x.grad(&grads).expect("gradient of x"))];
    for vector in vectors {
        found.push(f32s(vector.grad(&grads).expect("gradient of a vector")));
    }
    found.extend(others.into_iter().map(f32s));
    found
}

fn channel(vector: Tensor<1>) -> Tensor<4> {
    let [channels] = vector.dims();
    vector.reshape([1, channels, 1, 1])
}

fn relu_if(yes: bool, x: Tensor<4>) -> Tensor<4> {
    if yes {
        burn::tensor::activation::relu(x)
    } else {
        x
    }
}

fn norm_definition(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    relu: bool,
) -> (Tensor<4>, Vec<Tensor<1>>) {
    let channels = gamma.dims();
    let mean_of = |x: Tensor<4>| x.mean_dim(0).mean_dim(2).mean_dim(3);
    let mean = mean_of(x.clone());
    let centred = x - mean.clone();
    let variance = mean_of(centred.clone() * centred.clone());
    let normal = centred / (variance.clone() + EPSILON).sqrt();
    let y = normal * channel(gamma) + channel(beta);
    let statistics = vec![mean.reshape(channels), variance.reshape(channels)];
    (relu_if(relu, y), statistics)
}

fn norm_ours(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    relu: bool,
) -> (Tensor<4>, Vec<Tensor<1>>) {
    let options = NormOptions {
        epsilon: EPSILON,
        relu,
    };
    let (y, mean, variance) = batch_norm(x, gamma, beta, &options);
    (y, vec![mean, variance])
}

fn assert_close(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = relative_error(found, expected);
        assert!(error <= TOLERANCE, "{what}, result {at}: {error}");
    }
}

/// Our batch norm (in f32, and in f64, which takes the default body) on `x` and the definition.
fn check_norm(x: impl Fn(DType) -> Tensor<4>, what: &str) {
    let [_, channels, _, _] = x(DType::F32).dims();
    for relu in [false, true] {
        let vectors = |dtype| {
            let gamma = leaf([channels], 3, 0.2, dtype);
            (gamma, leaf([channels], 4, 0.3, dtype))
        };
        let (gamma, beta) = vectors(DType::F64);
        let expected = run(&x(DType::F64), [&gamma, &beta], |x, gamma, beta| {
            norm_definition(x, gamma, beta, relu)
        });
        for dtype in [DType::F32, DType::F64] {
            let (gamma, beta) = vectors(dtype);
            let found = run(&x(dtype), [&gamma, &beta], |x, gamma, beta| {
                norm_ours(x, gamma, beta, relu)
            });
            assert_close(
                &found,
                &expected,
                &format!("{what}, relu {relu}, {dtype:?}"),
            );
        }
    }
}

#[test]
fn batch_norm_equals_its_definition() {
    for shape in SHAPES {
        check_norm(|dtype| leaf(shape, 5, 0.25, dtype), &format!("{shape:?}"));
    }
}

#[test]
fn deviations_far_smaller_than_the_mean_count() {
    check_norm(|dtype| leaf([2, 3, 9, 8], 5, 100.0, dtype), "a large mean");
}

#[test]
fn equal_values_give_beta_and_no_variance() {
    let device = crate::device().autodiff();
    let equal = |dtype| {
        Tensor::<4>::full([2, 2, 3, 5], 0.1, &device)
            .cast(dtype)
            .detach()
            .require_grad()
    };
    let beta = leaf([2], 4, 0.3, DType::F32);
    let gamma = leaf([2], 3, 0.2, DType::F32);
    let (y, mean, variance) = batch_norm(
        equal(DType::F32),
        gamma,
        beta.clone(),
        &NormOptions {
            epsilon: EPSILON,
            relu: false,
        },
    );
    assert_eq!(values(&variance), [0.0; 2]);
    assert_eq!(values(&mean), [0.1; 2]);
    let expected = channel(beta).expand([2, 2, 3, 5]);
    assert_eq!(values(&y), values(&expected));
    // The f64 reference must start from the same f32 numbers.
    check_norm(
        |dtype| {
            let half = Tensor::<4>::full([2, 2, 3, 5], 0.5, &device);
            half.cast(dtype).detach().require_grad()
        },
        "equal values",
    );
}

#[test]
fn batch_norm_reads_permuted_tensors() {
    let device = crate::device().autodiff();
    let run_on = |permuted: bool| {
        let x = leaf([2, 5, 7, 3], 6, 0.0, DType::F32);
        let turned = x.clone().permute([0, 3, 1, 2]);
        // The same numbers in one piece.
        let data = TensorData::new(values(&turned), turned.dims());
        let whole = Tensor::<4>::from_data(data, &device).require_grad();
        let input = if permuted { turned } else { whole.clone() };
        let gamma = leaf([3], 3, 0.2, DType::F32);
        let beta = leaf([3], 4, 0.3, DType::F32);
        let (y, _) = norm_ours(input, gamma.clone(), beta.clone(), true);
        // The gradient of y comes in another order, too.
        let y_turned = y.clone().permute([0, 2, 3, 1]);
        let factors = leaf(y_turned.dims(), 8, 0.1, DType::F32).detach();
        let grads = (y_turned * factors).sum().backward();
        let x_gradient = if permuted {
            x.grad(&grads).expect("gradient").permute([0, 3, 1, 2])
        } else {
            whole.grad(&grads).expect("gradient")
        };
        [
            values(&y),
            values(&x_gradient),
            values(&gamma.grad(&grads).expect("gradient")),
            values(&beta.grad(&grads).expect("gradient")),
        ]
    };
    assert_eq!(run_on(true), run_on(false));
}

#[test]
fn affine_maps_of_channels_equal_their_definition() {
    for shape in SHAPES {
        for relu in [false, true] {
            let inputs = |dtype| {
                let scale = leaf([shape[1]], 3, 0.2, dtype);
                (
                    leaf(shape, 5, 0.1, dtype),
                    scale,
                    leaf([shape[1]], 4, 0.3, dtype),
                )
            };
            let (x, scale, shift) = inputs(DType::F64);
            let expected = run(&x, [&scale, &shift], |x, scale, shift| {
                let y = x * channel(scale) + channel(shift);
                (relu_if(relu, y), Vec::new())
            });
            for dtype in [DType::F32, DType::F64] {
                let (x, scale, shift) = inputs(dtype);
                let found = run(&x, [&scale, &shift], |x, scale, shift| {
                    (channel_affine(x, scale, shift, relu), Vec::new())
                });
                assert_close(
                    &found,
                    &expected,
                    &format!("{shape:?}, relu {relu}, {dtype:?}"),
                );
            }
        }
    }
}

#[test]
fn affine_maps_give_only_the_gradients_asked_for() {
    let x = leaf([2, 3, 4, 5], 5, 0.1, DType::F32);
    let scale = leaf([3], 3, 0.2, DType::F32);
    let shift = leaf([3], 4, 0.3, DType::F32);
    let constant = channel_affine(
        x.clone(),
        scale.clone().detach(),
        shift.clone().detach(),
        true,
    );
    let grads = constant.sum().backward();
    let alone = values(&x.grad(&grads).expect("gradient"));
    assert!(scale.grad(&grads).is_none() && shift.grad(&grads).is_none());
    let grads = channel_affine(x.clone(), scale.clone(), shift, true)
        .sum()
        .backward();
    assert_eq!(values(&x.grad(&grads).expect("gradient")), alone);
    let grads = channel_affine(
        x.clone().detach(),
        scale.clone(),
        leaf([3], 4, 0.3, DType::F32),
        true,
    )
    .sum()
    .backward();
    assert!(x.grad(&grads).is_none() && scale.grad(&grads).is_some());
}

#[test]
fn relu_equals_burn() {
    use burn::tensor::activation::relu as burn_relu;
    for shape in SHAPES {
        let (a, b) = (
            leaf(shape, 5, 0.0, DType::F32),
            leaf(shape, 6, 0.0, DType::F32),
        );
        let factors = leaf(shape, 7, 0.0, DType::F32).detach();
        let run = |y: Tensor<4>| {
            let grads = (y.clone() * factors.clone()).sum().backward();
            let gradient = |x: &Tensor<4>| x.grad(&grads).map(|g| values(&g));
            (values(&y), gradient(&a), gradient(&b))
        };
        assert_eq!(run(relu(a.clone())), run(burn_relu(a.clone())));
        let turned = |relu: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            run(relu(a.clone().swap_dims(2, 3)).swap_dims(2, 3))
        };
        assert_eq!(turned(&relu), turned(&burn_relu));
        // A residual block: an input serves twice, and what is written over must be nobody's.
        let block =
            |relu: &dyn Fn(Tensor<4>) -> Tensor<4>| run(relu(a.clone() * b.clone() + a.clone()));
        assert_eq!(block(&relu), block(&burn_relu));
    }
}

#[test]
fn inputs_that_others_hold_keep_their_values() {
    let device = crate::device();
    let x = Tensor::<4>::from_data(TensorData::new(numbers(24, 5), [1, 2, 3, 4]), &device);
    let vector = Tensor::<1>::from_floats([2.0, -1.0], &device);
    let before = values(&x);
    let _ = relu(x.clone());
    let _ = channel_affine(x.clone(), vector.clone(), vector, true);
    assert_eq!(values(&x), before);
}

#[test]
fn not_a_number_stays_one() {
    let device = crate::device();
    let x = || Tensor::<4>::from_data([[[[f32::NAN, -1.0, 2.0]]]], &device);
    let one = || Tensor::<1>::ones([1], &device);
    for y in [
        relu(x()),
        channel_affine(x(), one(), Tensor::zeros([1], &device), true),
    ] {
        let y = values(&y);
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [0.0, 2.0]);
    }
    let (y, mean, variance) = norm_ours_parts(x(), one());
    assert!(
        values(&y)
            .iter()
            .chain(&values(&mean))
            .chain(&values(&variance))
            .all(|v| v.is_nan())
    );
}

fn norm_ours_parts(x: Tensor<4>, one: Tensor<1>) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let options = NormOptions {
        epsilon: EPSILON,
        relu: true,
    };
    batch_norm(x, one.clone(), one, &options)
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a thread pool").install(|| {
            let shape = [4, 6, 61, 67];
            let x = leaf(shape, 5, 0.1, DType::F32);
            let gamma = leaf([6], 3, 0.2, DType::F32);
            let beta = leaf([6], 4, 0.3, DType::F32);
            let mut results = run(&x, [&gamma, &beta], |x, gamma, beta| {
                norm_ours(x, gamma, beta, true)
            });
            results.extend(run(&x, [&gamma, &beta], |x, scale, shift| {
                let y = channel_affine(x.clone(), scale, shift, true);
                (relu(relu(y) + x), Vec::new())
            }));
            results
        })
    };
    assert_eq!(all(1), all(3));
}

#[test]
#[should_panic(expected = "batch_norm")]
fn vectors_must_fit_the_channels() {
    let device = crate::device();
    let vector = Tensor::<1>::ones([2], &device);
    let _ = norm_ours_parts(Tensor::ones([1, 3, 2, 2], &device), vector);
}
