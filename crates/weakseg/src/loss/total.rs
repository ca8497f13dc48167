//! Sums over all pixels of a batch.

use burn::tensor::Tensor;

/// Burn's CPU sums so many values and more in an order that depends on the threads (its `ops/reduce.rs`), and a figure
/// that decides which epoch is best must not.
const AT_ONCE: usize = 4 << 20;

/// The sum of all values, `[B, C, H, W]`: of many row by row.
pub(super) fn total(values: Tensor<4>) -> Tensor<1> {
    match values.dims().iter().product::<usize>() < AT_ONCE {
        true => values.sum(),
        false => values.sum_dim(3).sum(),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn many_values_have_a_sum_and_a_gradient() {
        // Two and a half thousand rows of 2048: sums of whole numbers are exact.
        let device = Device::flex().autodiff();
        let ones = Tensor::<4>::ones([2, 1, 1280, 2048], &device).require_grad();
        let sum = total(ones.clone() * 2.0);
        let gradient = ones.grad(&sum.backward()).expect("a gradient");
        assert_eq!(sum.into_scalar::<f32>(), (4 * 1280 * 2048) as f32);
        assert_eq!(gradient.clone().min().into_scalar::<f32>(), 2.0);
        assert_eq!(gradient.max().into_scalar::<f32>(), 2.0);
    }

    #[test]
    fn threads_change_no_bit() {
        let values: Vec<f32> = (0..AT_ONCE + 2048)
            .map(|i| ((i * 7919) % 1013) as f32 / 97.0)
            .collect();
        let of = |threads: usize| -> f32 {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            pool.install(|| {
                let data = burn::tensor::TensorData::new(values.clone(), [1, 1, 2049, 2048]);
                total(Tensor::from_data(data, &Device::flex())).into_scalar()
            })
        };
        let one = of(1);
        for threads in [2, 3, 7] {
            assert_eq!(of(threads).to_bits(), one.to_bits(), "{threads}");
        }
    }
}
