//! The passes beside the CPU's, on the first GPU (`cargo xtask gpu vulkan product`); without matrix units by the
//! kernel's other way to multiply.

use burn::backend::Flex;

use super::passes;
use super::tiles::{Arithmetic, Units};
use crate::conv::ConvOptions;
use crate::cube::on_gpu::{assert_close, on_cpu, on_gpu, read, read_cpu};
use crate::default;

/// Values in two parts lose their last 7 bits, and one of four products; up to 2000 are summed.
const TOLERANCE_F32: f32 = 2e-5;

/// Operands with 8 bits.
const TOLERANCE_BF16: f32 = 2e-2;

/// x, weight; options.
fn cases() -> Vec<([usize; 4], [usize; 4], ConvOptions)> {
    let same = ConvOptions::same;
    vec![
        ([2, 64, 9, 11], [64, 64, 3, 3], same(3, 1)),
        ([2, 3, 17, 20], [64, 3, 7, 7], same(7, 1).with_stride(2)),
        ([1, 136, 13, 10], [21, 136, 1, 1], ConvOptions::default()),
        ([1, 24, 14, 15], [40, 24, 3, 3], same(3, 2)),
        ([3, 64, 15, 16], [48, 64, 3, 3], same(3, 1).with_stride(2)),
        ([2, 32, 12, 13], [40, 32, 1, 1], same(1, 1).with_stride(2)),
        ([2, 128, 9, 11], [128, 4, 3, 3], same(3, 1).with_groups(32)),
        (
            [2, 64, 10, 11],
            [64, 16, 3, 3],
            same(3, 1).with_stride(2).with_groups(4),
        ),
        ([3, 64, 15, 16], [128, 64, 3, 3], same(3, 1).with_stride(2)),
        ([2, 32, 12, 13], [200, 32, 1, 1], same(1, 1).with_stride(2)),
        ([2, 200, 20, 20], [200, 200, 3, 3], same(3, 1)),
        ([1, 512, 5, 5], [8, 512, 3, 3], same(3, 4)),
        // Rows that do not begin at multiples of 16 bytes, of more than one workgroup.
        ([1, 130, 13, 12], [150, 130, 1, 1], same(1, 1)),
        // Sums in parts: over pixels, and over taps and channels.
        ([16, 40, 32, 32], [1, 40, 1, 1], same(1, 1)),
        ([2, 16, 64, 64], [8, 16, 3, 3], same(3, 1)),
        ([2, 64, 8, 8], [64, 64, 5, 5], same(5, 1)),
    ]
}

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan product"]
fn passes_equal_the_cpu() {
    let probe = on_gpu([1, 1, 1, 1], 1);
    let units = if passes::has_matrix_units(&probe) {
        Units::Matrix
    } else {
        Units::Scalar
    };
    println!("{units:?}");
    for (x_shape, weight_shape, options) in cases() {
        // Drivers without matrix units have no memory for larger ones.
        if units == Units::Scalar
            && options.groups == 1
            && weight_shape[0].max(weight_shape[1]) > 64
        {
            continue;
        }
        for (arithmetic, tolerance) in [
            (Arithmetic::F32, TOLERANCE_F32),
            (Arithmetic::Bf16, TOLERANCE_BF16),
        ] {
            let (x, weight) = (on_cpu(x_shape, 1), on_cpu(weight_shape, 2));
            let output = default::conv2d_forward::<Flex>(x.clone(), weight.clone(), None, options);
            let [kh, kw] = [weight_shape[2], weight_shape[3]];
            let [tall, wide] = options.output_size([x_shape[2], x_shape[3]], [kh, kw]);
            let shape = [x_shape[0], weight_shape[0], tall, wide];
            let upstream = on_cpu(shape, 3);
            let of_x = default::conv2d_input_gradient::<Flex>(
                x.clone(),
                weight.clone(),
                upstream.clone(),
                options,
            );
            let of_weight = default::conv2d_weight_gradient::<Flex>(x, weight, upstream, options);
            let (x, weight, upstream) = (
                on_gpu(x_shape, 1),
                on_gpu(weight_shape, 2),
                on_gpu(shape, 3),
            );
            let what = |pass: &str| format!("{x_shape:?} {weight_shape:?} {arithmetic:?} {pass}");
            let found = passes::output_by(x.clone(), weight.clone(), options, arithmetic, units);
            assert_close(&what("output"), &read(found), &read_cpu(&output), tolerance);
            let found = passes::input_gradient_by(
                x.clone(),
                weight.clone(),
                upstream.clone(),
                options,
                arithmetic,
                units,
            );
            assert_close(
                &what("input gradient"),
                &read(found),
                &read_cpu(&of_x),
                tolerance,
            );
            let found = passes::weight_gradient_by(x, weight, upstream, options, arithmetic, units);
            assert_close(
                &what("weight gradient"),
                &read(found),
                &read_cpu(&of_weight),
                tolerance,
            );
        }
    }
}
