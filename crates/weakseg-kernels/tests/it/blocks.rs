//! Ends of residual blocks, gates, means and joins against the same made of Burn's primitive
//! operations in f64 and differentiated by Burn; in f64 ours take the default bodies.

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{DType, Tensor, TensorData};
use weakseg_kernels::{
    batch_norm_add_relu, channel_affine_add_relu, gate, gate_add_relu, global_mean, resize_nearest,
    resize_nearest_join,
};

use crate::{numbers, relative_error, values};

const EPSILON: f64 = 1e-5;
/// f32 values, a convolution and some operations deep, beside f64's.
const TOLERANCE: f32 = 1e-5;

/// One pixel, odd sizes, one image, more than one task.
const SHAPES: [[usize; 4]; 4] = [[5, 2, 1, 1], [2, 3, 5, 7], [1, 4, 9, 3], [3, 5, 67, 71]];

fn leaf<const D: usize>(shape: [usize; D], seed: u32, dtype: DType) -> Tensor<D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed), shape);
    let tensor = Tensor::<D>::from_data(data, &crate::device().autodiff());
    tensor.cast(dtype).detach().require_grad()
}

fn f32s<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    values(&tensor.cast(DType::F32))
}

/// The output of a function of tensors of these shapes, and the gradients of all of them.
fn run(
    shapes: &[[usize; 4]],
    dtype: DType,
    f: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) -> Vec<Vec<f32>> {
    let seeds = (0..).map(|at| 11 + 2 * at);
    let inputs = shapes.iter().zip(seeds);
    let inputs: Vec<_> = inputs
        .map(|(shape, seed)| leaf(*shape, seed, dtype))
        .collect();
    let y = f(&inputs);
    let factors = leaf(y.dims(), 77, dtype).detach();
    let grads = (y.clone() * factors).sum().backward();
    let mut found = vec![f32s(y)];
    found.extend(
        inputs
            .iter()
            .map(|x| f32s(x.grad(&grads).expect("gradient"))),
    );
    found
}

/// Compares a function in f32 and f64, and its gradients, with its definition in f64.
pub(crate) fn check(
    shapes: &[[usize; 4]],
    ours: impl Fn(&[Tensor<4>]) -> Tensor<4>,
    definition: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) {
    let expected = run(shapes, DType::F64, definition);
    for dtype in [DType::F32, DType::F64] {
        for (found, expected) in run(shapes, dtype, &ours).iter().zip(&expected) {
            let error = relative_error(found, expected);
            assert!(error <= TOLERANCE, "{shapes:?}, {dtype:?}: {error}");
        }
    }
}

pub(crate) fn rectified(x: Tensor<4>) -> Tensor<4> {
    burn::tensor::activation::relu(x)
}

pub(crate) fn vector(x: &Tensor<4>) -> Tensor<1> {
    x.clone().flatten(0, 3)
}

#[test]
fn the_end_of_a_residual_block_equals_its_definition() {
    for shape in SHAPES {
        let channel = [1, shape[1], 1, 1];
        let shapes = [shape, channel, channel, shape];
        check(
            &shapes,
            |t| {
                let (gamma, beta) = (vector(&t[1]), vector(&t[2]));
                batch_norm_add_relu(t[0].clone(), gamma, beta, t[3].clone(), EPSILON).0
            },
            |t| {
                let mean_of = |x: Tensor<4>| x.mean_dim(0).mean_dim(2).mean_dim(3);
                let centred = t[0].clone() - mean_of(t[0].clone());
                let variance = mean_of(centred.clone() * centred.clone());
                let normal = centred / (variance + EPSILON).sqrt();
                rectified(normal * t[1].clone() + t[2].clone() + t[3].clone())
            },
        );
        check(
            &shapes,
            |t| {
                let (scale, shift) = (vector(&t[1]), vector(&t[2]));
                channel_affine_add_relu(t[0].clone(), scale, shift, t[3].clone())
            },
            |t| rectified(t[0].clone() * t[1].clone() + t[2].clone() + t[3].clone()),
        );
    }
}

/// What is written over must be nobody's: x serves as its own shortcut, and as that of the next.
#[test]
fn inputs_serve_twice() {
    let shape = [2, 3, 5, 7];
    let channel = [1, 3, 1, 1];
    check(
        &[shape, channel, [2, 3, 1, 1]],
        |t| {
            let vector = vector(&t[1]);
            let y = channel_affine_add_relu(t[0].clone(), vector.clone(), vector, t[0].clone());
            let z = gate_add_relu(y.clone(), t[2].clone(), y.clone());
            z * y
        },
        |t| {
            let y = t[0].clone() * t[1].clone() + t[1].clone() + t[0].clone();
            let y = rectified(y);
            rectified(y.clone() * t[2].clone() + y.clone()) * y
        },
    );
}

#[test]
fn gates_and_means_equal_their_definitions() {
    for shape in SHAPES {
        let gates = [shape[0], shape[1], 1, 1];
        check(
            &[shape, gates],
            |t| gate(t[0].clone(), t[1].clone()),
            |t| t[0].clone() * t[1].clone(),
        );
        check(
            &[shape, gates, shape],
            |t| gate_add_relu(t[0].clone(), t[1].clone(), t[2].clone()),
            |t| rectified(t[0].clone() * t[1].clone() + t[2].clone()),
        );
        // x serves the mean and the gate that comes of it.
        check(
            &[shape],
            |t| gate(t[0].clone(), global_mean(t[0].clone())),
            |t| t[0].clone() * t[0].clone().mean_dim(2).mean_dim(3),
        );
    }
}

#[test]
fn repeated_pixels_and_joins_equal_burn() {
    let nearest = |x: Tensor<4>, size| {
        let options = InterpolateOptions::new(InterpolateMode::Nearest)
            .with_align_corners(false)
            .with_output_size(size);
        interpolate(x, options)
    };
    for (shape, size) in [
        ([2, 3, 8, 10], [16, 20]),
        ([1, 2, 5, 7], [13, 4]),
        ([1, 1, 1, 6], [4, 6]),
        ([2, 5, 30, 31], [61, 62]),
    ] {
        check(
            &[shape],
            |t| resize_nearest(t[0].clone(), size),
            |t| nearest(t[0].clone(), size),
        );
        for joined in [1, 4] {
            check(
                &[shape, [shape[0], joined, size[0], size[1]]],
                |t| resize_nearest_join(t[0].clone(), t[1].clone()),
                |t| Tensor::cat(vec![nearest(t[0].clone(), size), t[1].clone()], 1),
            );
        }
    }
}

#[test]
fn not_a_number_stays_one() {
    let device = crate::device();
    let x = || Tensor::<4>::from_data([[[[f32::NAN, -1.0, 2.0]]]], &device);
    let zeros = || Tensor::<4>::zeros([1, 1, 1, 3], &device);
    let one = || Tensor::<1>::ones([1], &device);
    for y in [
        channel_affine_add_relu(x(), one(), Tensor::zeros([1], &device), zeros()),
        gate_add_relu(x(), Tensor::ones([1, 1, 1, 1], &device), zeros()),
    ] {
        let y = values(&y);
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [0.0, 2.0]);
    }
    let (y, mean, variance) = batch_norm_add_relu(x(), one(), one(), zeros(), EPSILON);
    let found = [values(&y), values(&mean), values(&variance)].concat();
    assert!(found.iter().all(|v| v.is_nan()));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a thread pool").install(|| {
            let (shape, channel) = ([4, 6, 61, 67], [1, 6, 1, 1]);
            run(&[shape, channel, channel, shape], DType::F32, |t| {
                let (gamma, beta) = (vector(&t[1]), vector(&t[2]));
                let (y, _, _) =
                    batch_norm_add_relu(t[0].clone(), gamma, beta, t[3].clone(), EPSILON);
                let y = gate_add_relu(y.clone(), global_mean(y.clone()), y);
                resize_nearest_join(y, resize_nearest(t[3].clone(), [122, 134]))
            })
        })
    };
    assert_eq!(all(1), all(3));
}
