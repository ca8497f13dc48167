//! Pooling and resizing against Burn's own (which follows PyTorch).

use burn::tensor::module::{interpolate, max_pool2d as burn_max_pool2d};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use weakseg_kernels::{PoolOptions, max_pool2d, resize_bilinear};

use crate::{numbers, relative_error, values};

/// Weights of pixels and sums of them in f32, by other formulas.
const TOLERANCE: f32 = 1e-5;

fn filled(shape: [usize; 4], device: &Device) -> Tensor<4> {
    let data = TensorData::new(numbers(shape.iter().product(), 9), shape);
    Tensor::from_data(data, device)
}

/// Both functions' values and gradients on the same input.
fn compare(
    shape: [usize; 4],
    ours: impl Fn(Tensor<4>) -> Tensor<4>,
    theirs: impl Fn(Tensor<4>) -> Tensor<4>,
) {
    let device = crate::device().autodiff();
    let run = |f: &dyn Fn(Tensor<4>) -> Tensor<4>| {
        let x = filled(shape, &device).require_grad();
        let y = f(x.clone());
        let grads = (y.clone() * filled(y.dims(), &device)).sum().backward();
        (
            y.dims(),
            values(&y),
            values(&x.grad(&grads).expect("gradient")),
        )
    };
    let (ours, theirs) = (run(&ours), run(&theirs));
    assert_eq!(ours.0, theirs.0, "{shape:?}");
    assert!(relative_error(&ours.1, &theirs.1) <= TOLERANCE, "{shape:?}");
    assert!(relative_error(&ours.2, &theirs.2) <= TOLERANCE, "{shape:?}");
}

#[test]
fn pooling_equals_burn() {
    for (shape, options) in [
        ([2, 3, 8, 10], PoolOptions::new(2, 2, 0)),
        ([1, 2, 9, 7], PoolOptions::new(2, 2, 0)),
        ([2, 2, 11, 8], PoolOptions::new(3, 2, 1)),
        ([1, 1, 6, 6], PoolOptions::new(3, 1, 1)),
        (
            [1, 2, 7, 12],
            PoolOptions {
                kernel: [2, 5],
                stride: [3, 1],
                padding: [1, 2],
                ceil: false,
            },
        ),
        ([1, 2, 8, 10], PoolOptions::new(3, 2, 0).with_ceil()),
        ([1, 2, 9, 10], PoolOptions::new(3, 2, 0).with_ceil()),
        ([1, 1, 7, 9], PoolOptions::new(2, 2, 0).with_ceil()),
    ] {
        let burn = MaxPoolOptions {
            stride: options.stride,
            padding: options.padding.map(|p| (p, p)),
            ceil_mode: options.ceil,
            ..MaxPoolOptions::new(options.kernel)
        };
        compare(
            shape,
            |x| max_pool2d(x, &options),
            |x| burn_max_pool2d(x, burn.clone()),
        );
    }
}

#[test]
fn equal_values_give_the_gradient_to_the_first() {
    let device = crate::device().autodiff();
    let x = Tensor::<4>::ones([1, 1, 3, 3], &device).require_grad();
    let pooled = max_pool2d(x.clone(), &PoolOptions::new(3, 2, 1));
    let gradient = x.grad(&pooled.sum().backward()).expect("gradient");
    // Windows start at (0, 0), (0, 1), (1, 0) and (1, 1).
    assert_eq!(
        values(&gradient),
        [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn a_last_window_counts_only_if_it_begins_inside() {
    // torch.nn.MaxPool2d(k, s, p, ceil_mode=True), torch 2.11, sizes of one axis: (input, k, s, p) -> output
    for (input, kernel, stride, padding, output) in [
        (8, 3, 2, 0, 4),
        (9, 3, 2, 0, 4),
        (10, 3, 2, 0, 5),
        (5, 2, 2, 0, 3),
        (5, 2, 2, 1, 3),
        (4, 3, 3, 1, 2),
        (5, 3, 3, 1, 2),
        (6, 2, 3, 1, 3),
        // Smaller than the window; 0 is PyTorch's error.
        (2, 3, 2, 0, 1),
        (1, 3, 2, 0, 0),
        (1, 2, 2, 0, 1),
        (2, 5, 2, 1, 1),
        (2, 4, 3, 0, 1),
        (1, 4, 3, 0, 0),
    ] {
        let options = PoolOptions::new(kernel, stride, padding).with_ceil();
        assert_eq!(
            options.output_size([input; 2]),
            [output; 2],
            "{input} {kernel} {stride} {padding}"
        );
    }
}

#[test]
fn a_window_with_nan_gives_nan() {
    let device = crate::device();
    let x = Tensor::<4>::from_data(
        [[[[1.0, f32::NAN, 5.0, 2.0], [3.0, 2.0, 1.0, 0.0]]]],
        &device,
    );
    let pooled = values(&max_pool2d(x, &PoolOptions::new(2, 2, 0)));
    assert!(pooled[0].is_nan());
    assert_eq!(pooled[1], 5.0);
}

#[test]
fn resizing_equals_burn() {
    for (shape, size) in [
        ([2, 3, 8, 10], [16, 20]),
        ([1, 2, 5, 7], [13, 4]),
        ([1, 1, 1, 6], [4, 6]),
        ([1, 2, 9, 9], [1, 1]),
        ([1, 1, 12, 9], [3, 27]),
    ] {
        for align_corners in [false, true] {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(align_corners)
                .with_output_size(size);
            compare(
                shape,
                |x| resize_bilinear(x, size, align_corners),
                |x| interpolate(x, options.clone()),
            );
        }
    }
}

#[test]
#[should_panic(expected = "max_pool2d")]
fn padding_must_leave_a_pixel_in_every_window() {
    let x = filled([1, 1, 4, 4], &crate::device());
    let _ = max_pool2d(x, &PoolOptions::new(2, 2, 2));
}
