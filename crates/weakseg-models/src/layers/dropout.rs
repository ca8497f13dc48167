//! Dropout whose mask comes from a [`DropNoise`].

use burn::tensor::{Tensor, TensorData};

use super::DropNoise;

/// Sets each element to zero with probability `p` and scales the others by 1/(1 − p) (Srivastava
/// et al. 2014). Without noise, or at p = 0, the input comes back unchanged. `p` is the layer's
/// own and has nothing to do with [`DropNoise::probability`].
///
/// # Shapes
/// any → the same
pub fn dropout(x: Tensor<4>, p: f64, noise: Option<&mut DropNoise>) -> Tensor<4> {
    let Some(noise) = noise else { return x };
    if p <= 0.0 {
        return x;
    }
    let dims = x.dims();
    let kept = (1.0 - p).recip() as f32;
    let mask: Vec<f32> = (0..dims.iter().product())
        .map(|_| if noise.flip(p) { 0.0 } else { kept })
        .collect();
    let mask = Tensor::from_data(TensorData::new(mask, dims), &x.device());
    x * mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn keeps_the_mean_and_drops_the_share() {
        let x = Tensor::<4>::ones([2, 8, 32, 32], &Device::flex());
        let mut noise = DropNoise::new(1, 0, 0.0);
        let y: Vec<f32> = dropout(x.clone(), 0.1, Some(&mut noise))
            .into_data()
            .try_to_vec()
            .unwrap();
        let dropped = y.iter().filter(|&&v| v == 0.0).count() as f64 / y.len() as f64;
        let mean = y.iter().sum::<f32>() / y.len() as f32;
        assert!((dropped - 0.1).abs() < 0.01, "{dropped}");
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        let same: Vec<f32> = dropout(x, 0.1, None).into_data().try_to_vec().unwrap();
        assert!(same.iter().all(|&v| v == 1.0));
    }
}
