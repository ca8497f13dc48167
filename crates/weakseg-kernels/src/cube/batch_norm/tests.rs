//! Both passes beside the CPU's (`cargo xtask gpu vulkan batch_norm`).

use burn::backend::Flex;

use crate::cube::on_gpu::{assert_close, nan_on_gpu, on_cpu, on_gpu, read, read_cpu};
use crate::default;
use crate::norm::NormOptions;

/// Both sides are f32, in another order.
const TOLERANCE: f32 = 1e-5;

const SHAPES: [[usize; 4]; 8] = [
    [2, 64, 9, 11],
    // Group norm of 8 channels of 16 images, as IRNet's in the demo.
    [1, 16, 256, 32],
    [1, 4, 3, 5],
    [3, 200, 7, 7],
    [4, 16, 40, 41],
    // No whole vectors.
    [1, 1, 16, 32],
    [2, 3, 9, 11],
    [1, 130, 20, 7],
];

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan batch_norm"]
fn passes_equal_the_cpu() {
    for shape in SHAPES {
        let channels = [shape[1]];
        for relu in [false, true] {
            let options = NormOptions {
                epsilon: 1e-3,
                relu,
            };
            let (x, upstream) = (on_cpu(shape, 1), on_cpu(shape, 2));
            let (gamma, beta) = (on_cpu(channels, 3), on_cpu(channels, 4));
            let forward = (x.clone(), gamma.clone(), beta.clone());
            let (output, mean, variance) =
                default::batch_norm_forward::<Flex>(forward.0, forward.1, forward.2, options);
            let backward = default::batch_norm_backward::<Flex>(
                x,
                gamma,
                beta,
                mean.clone(),
                variance.clone(),
                options,
                upstream,
            );

            let (x, upstream) = (on_gpu(shape, 1), on_gpu(shape, 2));
            let (gamma, beta) = (on_gpu(channels, 3), on_gpu(channels, 4));
            let found = super::forward(x.clone(), gamma.clone(), beta.clone(), None, options);
            let channels = [gamma, beta, found[1].clone(), found[2].clone()];
            let expected = [output, mean, variance];
            for (what, (found, expected)) in ["output", "mean", "variance"]
                .into_iter()
                .zip(found.into_iter().zip(expected))
            {
                assert_close(what, &read(found), &read_cpu(&expected), TOLERANCE);
            }
            let found = super::backward(x, channels, options, upstream);
            for (what, (found, expected)) in ["of x", "of gamma", "of beta"]
                .into_iter()
                .zip(found.into_iter().zip(backward))
            {
                assert_close(what, &read(found), &read_cpu(&expected), TOLERANCE);
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan batch_norm"]
fn a_shortcut_is_added_before_relu() {
    let shape = [2, 8, 9, 11];
    let (gamma, beta) = (on_cpu([8], 3), on_cpu([8], 4));
    let expected = default::batch_norm_add_forward::<Flex>(
        on_cpu(shape, 1),
        gamma,
        beta,
        on_cpu(shape, 2),
        1e-3,
    );
    let options = NormOptions {
        epsilon: 1e-3,
        relu: true,
    };
    let (gamma, beta) = (on_gpu([8], 3), on_gpu([8], 4));
    let [found, ..] = super::forward(
        on_gpu(shape, 1),
        gamma,
        beta,
        Some(on_gpu(shape, 2)),
        options,
    );
    assert_close("output", &read(found), &read_cpu(&expected.0), TOLERANCE);
}

/// A network that diverged must not look well.
#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan batch_norm"]
fn relu_keeps_nan() {
    let shape = [2, 8, 9, 11];
    let options = NormOptions {
        epsilon: 1e-3,
        relu: true,
    };
    let (x, beta) = (on_gpu(shape, 1), on_gpu([8], 2));
    let [output, mean, variance] =
        super::forward(x.clone(), nan_on_gpu([8]), beta.clone(), None, options);
    assert!(read(output).iter().all(|value| value.is_nan()));
    let channels = [nan_on_gpu([8]), beta, mean, variance];
    let [of_x, ..] = super::backward(x, channels, options, on_gpu(shape, 3));
    assert!(read(of_x).iter().all(|value| value.is_nan()));
}

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan batch_norm"]
fn sums_of_channels_equal_the_cpus() {
    for shape in [
        [2, 64, 9, 11],
        [1, 1, 3, 5],
        [16, 1, 32, 32],
        [3, 21, 40, 41],
    ] {
        let expected = default::conv2d_bias_gradient::<Flex>(on_cpu(shape, 1));
        let found = crate::cube::operation::channel_sums(on_gpu(shape, 1));
        assert_close("sums", &read(found), &read_cpu(&expected), TOLERANCE);
    }
}
