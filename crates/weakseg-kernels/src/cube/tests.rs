//! The bodies for CubeCL devices, run on the CPU's backend beside the default ones.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorData, TensorMetadata};

use super::channels_last::{self, BatchNorm};
use super::{conv, planes, resize};
use crate::conv::ConvOptions;
use crate::default;
use crate::norm::NormOptions;
use crate::ops::Resize;

/// Both sides are f32, in another order.
const TOLERANCE: f32 = 1e-5;

/// Numbers without a pattern, with a mean of their own.
fn numbers<const D: usize>(shape: [usize; D], seed: u32) -> FloatTensor<Flex> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
        (state >> 15) as f32 / f32::from(1u16 << 15) - 0.8
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape))
}

/// A `[B, C, H, W]` tensor that lies in memory as a convolution on a GPU leaves it.
fn image([batch, channels, height, width]: [usize; 4], seed: u32) -> FloatTensor<Flex> {
    let laid_out = numbers([batch, height, width, channels], seed);
    Flex::float_permute(laid_out, &[0, 3, 1, 2])
}

fn values(tensor: &FloatTensor<Flex>) -> Vec<f32> {
    let whole = tensor.to_contiguous();
    whole.as_slice::<f32>().expect("contiguous").to_vec()
}

#[track_caller]
fn assert_equal(found: &FloatTensor<Flex>, expected: &FloatTensor<Flex>) {
    assert_eq!(found.shape(), expected.shape());
    let (found, expected) = (values(found), values(expected));
    let scale = expected.iter().fold(1e-20_f32, |m, v| m.max(v.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        let error = (found - expected).abs() / scale;
        assert!(error <= TOLERANCE, "{found} for {expected}: {error:e}");
    }
}

const SHAPES: [[usize; 4]; 3] = [[2, 5, 6, 7], [1, 8, 16, 16], [3, 1, 1, 5]];

#[test]
fn batch_norm_forward_and_gradients() {
    for shape in SHAPES {
        for relu in [false, true] {
            let options = NormOptions {
                epsilon: 1e-3,
                relu,
            };
            let (x, upstream) = (image(shape, 1), image(shape, 2));
            let channel = |seed| numbers([shape[1]], seed);
            let (gamma, beta) = (channel(3), channel(4));
            let norm = BatchNorm::<Flex>::of(x.clone(), gamma.clone(), beta.clone(), options);
            let (output, mean, variance) = norm.output(None);
            let expected = default::batch_norm_forward::<Flex>(
                x.clone(),
                gamma.clone(),
                beta.clone(),
                options,
            );
            assert_equal(&output, &expected.0);
            assert_equal(&mean, &expected.1);
            assert_equal(&variance, &expected.2);
            let channels = [gamma.clone(), beta.clone(), mean.clone(), variance.clone()];
            let norm = BatchNorm::<Flex>::again(x.clone(), channels, options);
            let found = norm.gradients(upstream.clone());
            let expected = default::batch_norm_backward::<Flex>(
                x, gamma, beta, mean, variance, options, upstream,
            );
            for (found, expected) in found.iter().zip(&expected) {
                assert_equal(found, expected);
            }
        }
    }
}

#[test]
fn the_end_of_a_residual_block() {
    for shape in SHAPES {
        let (x, shortcut) = (image(shape, 1), image(shape, 2));
        let (scale, shift) = (numbers([shape[1]], 3), numbers([shape[1]], 4));
        let found = channels_last::affine::<Flex>(
            x.clone(),
            scale.clone(),
            shift.clone(),
            Some(shortcut.clone()),
            true,
        );
        let expected = default::channel_affine_add_forward::<Flex>(
            x.clone(),
            scale.clone(),
            shift.clone(),
            shortcut.clone(),
        );
        assert_equal(&found, &expected);
        let options = NormOptions {
            epsilon: 1e-3,
            relu: true,
        };
        let norm = BatchNorm::<Flex>::of(x.clone(), scale.clone(), shift.clone(), options);
        let (found, ..) = norm.output(Some(shortcut.clone()));
        let (expected, ..) =
            default::batch_norm_add_forward::<Flex>(x, scale, shift, shortcut, 1e-3);
        assert_equal(&found, &expected);
    }
}

#[test]
fn affine_maps_and_sums_of_channels() {
    for shape in SHAPES {
        let x = image(shape, 1);
        let (scale, shift) = (numbers([shape[1]], 3), numbers([shape[1]], 4));
        for relu in [false, true] {
            let (x, scale, shift) = (x.clone(), scale.clone(), shift.clone());
            assert_equal(
                &channels_last::affine::<Flex>(x.clone(), scale.clone(), shift.clone(), None, relu),
                &default::channel_affine_forward::<Flex>(x, scale, shift, relu),
            );
        }
        let ones = Flex::float_add_scalar(Flex::float_mul_scalar(scale, 0.0.into()), 1.0.into());
        assert_equal(
            &channels_last::add_per_channel::<Flex>(x.clone(), shift.clone()),
            &default::channel_affine_forward::<Flex>(x.clone(), ones, shift, false),
        );
        assert_equal(
            &channels_last::channel_sums::<Flex>(x.clone()),
            &default::conv2d_bias_gradient::<Flex>(x),
        );
    }
}

#[test]
fn gates_and_means_of_planes() {
    for shape in SHAPES {
        let (x, shortcut, upstream) = (image(shape, 1), image(shape, 2), image(shape, 3));
        let gate = numbers([shape[0], shape[1], 1, 1], 4);
        assert_equal(
            &planes::gated::<Flex>(x.clone(), gate.clone(), None),
            &default::gate_forward::<Flex>(x.clone(), gate.clone()),
        );
        assert_equal(
            &planes::gated::<Flex>(x.clone(), gate.clone(), Some(shortcut.clone())),
            &default::gate_add_forward::<Flex>(x.clone(), gate.clone(), shortcut),
        );
        assert_equal(
            &planes::mean::<Flex>(x.clone()),
            &default::global_mean_forward::<Flex>(x.clone()),
        );
        let found = planes::gate_gradients::<Flex>(x.clone(), gate.clone(), upstream.clone());
        let expected = default::gate_backward::<Flex>(x, gate, upstream);
        for (found, expected) in found.iter().zip(&expected) {
            assert_equal(found, expected);
        }
    }
}

#[test]
fn the_backward_of_bilinear_resizing() {
    for ([height, width], size) in [([4, 5], [8, 10]), ([7, 3], [5, 9]), ([1, 6], [3, 6])] {
        for align_corners in [false, true] {
            let target = Resize {
                size,
                align_corners,
            };
            let x = image([2, 3, height, width], 1);
            let upstream = image([2, 3, size[0], size[1]], 2);
            assert_equal(
                &resize::backward::<Flex>(x.clone(), target, upstream.clone()),
                &<Flex as crate::ops::Kernels>::resize_backward(x, target, upstream),
            );
        }
    }
}

#[test]
fn convolutions_as_matrix_products() {
    let same = ConvOptions::same;
    let uneven = ConvOptions {
        padding: [2, 0],
        ..same(3, 1)
    };
    let far = ConvOptions {
        padding: [3, 3],
        ..same(3, 1)
    };
    for (x, weight, options) in [
        ([2, 16, 9, 8], [5, 16, 3, 3], same(3, 1)),
        ([2, 16, 9, 8], [5, 16, 3, 3], same(3, 1).with_stride(2)),
        ([1, 17, 16, 17], [6, 17, 3, 3], same(3, 4)),
        ([2, 20, 16, 15], [8, 20, 5, 5], same(5, 1).with_stride(2)),
        ([2, 16, 9, 8], [5, 16, 3, 3], uneven),
        // More padding than the kernel reaches: no gradient's equal.
        ([1, 16, 5, 5], [3, 16, 3, 3], far),
        // Not served.
        ([2, 3, 16, 15], [8, 3, 7, 7], same(7, 1).with_stride(2)),
        ([2, 16, 6, 5], [8, 16, 1, 1], same(1, 1)),
        ([2, 32, 6, 5], [8, 16, 3, 3], same(3, 1).with_groups(2)),
    ] {
        let (x, weight) = (image(x, 1), numbers(weight, 2));
        assert_equal(
            &conv::forward::<Flex>(x.clone(), weight.clone(), options),
            &default::conv2d_forward::<Flex>(x, weight, None, options),
        );
    }
}
