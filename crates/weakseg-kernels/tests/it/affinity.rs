//! Path affinities against their definition and finite differences.

use burn::tensor::{DType, Device, Tensor, TensorData};
use weakseg_kernels::{PathIndex, path_affinity};

use crate::{numbers, relative_error, values};

fn edges(shape: [usize; 3], device: &Device) -> Tensor<3> {
    let numbers = numbers(shape.iter().product(), 5);
    let data: Vec<f32> = numbers.iter().map(|v| 0.5 + 0.45 * v).collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// The definition, pair by pair, in f64.
fn definition(edge: &[f64], [batch, height, width]: [usize; 3], paths: &PathIndex) -> Vec<f64> {
    let sources = paths.sources(height, width);
    let mut affinity = Vec::new();
    for image in 0..batch {
        for path in paths.paths() {
            for pixel in sources.pixels() {
                let (y, x) = (pixel / width, pixel % width);
                let worst = path.iter().map(|[dy, dx]| {
                    let row = image * height + y.wrapping_add_signed(*dy);
                    edge[row * width + x.wrapping_add_signed(*dx)]
                });
                affinity.push(1.0 - worst.fold(f64::MIN, f64::max));
            }
        }
    }
    affinity
}

#[test]
fn equals_the_definition() {
    let device = crate::device();
    for (radius, shape) in [
        (2, [1, 3, 4]),
        (3, [2, 8, 9]),
        (5, [2, 12, 17]),
        (10, [1, 11, 25]),
    ] {
        let paths = PathIndex::new(radius);
        let edge = edges(shape, &device);
        let affinity = path_affinity(edge.clone(), &paths);
        let sources = paths.sources(shape[1], shape[2]);
        assert!(!sources.is_empty());
        assert_eq!(
            affinity.dims(),
            [shape[0], paths.directions().len(), sources.len()]
        );
        let edge: Vec<f64> = values(&edge).into_iter().map(f64::from).collect();
        let expected = definition(&edge, shape, &paths);
        let expected: Vec<f32> = expected.into_iter().map(|v| v as f32).collect();
        assert!(relative_error(&values(&affinity), &expected) <= 1e-6);
    }
}

#[test]
fn gradient_equals_finite_differences() {
    let device = crate::device().autodiff();
    let shape = [2, 9, 13];
    let paths = PathIndex::new(4);
    let edge = edges(shape, &device).require_grad();
    let affinity = path_affinity(edge.clone(), &paths);
    let factors = numbers(affinity.dims().iter().product(), 6);
    let data = TensorData::new(factors.clone(), affinity.dims());
    let loss = (affinity * Tensor::from_data(data, &device)).sum();
    let gradient = values(&edge.grad(&loss.backward()).expect("gradient"));

    let edge: Vec<f64> = values(&edge).into_iter().map(f64::from).collect();
    let loss = |edge: &[f64]| -> f64 {
        let affinity = definition(edge, shape, &paths);
        affinity
            .iter()
            .zip(&factors)
            .map(|(a, f)| a * f64::from(*f))
            .sum()
    };
    // The loss is piecewise linear: below the smallest gap between two edges the quotient is exact.
    let step = 1e-7;
    let expected: Vec<f32> = (0..edge.len())
        .map(|at| {
            let (mut up, mut down) = (edge.clone(), edge.clone());
            up[at] += step;
            down[at] -= step;
            ((loss(&up) - loss(&down)) / (2.0 * step)) as f32
        })
        .collect();
    let error = relative_error(&gradient, &expected);
    assert!(error <= 1e-5, "{error}");
    assert!(gradient.iter().any(|g| *g != 0.0));
}

#[test]
fn ties_go_to_the_first_cell_of_the_path() {
    let device = crate::device().autodiff();
    let paths = PathIndex::new(2);
    let edge = Tensor::<3>::full([1, 2, 3], 0.5, &device).require_grad();
    let affinity = path_affinity(edge.clone(), &paths);
    let gradient = edge.grad(&affinity.sum().backward()).expect("gradient");
    // The only source is (0, 1); its four destinations take one pair each.
    assert_eq!(values(&gradient), [0.0, 0.0, -1.0, -1.0, -1.0, -1.0]);
}

#[test]
fn the_default_body_gives_the_same() {
    // f64 takes the body made of the backend's operations, on Flex as on a GPU.
    let device = crate::device().autodiff();
    let paths = PathIndex::new(4);
    let run = |dtype: DType| {
        let edge = edges([2, 7, 11], &device)
            .cast(dtype)
            .detach()
            .require_grad();
        let affinity = path_affinity(edge.clone(), &paths);
        let factors = numbers(affinity.dims().iter().product(), 8);
        let data = TensorData::new(factors, affinity.dims());
        let factors = Tensor::<3>::from_data(data, &device).cast(dtype);
        let grads = (affinity.clone() * factors).sum().backward();
        let gradient = edge.grad(&grads).expect("gradient");
        (
            values(&affinity.cast(DType::F32)),
            values(&gradient.cast(DType::F32)),
        )
    };
    let (fused, default) = (run(DType::F32), run(DType::F64));
    assert!(relative_error(&fused.0, &default.0) <= 1e-6);
    assert!(relative_error(&fused.1, &default.1) <= 1e-6);
}

#[test]
fn maps_smaller_than_the_radius_have_no_pairs() {
    let device = crate::device();
    let affinity = path_affinity(edges([2, 4, 4], &device), &PathIndex::new(5));
    assert_eq!(affinity.dims(), [2, 34, 0]);
    assert_eq!(
        path_affinity(edges([1, 4, 4], &device), &PathIndex::new(1)).dims(),
        [1, 0, 16]
    );
}
