//! The sums beside the CPU's (`cargo xtask gpu vulkan channel_sums`).

use crate::cube::on_gpu::{assert_close, on_cpu, on_gpu, read, read_cpu};

const SHAPES: [[usize; 4]; 4] = [[2, 64, 9, 11], [1, 4, 3, 5], [3, 200, 7, 7], [4, 16, 40, 41]];

/// Values in `[C, B·H·W]` order, of `[B, C, H, W]`.
fn by_channel(values: &[f32], [batch, channels, height, width]: [usize; 4]) -> Vec<Vec<f64>> {
    let plane = height * width;
    let of_channel = |channel: usize| {
        let planes = (0..batch).map(move |image| (image * channels + channel) * plane);
        planes.flat_map(|start| values[start..start + plane].iter().map(|value| f64::from(*value)))
    };
    (0..channels).map(|channel| of_channel(channel).collect()).collect()
}

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan channel_sums"]
fn moments_equal_those_in_f64() {
    for shape in SHAPES {
        let values = by_channel(&read_cpu(&on_cpu(shape, 1)), shape);
        let mean: Vec<f64> = values.iter().map(|of| of.iter().sum::<f64>() / of.len() as f64).collect();
        let variance = values.iter().zip(&mean).map(|(of, mean)| {
            let squares = of.iter().map(|value| (value - mean).powi(2));
            (squares.sum::<f64>() / of.len() as f64) as f32
        });
        let [found_mean, found_variance] = super::moments(on_gpu(shape, 1));
        let mean: Vec<f32> = mean.iter().map(|mean| *mean as f32).collect();
        assert_close("mean", &read(found_mean), &mean, 1e-5);
        assert_close("variance", &read(found_variance), &variance.collect::<Vec<_>>(), 1e-5);
    }
}

#[test]
#[ignore = "needs a GPU or SwiftShader: cargo xtask gpu vulkan channel_sums"]
fn gradient_sums_equal_those_in_f64() {
    for shape in SHAPES {
        let channels = shape[1];
        let x = by_channel(&read_cpu(&on_cpu(shape, 1)), shape);
        let gradient = by_channel(&read_cpu(&on_cpu(shape, 2)), shape);
        let line = [3, 4, 5].map(|seed| read_cpu(&on_cpu([channels], seed)));
        for relu in [false, true] {
            let (mut sums, mut products) = (vec![], vec![]);
            for channel in 0..channels {
                let [mean, scale, shift] = [0, 1, 2].map(|of: usize| f64::from(line[of][channel]));
                let (mut sum, mut product) = (0.0, 0.0);
                for (x, gradient) in x[channel].iter().zip(&gradient[channel]) {
                    if !relu || (x - mean) * scale + shift > 0.0 {
                        sum += gradient;
                        product += gradient * (x - mean);
                    }
                }
                sums.push(sum as f32);
                products.push(product as f32);
            }
            let [mean, scale, shift] = [3, 4, 5].map(|seed| on_gpu([channels], seed));
            let found = super::gradient_sums(on_gpu(shape, 1), on_gpu(shape, 2), mean, scale, shift, relu);
            let [found_sums, found_products] = found.map(read);
            assert_close("sums", &found_sums, &sums, 1e-5);
            assert_close("products", &found_products, &products, 1e-5);
        }
    }
}
