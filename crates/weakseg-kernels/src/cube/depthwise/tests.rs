//! The passes beside the CPU's (`cargo xtask gpu vulkan depthwise`).

use burn::backend::Flex;

use crate::conv::ConvOptions;
use crate::cube::on_gpu::{assert_close, on_cpu, on_gpu, read, read_cpu};
use crate::default;

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan depthwise"]
fn passes_equal_the_cpu() {
    for (shape, kernel, dilation) in [
        ([2, 8, 9, 11], 3, 1),
        ([1, 304, 14, 13], 3, 2),
        ([3, 12, 7, 5], 1, 1),
    ] {
        let options = ConvOptions::same(kernel, dilation).with_groups(shape[1]);
        let weight_shape = [shape[1], 1, kernel, kernel];
        let (x, weight, upstream) = (on_cpu(shape, 1), on_cpu(weight_shape, 2), on_cpu(shape, 3));
        let output = default::conv2d_forward::<Flex>(x.clone(), weight.clone(), None, options);
        let of_x = default::conv2d_input_gradient::<Flex>(
            x.clone(),
            weight.clone(),
            upstream.clone(),
            options,
        );
        let of_weight = default::conv2d_weight_gradient::<Flex>(x, weight, upstream, options);
        let (x, weight, upstream) = (on_gpu(shape, 1), on_gpu(weight_shape, 2), on_gpu(shape, 3));
        assert!(super::serves(&x, &weight, options));
        let found = super::output(x.clone(), weight.clone(), options);
        assert_close("output", &read(found), &read_cpu(&output), 1e-5);
        let found = super::input_gradient(x.clone(), weight.clone(), upstream.clone(), options);
        assert_close("input gradient", &read(found), &read_cpu(&of_x), 1e-5);
        let found = super::weight_gradient(x, weight, upstream, options);
        assert_close("weight gradient", &read(found), &read_cpu(&of_weight), 1e-5);
    }
}
